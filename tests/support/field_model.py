"""A small schema with every kind of merging, random objects of it, and flat (path -> value) views of them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from wherry.machinery.fields import SCALAR, TypeInfo

Path = tuple[str, ...]

_INNER = TypeInfo("struct", lambda: {"deep": SCALAR, "more": SCALAR})
_ITEM = TypeInfo("struct", lambda: {"k": SCALAR, "p": SCALAR, "v": SCALAR, "labels": TypeInfo("map", item=SCALAR)})
_BARE = TypeInfo("struct", lambda: {"k": SCALAR, "v": SCALAR})
SCHEMA = TypeInfo(
    "struct",
    lambda: {
        "apiVersion": SCALAR,
        "kind": SCALAR,
        "metadata": TypeInfo("struct", lambda: {"name": SCALAR, "labels": TypeInfo("map", item=SCALAR)}),
        "name": SCALAR,
        "labels": TypeInfo("map", item=SCALAR),
        "tags": TypeInfo("list", item=SCALAR, list_type="set"),
        "items": TypeInfo("list", item=_ITEM, list_type="map", list_keys=("k", "p"), key_defaults={"p": "TCP"}),
        "bare": TypeInfo("list", item=_BARE, list_type="map", list_keys=("k",)),
        "whole": TypeInfo("list", item=SCALAR),
        "one": TypeInfo("map", item=SCALAR, map_type="atomic"),
        "inner": _INNER,
    },
)

_SCALARS = st.integers(0, 2)
_LABELS = st.dictionaries(st.sampled_from("xyz"), _SCALARS, max_size=3)


def _item(labels: st.SearchStrategy[dict[str, int]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"k": st.sampled_from("abc")},
        optional={"p": st.sampled_from(["TCP", "UDP"]), "v": _SCALARS, "labels": labels},
    )


def objects(*, empty: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of SCHEMA; `empty=False` leaves out empty lists and maps."""
    size = 0 if empty else 1
    labels = st.dictionaries(st.sampled_from("xyz"), _SCALARS, min_size=size, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "name": _SCALARS,
            "labels": labels,
            "tags": st.lists(st.sampled_from("abc"), unique=True, min_size=size),
            "items": st.lists(
                _item(labels), unique_by=lambda i: (i["k"], i.get("p", "TCP")), min_size=size, max_size=3
            ),
            "whole": st.lists(_SCALARS, min_size=size, max_size=2),
            "one": labels,
            "inner": st.fixed_dictionaries({"deep": _SCALARS}, optional={"more": _SCALARS}),
        },
    )


def flat(value: Any, info: TypeInfo, path: Path = ()) -> dict[Path, Any]:
    """Every node but the root by its path elements: leaves with their value, containers as "node"."""
    out: dict[Path, Any] = {}
    for element, below, child in _children(value, info):
        here = (*path, element)
        out[here] = "node" if _walked(child) else json.dumps(below, sort_keys=True)
        out |= flat(below, child, here)
    return out


def paths_of(value: Any, info: TypeInfo, path: Path = ()) -> set[Path]:
    """What applying this owns: leaves, items, map entries, empty maps; not structs and lists."""
    out: set[Path] = set()
    for element, below, child in _children(value, info):
        here = (*path, element)
        if not _walked(child) or not element.startswith("f:") or info.kind == "map" or below == {}:
            out.add(here)
        out |= paths_of(below, child, here)
    return out


def _walked(info: TypeInfo) -> bool:
    if info.kind == "list":
        return info.list_type != "atomic"
    return info.kind in ("struct", "map") and info.map_type != "atomic"


def _children(value: Any, info: TypeInfo) -> list[tuple[str, Any, TypeInfo]]:
    if not _walked(info):
        return []
    if isinstance(value, dict):
        return [(f"f:{name}", below, info.child(name)) for name, below in value.items()]
    out = []
    for item in value:
        if info.list_type == "set":
            element = f"v:{json.dumps(item)}"
        else:
            keys = {key: item.get(key, info.key_defaults.get(key)) for key in info.list_keys}
            element = f"k:{json.dumps(keys, separators=(',', ':'))}"
        out.append((element, item, info.items))
    return out
