"""Pruning: drop the fields that a schema does not know. In place; says which ones went.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning
Identity (apiVersion, kind, metadata) of the object itself and of embedded resources is none of its business.
"""

from __future__ import annotations

from typing import Any

from wherry.machinery.structural.schema import IDENTITY, Structural


def prune(obj: dict[str, Any], schema: Structural, *, whole: bool = True) -> list[str]:
    """Drop what is unknown from an object (`whole`: it is a resource itself); the paths of what was dropped, sorted."""
    gone: list[str] = []
    _Pruner(gone).members(obj, schema, "", embedded=whole or schema.embedded)
    gone.sort()
    return gone


class _Pruner:
    __slots__ = ("_gone",)

    def __init__(self, gone: list[str]) -> None:
        self._gone = gone

    def value(self, value: Any, schema: Structural | None, path: str) -> None:
        """Anything at a place with this schema."""
        if type(value) is dict:
            if schema is None:
                self._nothing(value, path)
            else:
                self.members(value, schema, path, embedded=schema.embedded)
        elif type(value) is list:
            items = None if schema is None else schema.items
            if schema is not None and schema.keep and items is None:
                return
            for index, item in enumerate(value):
                if type(item) is dict or type(item) is list:
                    self.value(item, items, f"{path}[{index}]")

    def _nothing(self, value: dict[str, Any], path: str) -> None:
        """No field of this object is known."""
        self._gone += [f"{path}.{key}" if path else key for key in value]
        value.clear()

    def members(self, value: dict[str, Any], schema: Structural, path: str, *, embedded: bool) -> None:
        """The fields of an object."""
        properties, keep = schema.properties, schema.keep
        unknown: list[str] = []
        for key, child in value.items():
            if embedded and key in IDENTITY:
                continue
            part = properties.get(key)
            if part is None:
                if not schema.any_key:
                    if not keep:
                        unknown.append(key)
                    continue
                part = schema.additional
            if type(child) is dict or type(child) is list:
                self.value(child, part, f"{path}.{key}" if path else key)
        for key in unknown:
            if path or key not in IDENTITY:
                self._gone.append(f"{path}.{key}" if path else key)
            del value[key]
