"""Who answers which subresource. What is in no table and called "status" is an ordinary update of status.

SUBRESOURCES take the whole request (scale, and the streaming ones: exec, attach, portforward, log, proxy). CALLS are
POSTs with a body and an answer of their own. Doors (doors.py) are updates of part of an object.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from wherry.apiserver.api import Api
from wherry.apiserver.context import Context
from wherry.apiserver.http import Answer, Request
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.subresources.binding import bind
from wherry.apiserver.subresources.eviction import evict
from wherry.apiserver.subresources.scale import scale
from wherry.apiserver.subresources.streaming import STREAMING
from wherry.apiserver.subresources.token import issue
from wherry.machinery.resource import Resource

Subresource = Callable[[Api, Request, RequestInfo, Resource[Any]], Awaitable[Answer]]
Call = Callable[[Api, Context[Any], dict[str, Any]], Awaitable[dict[str, Any]]]

SUBRESOURCES: Mapping[tuple[str, str], Subresource] = {("*", "scale"): scale, **STREAMING}
"""(resource, subresource) -> handler; resource "*" is any."""

CALLS: Mapping[tuple[str, str], tuple[str, Call]] = {
    ("pods", "binding"): ("Binding", bind),
    ("pods", "eviction"): ("Eviction", evict),
    ("serviceaccounts", "token"): ("TokenRequest", issue),
}
"""(resource, subresource) -> (kind of the body, what to do)."""
