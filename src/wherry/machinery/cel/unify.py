"""Unification: whether one type can stand for another, given what the type parameters stand for so far."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.machinery.cel.types import DYN, Type

_NULLABLE = frozenset({"opaque", "optional", "object", "duration", "timestamp", "null", "dyn"})
_NESTED = frozenset({"optional", "list", "map", "function"})


class Mapping:
    """What the type parameters of one check stand for."""

    def __init__(self) -> None:
        self._known: dict[str, Type] = {}
        self._free = 0

    def fresh(self) -> Type:
        """A new parameter."""
        self._free += 1
        return Type("param", f"_var{self._free - 1}")

    def assignable(self, first: Sequence[Type], second: Sequence[Type]) -> bool:
        """Whether each of `first` can stand for its counterpart. Remembers what that means for parameters, if so."""
        before = dict(self._known)
        if self._all(first, second):
            return True
        self._known = before
        return False

    def substitute(self, kind: Type, *, unknown_is_dyn: bool = False) -> Type:
        """The type with all known parameters replaced."""
        if kind.kind == "param":
            known = self._known.get(kind.name)
            if known is not None:
                return self.substitute(known, unknown_is_dyn=unknown_is_dyn)
            return DYN if unknown_is_dyn else kind
        if not kind.parameters:
            return kind
        inner = tuple(self.substitute(one, unknown_is_dyn=unknown_is_dyn) for one in kind.parameters)
        return kind if inner == kind.parameters else with_parameters(kind, inner)

    # --- Assignability ---

    def _all(self, first: Sequence[Type], second: Sequence[Type]) -> bool:
        return len(first) == len(second) and all(map(self._one, first, second))

    def _one(self, first: Type, second: Type) -> bool:
        if second.kind == "param":
            valid, known = self._substitutable(first, second)
            if valid or known:
                return valid
        if first.kind == "param":
            return self._substitutable(second, first)[0]
        return self._concrete(first, second)

    def _concrete(self, first: Type, second: Type) -> bool:
        if _wild(first) or _wild(second):
            return True
        if first.kind == "null" or second.kind == "null":
            return (second if first.kind == "null" else first).kind in _NULLABLE
        if first.kind != second.kind:
            return False
        return first.kind == "type" or (first.name == second.name and self._all(first.parameters, second.parameters))

    def _substitutable(self, kind: Type, param: Type) -> tuple[bool, bool]:
        """(whether `kind` may stand for `param`, whether something stands for it already)"""
        if kind == param:
            return True, True
        known = self._known.get(param.name)
        if known is None:
            if self._occurs(param, kind):
                return False, False
            self._known[param.name] = kind
            return True, False
        if kind == known:
            return True, True
        if not self._one(kind, known):
            return False, True
        wider = most_general(kind, known)
        if not self._occurs(param, wider):
            self._known[param.name] = wider
        return True, True

    def _occurs(self, param: Type, kind: Type) -> bool:
        if kind == param:
            return True
        if kind.kind == "param":
            known = self._known.get(kind.name)
            return known is not None and self._occurs(param, known)
        return any(self._occurs(param, one) for one in kind.parameters)


def with_parameters(kind: Type, parameters: tuple[Type, ...]) -> Type:
    """The same type over others. Keeps bounds."""
    plain = all(one.plain for one in parameters)
    return Type(kind.kind, kind.name, parameters, None, kind.max_elements, kind.min_size, plain, kind.keys)


def _wild(kind: Type) -> bool:
    return kind.kind in ("dyn", "error")


def most_general(first: Type, second: Type) -> Type:
    """The wider of two types that unify."""
    return first if _less_specific(first, second) else second


def _less_specific(first: Type, second: Type) -> bool:
    if first.kind in ("dyn", "param"):
        return True
    if second.kind in ("dyn", "param") or first.kind != second.kind:
        return False
    if first.kind == "type":
        return True
    if first.kind in _NESTED:
        same = first.name == second.name and len(first.parameters) == len(second.parameters)
        return same and all(map(_less_specific, first.parameters, second.parameters))
    return first == second
