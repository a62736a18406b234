"""ADMISSION: every plugin in order, and the chain that asks them.

First all mutating halves, in order; then, after validation, all validating halves. A plugin says which verbs and kinds
concern it, so a write asks only those. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.machinery.meta import T

if TYPE_CHECKING:
    from wherry.apiserver.api import Api


class Chain:
    """The plugins of one server."""

    def __init__(self, plugins: tuple[Plugin, ...]) -> None:
        self._plugins = plugins
        self._plans: dict[tuple[str, str, str], tuple[Plugin, ...]] = {}

    async def mutate(self, api: Api, ctx: Context[T], obj: T, old: T | None) -> T:
        """The object as the plugins want it. Raises APIError when one refuses."""
        for plugin in self._plan(ctx):
            if plugin.mutate is not None:
                obj = plugin.mutate(api, ctx, obj, old)
            if plugin.ask_mutate is not None:
                obj = await plugin.ask_mutate(api, ctx, obj, old)
        return obj

    async def validate(self, api: Api, ctx: Context[T], obj: T | None, old: T | None) -> None:
        """Raises APIError when a plugin refuses. `obj` is None for deletes."""
        for plugin in self._plan(ctx):
            if plugin.validate is not None:
                plugin.validate(api, ctx, obj, old)
            if plugin.ask_validate is not None:
                await plugin.ask_validate(api, ctx, obj, old)

    def _plan(self, ctx: Context[Any]) -> tuple[Plugin, ...]:
        key = (str(ctx.resource), ctx.operation, ctx.subresource)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = tuple(plugin for plugin in self._plugins if plugin.concerns(*key))
        return plan
