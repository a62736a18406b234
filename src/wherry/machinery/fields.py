"""Field sets and types: which fields somebody owns, and how lists and maps of a type merge.

A field set is the tree of FieldsV1 itself
(https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/555-server-side-apply): keys are path
elements (`f:name` a field, `k:{"name":"x"}` an item by its keys, `v:"x"` an item by its value), `{}` is an owned leaf,
and `.` in a node says that the node itself is owned beside what is below it. So reading and writing it costs nothing,
comparing runs in C, and two trees may share branches: a tree is never changed in place. The root `{}` is the empty set.

`TypeInfo` says how a value merges. Typed kinds get theirs from the generated structs (`StructTypes`), custom
resources from their schema, untyped ones are `ANY` (maps merge field by field, lists are replaced as a whole).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

FieldSet: TypeAlias = dict[str, Any]
"""A tree of FieldsV1; never changed in place."""

LEAF: Final[FieldSet] = {}
DOT: Final = "."


def _no_fields() -> Mapping[str, TypeInfo]:
    return {}


@dataclass(frozen=True, eq=False, repr=False)
class TypeInfo:
    """How values at one place merge. `fields` is resolved on first use, because types are recursive."""

    kind: Literal["struct", "map", "list", "scalar", "any"]
    resolve: Callable[[], Mapping[str, TypeInfo]] = _no_fields
    """JSON name -> type of the field, of a struct."""
    item: TypeInfo | None = None
    """Type of a list's items or a map's values."""
    list_type: Literal["atomic", "set", "map"] = "atomic"
    list_keys: tuple[str, ...] = ()
    map_type: Literal["granular", "atomic"] = "granular"
    """Of maps and structs: atomic ones are replaced as a whole."""
    merge_key: str = ""
    patch_strategies: tuple[str, ...] = ()
    """For strategic merge patches: merge, replace, retainKeys."""
    key_defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values that list keys have when an item leaves them out: {"protocol": "TCP"}."""
    always: bool = False
    """Written even when empty, so that setting something inside does not create the field."""
    open: bool = False
    """A struct that may hold fields beyond those that are declared."""

    @cached_property
    def fields(self) -> Mapping[str, TypeInfo]:
        """JSON name -> type, of a struct."""
        return self.resolve()

    @cached_property
    def members(self) -> Mapping[str, tuple[str, TypeInfo]]:
        """JSON name -> (path element, type), of a struct."""
        return {name: (f"f:{name}", info) for name, info in self.fields.items()}

    @cached_property
    def of_leaves(self) -> dict[tuple[str, ...], FieldSet]:
        """Names of a struct's value -> what came into being with it; kept by `patch.ownership.grown`."""
        return {}

    @cached_property
    def shape(self) -> Literal["leaf", "struct", "map", "set", "keyed", "any"]:
        """How to walk a value; a leaf is owned and replaced as a whole."""
        if self.kind in ("struct", "map") and self.map_type != "atomic":
            return "struct" if self.kind == "struct" else "map"
        if self.kind == "list" and self.list_type != "atomic":
            return "set" if self.list_type == "set" else "keyed"
        return "any" if self.kind == "any" else "leaf"

    @property
    def items(self) -> TypeInfo:
        """Type of the items or values; `ANY` when unknown."""
        return self.item or ANY

    def child(self, name: str) -> TypeInfo:
        """Type of a field or map entry."""
        if self.kind == "struct":
            return self.fields.get(name, ANY)
        return self.items


ANY: Final = TypeInfo("any")
SCALAR: Final = TypeInfo("scalar")


def shape_of(info: TypeInfo, value: object) -> str:
    """The shape to walk a value with: untyped ones show it themselves, null and wrong types are leaves."""
    shape = info.shape
    if shape == "leaf":
        return shape
    if isinstance(value, dict):
        return "map" if shape == "any" else shape if shape in ("struct", "map") else "leaf"
    return shape if isinstance(value, list) and shape in ("set", "keyed") else "leaf"


# --- types of generated structs ---------------------------------------------------------------------------------------

# Key fields with a default in upstream's schema: ports of containers and Services speak TCP unless told otherwise.
_KEY_DEFAULTS: Final[Mapping[str, Any]] = {"protocol": "TCP"}

MergeFacts: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Any]]]


