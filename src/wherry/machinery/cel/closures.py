"""The closures that an expression is planned into: each evaluates one node on a frame, and counts what that costs."""

from __future__ import annotations

from typing import Any

from wherry.machinery.cel import attributes, costs, operators
from wherry.machinery.cel.dispatch import Dispatch
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.frame import Frame, Run
from wherry.machinery.cel.functions import Overload
from wherry.machinery.cel.library.standard import contains
from wherry.machinery.cel.values import Lazy, Record

_DIRECT = frozenset(
    {"_+_", "_-_", "_*_", "_/_", "_%_", "-_", "!_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in"}
)
_BY_OVERLOAD = frozenset({"sort", "@sortByAssociatedKeys", "flatten", "string", "bytes"})
"""Functions that upstream prices by their overloads: while it isn't known which is meant, they cost one unit."""
PRIMITIVE = (bool, int, float, str)


def variable(name: str, charge: int) -> Run:
    """The value of a variable, which may be made only now."""

    def run(frame: Frame) -> Any:
        frame.cost += charge
        try:
            value = frame.bindings[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None
        return value.get() if value.__class__ is Lazy else value

    return run


def charged(inner: Run, charge: int) -> Run:
    """The same at a price."""

    def run(frame: Frame) -> Any:
        value = inner(frame)
        frame.cost += charge
        return value

    return run


def membership(item: Run, group: list[Any]) -> Run:
    """Whether a constant list of numbers and texts holds the item."""
    texts = frozenset(group) if all(one.__class__ is str for one in group) else None

    def run(frame: Frame) -> bool:
        value = item(frame)
        if texts is not None and value.__class__ is str:
            return value in texts
        return bool(contains(value, group))

    return run


def choice(condition: Run, then: Run, other: Run) -> Run:
    """`condition ? then : other`."""

    def run(frame: Frame) -> Any:
        value = condition(frame)
        if value is True:
            return then(frame)
        if value is False:
            return other(frame)
        raise operators.no_overload()

    return run


def either(left: Run, right: Run, *, decisive: bool) -> Run:
    """&& and ||: the decisive value wins over an error on the other side."""

    def run(frame: Frame) -> Any:
        failed: EvaluationError | None = None
        try:
            value: Any = left(frame)
            if value is decisive:
                return decisive
            if value.__class__ is not bool:
                failed = operators.no_overload()
        except EvaluationError as error:
            failed = error
        value = right(frame) if failed is None else _quietly(right, frame)
        if value is decisive:
            return decisive
        if failed is not None:
            raise failed
        if value.__class__ is not bool:
            raise operators.no_overload()
        return not decisive

    return run


def _quietly(run: Run, frame: Frame) -> Any:
    try:
        return run(frame)
    except EvaluationError:
        return None


def _give_up(frame: Frame, rest: Run) -> None:
    """What upstream still works out, and charges for, when the left side has failed."""
    _quietly(rest, frame)
    frame.cost += 1


def called(function: str, overloads: list[Overload], args: tuple[Run, ...]) -> Run:
    """A function on its arguments: the overload is chosen by their values where types did not tell."""
    cost = overloads[0].cost if len(overloads) == 1 else None
    if function in _DIRECT:
        if len(args) == 1:
            return _unary(overloads[0], args[0])
        return _plain_binary(overloads[0], args) if cost is None else _priced_binary(overloads[0], args)
    return _dispatched(Dispatch(overloads), args, named=len(overloads) == 1 or function not in _BY_OVERLOAD)


def _unary(overload: Overload, arg: Run) -> Run:
    operation = overload.run

    def run(frame: Frame) -> Any:
        try:
            value = arg(frame)
        finally:
            frame.cost += 1
        return operation(value)

    return run


def _plain_binary(overload: Overload, args: tuple[Run, ...]) -> Run:
    operation = overload.run
    left, right = args

    def run(frame: Frame) -> Any:
        try:
            one = left(frame)
        except EvaluationError:
            _give_up(frame, right)
            raise
        try:
            other = right(frame)
        finally:
            frame.cost += 1
        return operation(one, other)

    return run


def _priced_binary(overload: Overload, args: tuple[Run, ...]) -> Run:
    operation, cost = overload.run, overload.cost
    left, right = args
    assert cost is not None

    def run(frame: Frame) -> Any:
        try:
            one = left(frame)
        except EvaluationError:
            _give_up(frame, right)
            raise
        try:
            values = (one, right(frame))
        except EvaluationError:
            frame.cost += 1
            raise
        frame.cost += cost(values, None)
        if frame.cost > frame.limit:
            frame.check()
        return operation(*values)

    return run


def _dispatched(dispatch: Dispatch, args: tuple[Run, ...], *, named: bool) -> Run:
    def run(frame: Frame) -> Any:
        values = [arg(frame) for arg in args]
        overload = dispatch.find(values)
        result = overload.run(*values)
        frame.cost += 1 if overload.cost is None or not named else overload.cost(values, result)
        if frame.cost > frame.limit:
            frame.check()
        return result

    return run


def make_list(parts: list[tuple[bool, Run]]) -> Run:
    """A list of (whether it may be left out, item)."""
    plain = [run for optional, run in parts if not optional]

    def run(frame: Frame) -> list[Any]:
        if len(plain) == len(parts):
            items = [part(frame) for part in plain]
        else:
            found = [attributes.chosen(frame, optional, part) for optional, part in parts]
            items = [one.value for one in found if one.present]
        frame.cost += costs.MAKE_LIST
        return items

    return run


def make_map(parts: list[tuple[Run, bool, Run]]) -> Run:
    """A map of (key, whether it may be left out, value)."""

    def run(frame: Frame) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_of, optional, value_of in parts:
            key = key_of(frame)
            value = attributes.chosen(frame, optional, value_of)
            if value.present:
                _put(found, key, value.value)
        frame.cost += costs.MAKE_MAP
        return found

    return run


def _put(found: dict[Any, Any], key: Any, value: Any) -> None:
    if not isinstance(key, PRIMITIVE):
        raise EvaluationError("unsupported key type")
    found[key] = value


def make_struct(name: str, parts: list[tuple[str, bool, Run]]) -> Run:
    """An object of (field, whether it may be left out, value)."""

    def run(frame: Frame) -> Record:
        found: dict[str, Any] = {}
        for field, optional, value_of in parts:
            value = attributes.chosen(frame, optional, value_of)
            if value.present:
                found[field] = value.value
        frame.cost += costs.MAKE_OBJECT
        return Record(name, found)

    return run
