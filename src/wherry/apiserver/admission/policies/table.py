"""Table: the policies of one kind with their bindings, compiled, by name.

Follows policies and bindings as they change; a request looks up which policies have a rule for it, and that is
remembered until something changes. With no policy it costs one look at a tuple, and the compiler is never loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from wherry.apiserver.admission.matching import Asked, Place, match_resources
from wherry.machinery.resource import Resource
from wherry.store.entry import Event
from wherry.store.windows import Windows

C = TypeVar("C")
_REMEMBERED: Final = 5000


@dataclass(frozen=True, slots=True)
class Bound(Generic[C]):
    """A policy, what its expressions compile to, and its bindings by name."""

    policy: Any
    compiled: C
    bindings: tuple[Any, ...]

    @property
    def name(self) -> str:
        """The policy's name."""
        return str(self.policy.metadata.name)

    @property
    def ignores_failures(self) -> bool:
        """Whether a request goes on when the policy cannot be evaluated."""
        return bool(self.policy.spec.failure_policy == "Ignore")


class PolicyTable(Generic[C]):
    """Follows one kind of policy and its bindings. Make it after the windows are loaded."""

    def __init__(
        self,
        windows: Windows,
        policies: Resource[Any],
        bindings: Resource[Any],
        load: Callable[[], Callable[[Any], C]],
    ) -> None:
        """`load` imports the compiler and gives the function that compiles one policy."""
        self._policies = windows.of(policies)
        self._bindings = windows.of(bindings)
        self._load = load
        self._bound: tuple[Bound[C], ...] = ()
        self._compiled: dict[str, tuple[Any, C]] = {}
        self._relevant: dict[object, tuple[tuple[Bound[C], Place], ...]] = {}
        self._stale = True
        for window in (self._policies, self._bindings):
            window.watch(window.revision, self._changed)

    def _changed(self, event: Event[Any]) -> bool:
        self._stale = True
        return True

    @property
    def bound(self) -> tuple[Bound[C], ...]:
        """Every policy that has a binding."""
        if self._stale:
            self._stale = False
            self._relevant.clear()
            self._bound = self._read()
        return self._bound

    def _read(self) -> tuple[Bound[C], ...]:
        bindings: dict[str, list[Any]] = {}
        for entry in sorted(self._bindings.list().items, key=lambda entry: entry.name):
            bindings.setdefault(entry.obj.spec.policy_name, []).append(entry.obj)
        entries = sorted(self._policies.list().items, key=lambda entry: entry.name) if bindings else []
        used = [entry.obj for entry in entries if entry.name in bindings]
        self._compiled = {policy.metadata.name: self._of(policy) for policy in used}
        return tuple(
            Bound(policy, self._compiled[policy.metadata.name][1], tuple(bindings[policy.metadata.name]))
            for policy in used
        )

    def _of(self, policy: Any) -> tuple[Any, C]:
        known = self._compiled.get(policy.metadata.name)
        if known is not None and known[0] == policy.spec:
            return known
        return policy.spec, self._load()(policy)

    def relevant(self, asked: Asked) -> tuple[tuple[Bound[C], Place], ...]:
        """The policies that have a rule for a request, each with the place at which it sees the object."""
        bound = self.bound
        if not bound or asked.exempt:
            return ()
        key = (asked.place, asked.subresource, asked.operation, bool(asked.namespace), asked.name, asked.equivalents)
        found = self._relevant.get(key)
        if found is None:
            if len(self._relevant) >= _REMEMBERED:
                self._relevant.clear()
            pairs = [(own, match_resources(own.policy.spec.match_constraints, asked)) for own in bound]
            found = self._relevant[key] = tuple((own, place) for own, place in pairs if place is not None)
        return found


@dataclass(frozen=True, slots=True)
class PolicyTables:
    """Both kinds."""

    mutating: PolicyTable[Any]
    validating: PolicyTable[Any]


def load_validating() -> Callable[[Any], Any]:
    """The compiler of validating policies."""
    from wherry.apiserver.admission.policies.compiled import compile_validating

    return compile_validating


def load_mutating() -> Callable[[Any], Any]:
    """The compiler of mutating policies."""
    from wherry.apiserver.admission.policies.compiled import compile_mutating

    return compile_mutating
