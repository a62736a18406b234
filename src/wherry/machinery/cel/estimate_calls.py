"""What a call costs at least and at most, and how large its result is: the counterpart of what the libraries charge."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from wherry.machinery.cel import costs
from wherry.machinery.cel.ast import Call, Literal
from wherry.machinery.cel.estimate_arguments import Argument, Calls, Priced
from wherry.machinery.cel.estimate_lists import LISTS, sorted_cost
from wherry.machinery.cel.ranges import NOTHING, ONE, UNKNOWN, Range, fixed
from wherry.machinery.cel.types import UNBOUNDED

_CHARACTER = costs.PER_CHARACTER
_NOMINAL = frozenset(
    {"serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "allowed", "reason", "error"}
    | {"errored", "masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast"}
    | {"isLinkLocalUnicast", "isGlobalUnicast", "format.named", "sign", "asInteger", "isInteger", "asApproximateFloat"}
    | {"isGreaterThan", "isLessThan", "compareTo", "add", "sub", "major", "minor", "patch", "getScheme", "getHostname"}
    | {"getHost", "getPort", "getEscapedPath", "getQuery"}
)
_CONSTANT_EQUAL = frozenset({"net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"})


def cost_of_call(node: Call, overload: str, calls: Calls) -> Priced:
    """(cost with that of the arguments, size of the result if it can be told)."""
    library = _library(node.function, overload, calls)
    if library is not None:
        cost, size = library
        return cost.plus(calls.before()), size
    return _standard(node, overload, calls)


# --- The libraries ---


def _library(function: str, overload: str, calls: Calls) -> Priced | None:
    listed = LISTS.get(overload)
    if listed is not None:
        return listed(calls)
    if overload.endswith(("_sort", "_sortByAssociatedKeys")):
        return sorted_cost(calls.args[0] if calls.args else calls.target, calls)
    if function == "_==_":
        return _equality(calls)
    if function in _NOMINAL or overload == "cidr_ip":
        return ONE, None
    found = _BY_NAME.get(function)
    return None if found is None else found(calls, overload)


def _equality(calls: Calls) -> Priced | None:
    left, right = (argument.node.type for argument in calls.args)
    if left != right or left.kind != "opaque":
        return None
    if left.name in _CONSTANT_EQUAL or left.name.startswith("kubernetes.authorization."):
        return ONE, None
    if left.name == "kubernetes.NamedFormat":
        return Range(1, 64).scaled(_CHARACTER), None
    if left.name == "kubernetes.URL":
        size = calls.args[1].size
        return Range(1, 1 if size is None else size.most).scaled(_CHARACTER), None
    return None


def _asking(_: Calls, __: str) -> Priced:
    return fixed(350_000), None


def _selecting(calls: Calls, _: str) -> Priced | None:
    if len(calls.args) != 1:
        return None
    length = calls.size(calls.args[0])
    requirements = length.scaled(0.5).scaled(costs.MAKE_LIST + costs.MAKE_OBJECT)
    return fixed(costs.MAKE_LIST).plus(length.scaled(_CHARACTER)).plus(requirements), None


def _walked(calls: Calls, overload: str) -> Priced | None:
    if calls.target is None:
        return None
    items = calls.items(calls.target)
    if items is not None:
        kind, size = items
        each = ONE.plus(size.scaled(_CHARACTER)) if kind.kind in ("string", "bytes") else ONE
        return calls.size(calls.target).times(each), None
    if overload == "list_includes_dyn_dyn":
        return calls.size(calls.target).times(ONE), None
    return calls.size(calls.target).scaled(_CHARACTER), None


def _read(calls: Calls, _: str) -> Priced | None:
    if len(calls.args) != 1:
        return None
    size = calls.size(calls.args[0])
    return size.scaled(_CHARACTER), size


def _read_target(calls: Calls, _: str) -> Priced | None:
    if calls.target is None:
        return None
    size = calls.size(calls.target)
    return size.scaled(_CHARACTER), size


def _parsed(calls: Calls, _: str) -> Priced | None:
    return (calls.size(calls.args[0]).scaled(_CHARACTER), None) if calls.args else None


def _parsed_twice(calls: Calls, _: str) -> Priced | None:
    return (calls.size(calls.args[0]).scaled(2 * _CHARACTER), None) if calls.args else None


def _replaced(calls: Calls, _: str) -> Priced | None:
    if calls.target is None or len(calls.args) < 2:
        return None
    size, old, new = calls.size(calls.target), calls.size(calls.args[0]), calls.size(calls.args[1])
    most = _most_replaced(size, old, new)
    least = _least_replaced(size, old, new)
    result = Range(
        min(least[0] * new.least + least[1], UNBOUNDED),
        min(most[0] * new.most + most[1], UNBOUNDED),
    )
    return size.scaled(2 * _CHARACTER), result


def _most_replaced(size: Range, old: Range, new: Range) -> tuple[int, int]:
    """(replacements, characters kept) where the result is longest."""
    if old.least == 0:
        return min(size.most + 1, UNBOUNDED), size.most
    if new.most <= old.least:
        return 0, size.most
    return ceil(size.most / old.least), 0


def _least_replaced(size: Range, old: Range, new: Range) -> tuple[int, int]:
    if old.most == 0:
        return min(size.least + 1, UNBOUNDED), size.least
    if old.most <= new.least:
        return 0, size.least
    return ceil(size.least / old.most), 0


def _split(calls: Calls, _: str) -> Priced | None:
    if calls.target is None:
        return None
    size = calls.size(calls.target)
    most = size.most
    if len(calls.args) > 1:
        limit = calls.args[1].node
        if isinstance(limit, Literal) and isinstance(limit.value, int):
            most = limit.value & UNBOUNDED
    return size.scaled(2 * _CHARACTER), Range(0, most)


def _joined(calls: Calls, _: str) -> Priced | None:
    if calls.target is None:
        return None
    count = calls.size(calls.target)
    items = calls.items(calls.target)
    size = NOTHING if items is None else count.times(items[1])
    if calls.args:
        between = Range(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(calls.size(calls.args[0]).times(between))
    return size.scaled(_CHARACTER), size


def _found(calls: Calls, _: str) -> Priced | None:
    if calls.target is None or not calls.args:
        return None
    size = calls.size(calls.target)
    cost = size.plus(ONE).scaled(_CHARACTER).times(calls.size(calls.args[0]).scaled(costs.PER_PATTERN_CHARACTER))
    return cost, Range(0, size.most)


def _address(calls: Calls, _: str) -> Priced | None:
    return (calls.size(calls.args[0]).scaled(_CHARACTER), None) if calls.args else None


def _contains_ip(calls: Calls, overload: str) -> Priced | None:
    cost = Range(8, 32).scaled(_CHARACTER)
    return _with_text(cost, calls, parsed=overload == "cidr_contains_ip_string")


def _contains_cidr(calls: Calls, overload: str) -> Priced | None:
    cost = Range(8, 32).scaled(_CHARACTER).plus(Range(4, 16).scaled(_CHARACTER)).plus(ONE)
    return _with_text(cost, calls, parsed=overload == "cidr_contains_cidr_string")


def _with_text(cost: Range, calls: Calls, *, parsed: bool) -> Priced | None:
    if not calls.args:
        return None
    return (cost.plus(calls.size(calls.args[0]).scaled(_CHARACTER)) if parsed else cost), None


def _validated(calls: Calls, _: str) -> Priced | None:
    if not calls.args:
        return None
    return calls.size(calls.args[0]).scaled(_CHARACTER).scaled(128 * costs.PER_PATTERN_CHARACTER), None


_BY_NAME: dict[str, Callable[[Calls, str], Priced | None]] = {
    "check": _asking,
    "fieldSelector": _selecting,
    "labelSelector": _selecting,
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _walked),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _read),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _read_target),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    **dict.fromkeys(("find", "findAll"), _found),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "ip"), _address),
    "ip.isCanonical": _parsed_twice,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    **dict.fromkeys(("quantity", "isQuantity", "semver", "isSemver"), _parsed),
    "validate": _validated,
}


# --- The standard functions ---


def _known(argument: Argument) -> Range:
    return argument.size or UNKNOWN


def _standard(node: Call, overload: str, calls: Calls) -> Priced:
    special = _STANDARD.get(overload)
    found = None if special is None else special(node, calls)
    return found or (ONE.plus(calls.before()), None)


def _logic(_: Call, calls: Calls) -> Priced:
    left, right = calls.arg_costs
    return Range(left.least, left.plus(right).most), None


def _conditional(node: Call, calls: Calls) -> Priced:
    condition, then, other = calls.arg_costs
    calls.sizes.join_entries(node, node.args[1], node.args[2])
    return condition.plus(then.union(other)), _known(calls.args[1]).union(_known(calls.args[2]))


def _joined_sizes(node: Call, calls: Calls) -> Priced:
    size = _known(calls.args[0]).plus(_known(calls.args[1]))
    calls.sizes.join_entries(node, node.args[0], node.args[1])
    return size.scaled(_CHARACTER).plus(calls.before()), size


def _joined_lists(node: Call, calls: Calls) -> Priced:
    return ONE.plus(calls.before()), _joined_sizes(node, calls)[1]


def _compared(_: Call, calls: Calls) -> Priced:
    most = min(_known(calls.args[0]).most, _known(calls.args[1]).most)
    return Range(1 if most else 0, most).scaled(_CHARACTER).plus(calls.before()), None


def _ends(_: Call, calls: Calls) -> Priced:
    return _known(calls.args[0]).scaled(_CHARACTER).plus(calls.before()), None


def _in_list(_: Call, calls: Calls) -> Priced:
    return _known(calls.args[1]).scaled(1).plus(calls.before()), None


def _contains(_: Call, calls: Calls) -> Priced | None:
    if calls.target is None:
        return None
    cost = _known(calls.target).scaled(_CHARACTER).times(_known(calls.args[0]).scaled(_CHARACTER))
    return cost.plus(calls.before()), None


def _matches(_: Call, calls: Calls) -> Priced:
    text, regex = (calls.target, calls.args[0]) if calls.target is not None else calls.args
    assert text is not None
    cost = _known(text).plus(ONE).scaled(_CHARACTER).times(_known(regex).scaled(costs.PER_PATTERN_CHARACTER))
    return cost.plus(calls.before()), None


def _format(_: Call, calls: Calls) -> Priced | None:
    if calls.target is None:
        return None
    return _known(calls.target).scaled(_CHARACTER).plus(calls.before()), None


def _converted(least: Callable[[int], int], most: Callable[[int], int]) -> Callable[[Call, Calls], Priced]:
    def cost(_: Call, calls: Calls) -> Priced:
        size = _known(calls.args[0])
        own = size.scaled(_CHARACTER).plus(calls.before())
        return own, Range(least(size.least) & UNBOUNDED, most(size.most) & UNBOUNDED)

    return cost


_STANDARD: dict[str, Callable[[Call, Calls], Priced | None]] = {
    "logical_and": _logic,
    "logical_or": _logic,
    "conditional": _conditional,
    "add_string": _joined_sizes,
    "add_bytes": _joined_sizes,
    "add_list": _joined_lists,
    **dict.fromkeys(
        (
            "equals", "not_equals", "less_string", "greater_string", "less_equals_string", "greater_equals_string",
            "less_bytes", "greater_bytes", "less_equals_bytes", "greater_equals_bytes",
        ),
        _compared,
    ),
    "starts_with_string": _ends,
    "ends_with_string": _ends,
    "in_list": _in_list,
    "contains_string": _contains,
    "matches": _matches,
    "matches_string": _matches,
    "string_format": _format,
    "strings_quote": _converted(lambda least: least + 2, lambda most: most * 2 + 2),
    "string_to_bytes": _converted(lambda least: least, lambda most: most * 4),
    "bytes_to_string": _converted(lambda least: least // 4, lambda most: most),
}  # fmt: skip
