"""Pipeline: every request's way through audit id, authentication, impersonation, priority and fairness, authorisation
and dispatch; counted, and told to the audit log, on the way out.

Turns each refusal into its Status, and everything unforeseen into a 500 that is logged and tells nothing.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial

from wherry.apiserver.aggregation.forwarding import forward
from wherry.apiserver.api import Api
from wherry.apiserver.audit.auditor import Auditor, Record
from wherry.apiserver.authn.impersonation import become, wanted
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.authorizer import attributes
from wherry.apiserver.authz.question import Question
from wherry.apiserver.authz.rules import Attributes
from wherry.apiserver.authz.selection import of_request
from wherry.apiserver.flowcontrol.gate import LONG_RUNNING, Class, FlowControl, Refused
from wherry.apiserver.handlers import dispatch, failure
from wherry.apiserver.http import Answer, Query, Request, Response, Stream, Upgrade
from wherry.apiserver.measures import Measures, labels
from wherry.apiserver.negotiate import only_protobuf
from wherry.apiserver.nonresource import NonResource
from wherry.apiserver.routes import RequestInfo, parse, with_selected_name
from wherry.apiserver.tracing import Tell, told
from wherry.machinery.errors import APIError, BadRequest, Forbidden, InternalError

logger = logging.getLogger(__name__)


STRANGER = User("", ("system:unauthenticated",))
"""Who asks while nobody knows."""
NOBODY = RequestInfo("", "")
"""What a request is about whose path cannot be understood."""


_MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class Case:
    """What is known of one request on its way, and what it holds: seats, a place among those in flight."""

    __slots__ = ("began", "counted", "info", "klass", "measures", "record", "width")

    def __init__(self, began: float, measures: Measures) -> None:
        self.began = began
        self.measures = measures
        self.info = NOBODY
        self.counted = False
        self.klass: Class | None = None
        self.record: Record | None = None
        self.width = 0

    def begin(self, info: RequestInfo) -> None:
        """It is understood, and in flight."""
        self.info = info
        self.counted = True
        if info.verb in _MUTATING:
            self.measures.writing += 1
        else:
            self.measures.reading += 1

    def stay(self) -> None:
        """No longer in flight; it may go on for long."""
        if self.counted:
            self.counted = False
            if self.info.verb in _MUTATING:
                self.measures.writing -= 1
            else:
                self.measures.reading -= 1

    def leave(self) -> None:
        """Give the seats back."""
        width, self.width = self.width, 0
        if width and self.klass is not None:
            self.klass.level.give(width)


async def _spoken(request: Request, info: RequestInfo, answer: Answer) -> Answer:
    """The answer in the language of a client that may read nothing but protobuf."""
    if not isinstance(answer, Response) or info.subresource == "proxy" or not only_protobuf(request.headers["Accept"]):
        return answer
    from wherry.apiserver.protobuf_answers import converted

    try:
        return await converted(answer)
    except APIError as error:
        return failure(error)


REASON = "authorization.k8s.io/reason"
_RUNS = frozenset({"exec", "attach", "portforward", "proxy"})


def runs(info: RequestInfo, *, upgrade: bool) -> bool:
    """Whether a request that only seems to read does something in a container: a WebSocket begins with GET.

    It needs the right to create as well. https://github.com/kubernetes/kubernetes/issues/78741
    """
    if info.verb == "create" or info.group:
        return False
    return info.resource == "pods" if info.subresource != "proxy" else info.resource == "nodes" and upgrade


class Pipeline:
    """Call it with a request."""

    def __init__(
        self, api: Api, plain: NonResource, flow: FlowControl, measures: Measures, trace: Tell | None = None
    ) -> None:  # fmt: skip
        self._api = api
        self._plain = plain
        self._flow = flow
        self._measures = measures
        self._audit = api.audit
        self._trace = trace

    async def __call__(self, request: Request) -> Answer:
        """Answer; never raises APIError."""
        api = self._api
        request.audit_id = api.uid()
        case = Case(api.clock.monotonic(), self._measures)
        try:
            said = await self._guarded(request, case)
            answer = (
                await _spoken(request, case.info, said) if "protobuf" in request.headers.get("Accept", "") else said
            )
        except BaseException:  # the client is gone: nobody reads the answer
            if case.record is not None and self._audit is not None:
                self._audit.ended(case.record, 499)
            self._over(request, case, 499, -1)
            raise
        if case.record is not None and self._audit is not None:
            self._audit.answered(case.record, said)
            if self._audit.blocking:
                await self._settled(request, case, self._audit)
        if isinstance(answer, Response):
            answer.headers["Audit-Id"] = request.audit_id
            if case.klass is not None:
                answer.headers |= case.klass.headers
            body = answer.body
            if isinstance(body, bytes):
                self._over(request, case, answer.status, len(body))
            else:
                answer.finish = partial(self._over, request, case, answer.status, body.size)
        else:
            self._stays(request, case, answer)
        return answer

    def _of_stranger(self, request: Request, info: RequestInfo, case: Case) -> None:
        if self._audit is not None:
            case.record = self._audit.begin(request, info, STRANGER, None)

    async def _settled(self, request: Request, case: Case, audit: Auditor) -> None:
        try:
            if case.record is not None:
                await audit.settled(case.record)
        except BaseException:  # the client is gone
            self._over(request, case, 499, -1)
            raise

    async def _guarded(self, request: Request, case: Case) -> Answer:
        try:
            return await self._answer(request, case)
        except Refused as error:
            answer = failure(error)
            answer.headers |= error.headers
            return answer
        except APIError as error:
            return failure(error)
        except (ConnectionError, TimeoutError):
            raise
        except RecursionError:
            return failure(BadRequest("the request is nested too deeply"))
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            if case.record is not None and self._audit is not None:
                self._audit.panicked(case.record)
            return failure(InternalError("Internal error occurred"))

    def _stays(self, request: Request, case: Case, answer: Stream | Upgrade) -> None:
        """The answer goes on for long: count it as such, and the request when it ends."""
        case.stay()
        what = labels(case.info.what)
        self._measures.long_running.add(what)
        status = 101
        if isinstance(answer, Stream):
            status, answer.begun = answer.status, case.leave
            answer.headers["Audit-Id"] = request.audit_id
            if case.klass is not None:
                answer.headers |= case.klass.headers

        def finish() -> None:
            self._measures.long_running.add(what, -1)
            if case.record is not None and self._audit is not None:
                self._audit.ended(case.record, status)
            self._over(request, case, status, -1)

        answer.finish = finish

    def _over(self, request: Request, case: Case, code: int, size: int) -> None:
        """Count what is over; everything it held is free again."""
        case.leave()
        case.stay()
        seconds = self._api.clock.monotonic() - case.began
        query = request.query
        if self._trace is not None:
            now = self._api.clock.now()
            self._trace(told(request, case.info, code, now - seconds, now))
        self._measures.done(case.info.what, code, seconds, size, dry_run=bool(query.text) and "dryRun" in query)

    async def _answer(self, request: Request, case: Case) -> Answer:
        api = self._api
        info = parse(request.method, request.path, request.query)
        case.begin(info)
        try:
            user = await api.authenticator.authenticate(api, request)
            other = wanted(request)
        except APIError:
            self._of_stranger(request, info, case)
            raise
        if self._audit is not None:
            case.record = self._audit.begin(request, info, user, other)
            if case.record is not None and self._audit.blocking:
                await self._audit.received(case.record)
        if other is not None:
            user = await self._become(user, other, case)
        request.user = user
        flow = self._flow
        if flow.seats and info.subresource not in LONG_RUNNING:
            klass = case.klass = flow.classify(user, info)
            width = flow.width(klass, info)
            if not klass.level.take(width):
                await flow.wait(klass, width)
            case.width = width
            klass.served[0] += 1
        await self._authorise(request, info, user)
        if case.record is not None:
            why = api.authorizer.why(attributes(user, info))
            request.annotations |= {} if why is None else {REASON: why}
        return await self.serve(request, info)

    async def serve(self, request: Request, info: RequestInfo) -> Answer:
        """Answer a request whose user is known and may do it. Raises APIError."""
        if info.is_resource:
            remote = self._api.remotes.find(info.group, info.version) if self._api.remotes else None
            if remote is not None:
                return await forward(self._api, remote, request)
            return await dispatch(self._api, request, info)
        return await self._plain.answer(request, info)

    async def _authorise(self, request: Request, info: RequestInfo, user: User) -> None:
        """Raises Forbidden for what the user may not do."""
        if info.is_resource:
            await self._require(user, with_selected_name(info, request.query), request.query)
            if info.subresource in _RUNS and runs(info, upgrade="Upgrade" in request.headers):
                await self._require(user, replace(info, verb="create"), request.query)
        elif not self._plain.open_to_all(info.path):
            await self._require(user, info, request.query)

    async def _become(self, user: User, other: User, case: Case) -> User:
        acting = await become(user, other, attributes(user, case.info), self._refused)
        if case.record is not None:
            case.record.impersonated = acting
        return acting

    async def _refused(self, asked: Attributes) -> Forbidden | None:
        return await self._api.authorizer.refused(Question(asked))

    async def _require(self, user: User, info: RequestInfo, query: Query) -> None:
        authorizer = self._api.authorizer
        if authorizer.local:
            authorizer.require(user, info)
            return
        refusal = await authorizer.refused(of_request(user, info, query))
        if refusal is not None:
            raise refusal
