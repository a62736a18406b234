"""Chain: asks every admission plugin that a request concerns.

First all mutating halves, in order, and those once more when somebody from outside (a webhook, a policy) has changed
the object, so that the server's own defaults reach what was added; then, after validation, all validating halves. A
plugin says which verbs and kinds concern it, so a write asks only those.
https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context, Rounds

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

O = TypeVar("O")  # noqa: E741 - an object of whatever kind


class _Plan(NamedTuple):
    """Who is asked about one kind of request."""

    mutating: tuple[Plugin, ...]
    last: tuple[Plugin, ...]
    validating: tuple[Plugin, ...]


class Chain:
    """The plugins of one server."""

    def __init__(self, plugins: tuple[Plugin, ...]) -> None:
        self._plugins = plugins
        self._plans: dict[tuple[str, str, str], _Plan] = {}

    async def mutate(self, api: Api, ctx: Context[Any], obj: O, old: O | None) -> O:
        """The object as the plugins want it. Raises APIError when one refuses. `obj` is None for deletes."""
        plan = self._plan(ctx)
        ctx.rounds = rounds = Rounds()
        for plugin in plan.mutating:
            obj = await _mutated(plugin, api, ctx, obj, old)
        if rounds.again:
            rounds.number = 1
            for plugin in plan.mutating:
                obj = await _mutated(plugin, api, ctx, obj, old)
        for plugin in plan.last:
            obj = await _mutated(plugin, api, ctx, obj, old)
        return obj

    async def validate(self, api: Api, ctx: Context[Any], obj: O | None, old: O | None) -> None:
        """Raises APIError when a plugin refuses. `obj` is None for deletes."""
        for plugin in self._plan(ctx).validating:
            if plugin.validate is not None:
                plugin.validate(api, ctx, obj, old)
            if plugin.ask_validate is not None:
                await plugin.ask_validate(api, ctx, obj, old)

    def _plan(self, ctx: Context[Any]) -> _Plan:
        key = (str(ctx.resource), ctx.operation, ctx.subresource)
        plan = self._plans.get(key)
        if plan is None:
            asked = tuple(plugin for plugin in self._plugins if plugin.concerns(*key))
            mutating = tuple(p for p in asked if p.mutate is not None or p.ask_mutate is not None)
            plan = self._plans[key] = _Plan(
                tuple(p for p in mutating if not p.last),
                tuple(p for p in mutating if p.last),
                tuple(p for p in asked if p.validate is not None or p.ask_validate is not None),
            )
        return plan


async def _mutated(plugin: Plugin, api: Api, ctx: Context[Any], obj: O, old: O | None) -> O:
    if plugin.mutate is not None:
        obj = plugin.mutate(api, ctx, obj, old)
    if plugin.ask_mutate is not None:
        obj = await plugin.ask_mutate(api, ctx, obj, old)
    return obj
