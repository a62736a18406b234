"""Table: the webhooks of all configurations of one kind, compiled, in the order in which they are asked.

Follows the configurations as they change; a request looks up which webhooks have a rule for it, and that is remembered
until a configuration changes. Empty, it costs one look at a tuple.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wherry.api.types.admissionregistration import MatchCondition, MutatingWebhook, ValidatingWebhook
from wherry.apiserver.admission.matching import Asked, Place, match_rules
from wherry.apiserver.webhooks.client import Target, target_of
from wherry.machinery.resource import Resource
from wherry.store.entry import Event
from wherry.store.windows import Windows

if TYPE_CHECKING:
    from wherry.apiserver.admission.policies.compiled import Condition

_REMEMBERED: Final = 5000
_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of one configuration."""

    configuration: str
    spec: MutatingWebhook | ValidatingWebhook
    target: Target
    index: int
    """Its place among all of its kind."""
    conditions: tuple[Condition, ...] = ()
    """Its match conditions, compiled."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def ignores_failures(self) -> bool:
        """Whether a request goes on when the webhook cannot be asked."""
        return self.spec.failure_policy == "Ignore"

    @property
    def seconds(self) -> int:
        """How long an answer may take."""
        return self.spec.timeout_seconds or _SECONDS


class Table:
    """Follows one kind of configuration. Make it after the windows are loaded."""

    def __init__(self, windows: Windows, resource: Resource[Any]) -> None:
        self._window = windows.of(resource)
        self._hooks: tuple[Hook, ...] = ()
        self._stale = True
        self._relevant: dict[object, tuple[tuple[Hook, Place], ...]] = {}
        self._window.watch(self._window.revision, self._changed)

    def _changed(self, event: Event[Any]) -> bool:
        self._stale = True
        return True

    @property
    def hooks(self) -> tuple[Hook, ...]:
        """Every webhook, by the name of its configuration."""
        if self._stale:
            entries = sorted(self._window.list().items, key=lambda entry: entry.name)
            self._hooks = tuple(_compiled(entry.obj for entry in entries))
            self._relevant.clear()
            self._stale = False
        return self._hooks

    def relevant(self, asked: Asked) -> tuple[tuple[Hook, Place], ...]:
        """The webhooks that have a rule for a request, each with the place at which it wants to see the object."""
        hooks = self.hooks
        if not hooks or asked.exempt:
            return ()
        key = (asked.place, asked.subresource, asked.operation, bool(asked.namespace), asked.equivalents)
        found = self._relevant.get(key)
        if found is None:
            if len(self._relevant) >= _REMEMBERED:
                self._relevant.clear()
            pairs = [(hook, match_rules(hook.spec.rules, hook.spec.match_policy, asked)) for hook in hooks]
            found = self._relevant[key] = tuple((hook, place) for hook, place in pairs if place is not None)
        return found


def _compiled(configurations: Iterable[Any]) -> Iterator[Hook]:
    index = 0
    for configuration in configurations:
        for spec in configuration.webhooks:
            conditions = _conditions(spec.match_conditions)
            yield Hook(configuration.metadata.name, spec, target_of(spec.client_config), index, conditions)
            index += 1


def _conditions(own: tuple[MatchCondition, ...]) -> tuple[Condition, ...]:
    if not own:
        return ()
    from wherry.api.admissionregistration.expressions import Sight
    from wherry.apiserver.admission.policies.compiled import compile_conditions  # loads the compiler

    return compile_conditions(own, Sight())


@dataclass(frozen=True, slots=True)
class Tables:
    """Both kinds."""

    mutating: Table
    validating: Table
