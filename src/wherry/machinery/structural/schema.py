"""Structural: a schema of a custom resource, read once, so that every later step walks it without looking at JSON.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Mapping[str, Any]

KEEP: Final = "x-kubernetes-preserve-unknown-fields"
EITHER: Final = "x-kubernetes-int-or-string"
EMBEDDED: Final = "x-kubernetes-embedded-resource"
LIST_TYPE: Final = "x-kubernetes-list-type"
LIST_KEYS: Final = "x-kubernetes-list-map-keys"
MAP_TYPE: Final = "x-kubernetes-map-type"
RULES: Final = "x-kubernetes-validations"
IDENTITY: Final = frozenset({"apiVersion", "kind", "metadata"})


@dataclass(slots=True, eq=False)
class Structural:
    """One node of a schema. `raw` is its JSON; compared by identity, never changed after it is built."""

    raw: Json
    type: str = ""
    properties: dict[str, Structural] = field(default_factory=dict)
    additional: Structural | None = None
    """The schema of entries that are no properties."""
    any_key: bool = False
    """additionalProperties is given (as a schema or true): other keys are allowed."""
    items: Structural | None = None
    nullable: bool = False
    keep: bool = False
    either: bool = False
    embedded: bool = False
    default: Any = None
    """None: no default."""
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    rules: tuple[Json, ...] = ()
    defaulted: bool = False
    """Whether a default is here or below."""
    special: bool = False
    """Whether an embedded resource is here or below."""
    unique: bool = False
    """Whether a list of type set or map is here or below."""
    ruled: bool = False
    """Whether rules are here or below."""

    def child(self, name: str) -> Structural | None:
        """The schema of a field or entry; None where there is none."""
        return self.properties.get(name) or self.additional

    def parts(self) -> list[Structural]:
        """The schemas right below."""
        found = list(self.properties.values())
        return found + [part for part in (self.additional, self.items) if part is not None]


def structural(raw: Json) -> Structural:
    """Read a schema. What is not structural in it (logic, limits) stays in `raw`."""
    more, items = raw.get("additionalProperties"), raw.get("items")
    node = Structural(
        raw,
        type=raw.get("type", ""),
        properties={name: structural(part) for name, part in raw.get("properties", {}).items()},
        additional=structural(more) if isinstance(more, Mapping) else None,
        any_key=isinstance(more, Mapping) or more is True,
        items=structural(items) if isinstance(items, Mapping) else None,
        nullable=bool(raw.get("nullable")),
        keep=bool(raw.get(KEEP)),
        either=bool(raw.get(EITHER)),
        embedded=bool(raw.get(EMBEDDED)),
        default=raw.get("default"),
        list_type=raw.get(LIST_TYPE) or "atomic",
        list_keys=tuple(raw.get(LIST_KEYS, ())),
        map_type=raw.get(MAP_TYPE) or "granular",
        rules=tuple(raw.get(RULES, ())),
    )
    parts = node.parts()
    node.defaulted = node.default is not None or any(part.defaulted for part in parts)
    node.special = node.embedded or any(part.special for part in parts)
    node.unique = (node.type == "array" and node.list_type != "atomic") or any(part.unique for part in parts)
    node.ruled = bool(node.rules) or any(part.ruled for part in parts) or _nested_rules(raw)
    return node


def _nested_rules(raw: Json) -> bool:
    """Rules within allOf, where upstream evaluates them too."""
    return any(_has_rules(part) for part in raw.get("allOf", ()))


def _has_rules(raw: Any) -> bool:
    if not isinstance(raw, Mapping):
        return False
    below = [*raw.get("properties", {}).values(), raw.get("items"), raw.get("additionalProperties")]
    return bool(raw.get(RULES)) or any(_has_rules(part) for part in (*below, *raw.get("allOf", ())))
