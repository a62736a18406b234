"""Plugin: one admission rule, as data: what it concerns and its two halves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Mutate = Callable[["Api", Context[Any], Any, Any], Any]
Validate = Callable[["Api", Context[Any], Any, Any], None]
AskMutate = Callable[["Api", Context[Any], Any, Any], Awaitable[Any]]
AskValidate = Callable[["Api", Context[Any], Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plugin:
    """`mutate(api, ctx, obj, old)` returns the object to go on with; `validate(api, ctx, obj, old)` raises APIError.

    `obj` is None for deletes; for pods/binding and the like it is what is sent there, for CONNECT the options as JSON.
    `resources`: names such as "pods" or "deployments.apps"; None: all. `subresources`: those that concern it; "" is the
    object itself; None: all. `last`: it changes the object once, after everybody else.
    """

    name: str
    mutate: Mutate | None = None
    validate: Validate | None = None
    ask_mutate: AskMutate | None = None
    ask_validate: AskValidate | None = None
    operations: frozenset[str] = frozenset({"CREATE", "UPDATE"})
    resources: frozenset[str] | None = None
    subresources: frozenset[str] | None = frozenset({""})
    last: bool = False

    def concerns(self, resource: str, operation: str, subresource: str) -> bool:
        """Whether this plugin looks at such a request."""
        return (
            operation in self.operations
            and (self.resources is None or resource in self.resources)
            and (self.subresources is None or subresource in self.subresources)
        )
