"""SUBRESOURCES: who answers which subresource. What is not here and called "status" is an ordinary update of status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from wherry.apiserver.http import Answer, Request
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.resource import Resource

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

Subresource = Callable[["Api", Request, RequestInfo, Resource[Any]], Awaitable[Answer]]

SUBRESOURCES: Mapping[tuple[str, str], Subresource] = {}
"""(resource, subresource) -> handler; resource "*" is any."""
