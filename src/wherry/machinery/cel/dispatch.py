"""Dispatch: from the values of the arguments to the overload that takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload
from wherry.machinery.cel.operators import no_overload, type_of
from wherry.machinery.cel.types import Type

_SINGLE = frozenset({"contains", "startsWith", "endsWith", "matches"})


class Dispatch:
    """The overloads that a call may mean. Remembers what it found by the classes of the values."""

    __slots__ = ("_known", "_overloads")

    def __init__(self, overloads: Sequence[Overload]) -> None:
        self._overloads = overloads
        self._known: dict[tuple[type, ...], Overload] = {}

    def find(self, args: Sequence[Any]) -> Overload:
        """Raises EvaluationError when none takes such values."""
        classes = tuple([arg.__class__ for arg in args])
        found = self._known.get(classes)
        if found is not None:
            return found
        kinds = [type_of(arg) for arg in args]
        for overload in self._overloads:
            if len(overload.args) == len(kinds) and all(map(_takes, overload.args, kinds)):
                if all(kind.kind not in ("opaque", "object") for kind in kinds):
                    self._known[classes] = overload
                return overload
        raise self._none(kinds)

    def _none(self, kinds: Sequence[Type]) -> EvaluationError:
        name = self._overloads[0].function
        if name in _SINGLE:
            return no_overload()
        if name == "size":
            return EvaluationError("no such overload: size")
        return EvaluationError(f"no such overload: {name}({', '.join(kind.runtime_name for kind in kinds)})")


def _takes(param: Type, kind: Type) -> bool:
    if param.kind in ("param", "dyn"):
        return True
    if param.kind == "opaque":
        return param.name == kind.name
    return param.kind == kind.kind or (param.kind == "map" and kind.kind == "object")