class StructTypes:
    """TypeInfo of msgspec structs: shapes from the annotations, merging from facts.

    `facts`: "module.Type" -> JSON name -> listType, listKeys, mapType, itemMapType, mergeKey, strategy
    (comma-separated).
    Each struct's TypeInfo is made once.
    """

    def __init__(self, facts: MergeFacts) -> None:
        self._facts = facts
        self._known: dict[type, TypeInfo] = {}

    def __call__(self, struct: type) -> TypeInfo:
        """The type of a whole object, e.g. `types(Pod)`."""
        found = self._known.get(struct)
        if found is None:
            found = self._known[struct] = TypeInfo("struct", lambda: self._fields(struct))
        return found

    def _fields(self, struct: type) -> Mapping[str, TypeInfo]:
        facts = self._facts.get(f"{struct.__module__.rpartition('.')[2]}.{struct.__name__}", {})
        return {f.encode_name: self._field(f, facts.get(f.encode_name, {})) for f in msgspec.structs.fields(struct)}

    def _field(self, declared: msgspec.structs.FieldInfo, facts: Mapping[str, Any]) -> TypeInfo:
        bare = self._bare(declared.type)
        factory = declared.default_factory
        always = (factory is not msgspec.NODEFAULT and factory is not dict) or isinstance(
            declared.default, msgspec.Struct
        )
        keys = tuple(facts.get("listKeys", ()))
        return TypeInfo(
            kind=bare.kind,
            resolve=bare.resolve,
            item=self._item(bare.item, facts),
            list_type=facts.get("listType", "atomic"),
            list_keys=keys,
            map_type=facts.get("mapType", "granular"),
            merge_key=facts.get("mergeKey", ""),
            patch_strategies=tuple(s for s in facts.get("strategy", "").split(",") if s),
            key_defaults=self._key_defaults(bare.item, keys),
            always=always,
        )

    def _item(self, item: TypeInfo | None, facts: Mapping[str, Any]) -> TypeInfo | None:
        """The item type, which is replaced as a whole where its type says so (owner references)."""
        return replace(item, map_type="atomic") if item and facts.get("itemMapType") == "atomic" else item

    def _key_defaults(self, item: TypeInfo | None, keys: tuple[str, ...]) -> Mapping[str, Any]:
        if item is None:
            return {}
        return {key: _KEY_DEFAULTS[key] for key in keys if key in _KEY_DEFAULTS}

    def _bare(self, annotation: Any) -> TypeInfo:
        """The shape of an annotation, without what the field it stands in says about merging."""
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin in (Union, UnionType):
            kept = [a for a in arguments if a is not NoneType]
            return self._bare(kept[0]) if len(kept) == 1 else SCALAR
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            return self(annotation)
        if origin is tuple:
            return TypeInfo("list", item=self._bare(arguments[0]))
        if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
            return TypeInfo("map", item=self._bare(arguments[1]))
        return ANY if annotation is Any else SCALAR


# --- set arithmetic ---------------------------------------------------------------------------------------------------


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in either."""
    if not one or not other:
        return one or other
    return _union(one, other)


def _union(one: FieldSet, other: FieldSet) -> FieldSet:
    if one is other or one == other:
        return one
    if not one or not other:  # one of them is just owned itself, the other has something below
        tree = one or other
        return tree if DOT in tree else {DOT: LEAF, **tree}
    out = dict(one)
    for element, theirs in other.items():
        mine = out.get(element)
        out[element] = theirs if mine is None else _union(mine, theirs)
    return out


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in the first and not in the second. Gives back `one` itself where nothing goes."""
    if not one or not other or not overlaps(one, other):
        return one
    return _difference(one, other) or {}


def _difference(one: FieldSet, other: FieldSet) -> FieldSet | None:
    """None: nothing is left."""
    if not one:
        return None if not other or DOT in other else one
    if not other:
        return _tidy({k: v for k, v in one.items() if k != DOT})
    out: FieldSet = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is None:
            out[element] = mine
        elif element != DOT and (left := _difference(mine, theirs)) is not None:
            out[element] = left
    return _tidy(out)


def _tidy(tree: FieldSet) -> FieldSet | None:
    """Nothing -> None; only itself -> the leaf."""
    if len(tree) > 1:
        return tree
    if not tree:
        return None
    return LEAF if DOT in tree else tree


def without(one: FieldSet, other: FieldSet) -> FieldSet:
    """`one` without the fields in `other` and everything below them."""
    out: FieldSet = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is None:
            out[element] = mine
        elif theirs and DOT not in theirs:
            if left := without(mine, theirs):
                out[element] = LEAF if left.keys() == {DOT} else left
            elif not mine:
                out[element] = mine
    return out


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """What is in both."""
    if not one or not other:
        return {}
    return _intersection(one, other) or {}


def _intersection(one: FieldSet, other: FieldSet) -> FieldSet | None:
    if not one:
        return LEAF if not other or DOT in other else None
    if not other:
        return LEAF if DOT in one else None
    out: FieldSet = {}
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is not None:
            both = LEAF if element == DOT else _intersection(mine, theirs)
            if both is not None:
                out[element] = both
    return _tidy(out)


def overlaps(one: FieldSet, other: FieldSet) -> bool:
    """Whether anything is in both (of two roots that are not empty)."""
    for element, mine in one.items():
        theirs = other.get(element)
        if theirs is None:
            continue
        if mine and theirs:
            if overlaps(mine, theirs):
                return True
        elif (not mine or DOT in mine) and (not theirs or DOT in theirs):
            return True
    return False


def paths(tree: FieldSet) -> Iterator[tuple[str, ...]]:
    """Every member as its path elements."""
    for element, below in tree.items():
        if element == DOT:
            continue
        if not below or DOT in below:
            yield (element,)
        for path in paths(below):
            yield (element, *path)


def show_path(path: tuple[str, ...]) -> str:
    """`.spec.containers[name="web"].image`, as conflicts name fields."""
    return "".join(map(_show_element, path))


def _show_element(element: str) -> str:
    kind, _, rest = element.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys: dict[str, Any] = msgspec.json.decode(rest)
        return f"[{','.join(f'{name}={_json(value)}' for name, value in keys.items())}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
