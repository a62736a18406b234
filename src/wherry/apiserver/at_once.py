"""AtOnce: the short way for what is asked most, the plain GET of one stored object.

Such a request waits for nothing, so it needs neither a task nor a turn of the event loop of its own: it is answered
while its bytes are being read. It is decided by the same parts as in `pipeline.py`, in the same order. Whatever is in
the least unusual, every refusal included, gets None, and then nothing has happened: the pipeline answers as ever.
"""

from __future__ import annotations

from typing import Any

from wherry.api.metrics.usage import GROUP as METRICS
from wherry.apiserver.api import Api
from wherry.apiserver.authn.impersonation import wanted
from wherry.apiserver.authn.user import User
from wherry.apiserver.flowcontrol.gate import FlowControl
from wherry.apiserver.http import Request, Response
from wherry.apiserver.measures import Measures
from wherry.apiserver.negotiate import negotiate
from wherry.apiserver.routes import RequestInfo, parse
from wherry.apiserver.views import VIEWS
from wherry.machinery.errors import APIError
from wherry.machinery.resource import Resource
from wherry.store.entry import Entry

LARGEST = 64 * 1024
"""Bytes of an object that is sent in one piece, whatever the client accepts."""


class AtOnce:
    """Call it with a GET that has neither a query nor a body."""

    def __init__(self, api: Api, flow: FlowControl, measures: Measures) -> None:
        self._api = api
        self._flow = flow
        self._measures = measures

    def __call__(self, request: Request) -> Response | None:
        """The answer; None: ask the pipeline."""
        try:
            return self._answer(request)
        except APIError:
            return None

    def _answer(self, request: Request) -> Response | None:
        api = self._api
        began = api.clock.monotonic()
        info = parse(request.method, request.path, request.query)
        if info.verb != "get" or not info.is_resource or info.subresource:
            return None
        user = api.authenticator.by_certificate(api, request)
        if user is None or self._is_special(request, info, user):
            return None
        klass = self._flow.classify(user, info) if self._flow.seats else None
        entry = self._find(info)
        if entry is None or len(entry.data) > LARGEST:
            return None
        api.authorizer.require(user, info)
        headers = {"Audit-Id": api.uid()}
        if klass is not None:
            if not klass.level.free:
                return None
            klass.served[0] += 1
            headers |= klass.headers
        seconds = api.clock.monotonic() - began
        self._measures.done(info.what, 200, seconds, len(entry.data), dry_run=False)
        return Response(entry.data, headers=headers)

    def _is_special(self, request: Request, info: RequestInfo, user: User) -> bool:
        """Whether others have a say, or somebody is to be told."""
        api = self._api
        return (
            wanted(request) is not None
            or not api.authorizer.local
            or not _as_stored(request.headers.get("Accept", ""))
            or (api.audit is not None and not api.audit.silent(user, info))
            or (bool(api.remotes) and api.remotes.find(info.group, info.version) is not None)
        )

    def _find(self, info: RequestInfo) -> Entry[Any] | None:
        api = self._api
        resource = api.served.get(info.group, info.version, info.resource)
        if not _is_plain(resource) or resource.namespaced != bool(info.namespace):
            return None
        return api.find(resource, info.namespace, info.name)


def _as_stored(accept: str) -> bool:
    wanted = negotiate(accept)
    return wanted.plain and not wanted.protobuf


def _is_plain(resource: Resource[Any]) -> bool:
    """Whether its objects are shown as they are stored, without a warning."""
    if resource.custom is not None or resource.deprecated or resource.group == METRICS:
        return False
    return "get" in resource.verbs and resource not in VIEWS
