"""Auditor: decides what is told of a request, and tells it: every change before its answer is sent.

A request's record is begun when its user is known and ended with its answer; watches and connections that are taken
over are told when they begin and when they end. Records go to a file (at once) and to a webhook (in batches, which an
answer waits for when the webhook is a blocking one).

When the file cannot be written (disk full), `on_failure` decides: "continue" serves on, counts what is lost, says so in
the log and, once it can, in the file; "refuse" tells every change before it is made, and refuses it with 503 when that
fails; a blocking webhook counts as the file does. https://kubernetes.io/docs/tasks/debug/debug-cluster/audit/
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from wherry.aio.clock import Clock
from wherry.apiserver.audit import event as events
from wherry.apiserver.audit.file import AuditFile
from wherry.apiserver.audit.policy import Decision, Policy, decide, names_objects
from wherry.apiserver.audit.webhook import AuditWebhook
from wherry.apiserver.authn.user import User
from wherry.apiserver.decode import to_json
from wherry.apiserver.http import Answer, Request, Response, Stream
from wherry.apiserver.routes import RequestInfo
from wherry.machinery.errors import APIError, ServiceUnavailable
from wherry.machinery.metrics import Counter, Family

logger = logging.getLogger(__name__)

OnFailure = Literal["continue", "refuse"]
MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
UNTOLD = "the audit log takes no records; nothing may be changed without one"
_REMEMBERED = 4096
_COMPLAIN_SECONDS = 60.0


class Record:
    """What is told of one request."""

    __slots__ = ("body", "decision", "impersonated", "info", "received", "request", "sent", "user")

    def __init__(self, request: Request, info: RequestInfo, user: User, decision: Decision, received: float) -> None:
        self.request = request
        self.info = info
        self.user = user
        self.impersonated: User | None = None
        self.decision = decision
        self.received = received
        self.body = b""
        self.sent: asyncio.Future[bool] | None = None
        """Whether a blocking webhook has taken the last event."""


class Auditor:
    """One per server. `file` and `webhook` may each be missing."""

    def __init__(
        self, policy: Policy, clock: Clock, file: AuditFile | None, webhook: AuditWebhook | None = None,
        on_failure: OnFailure = "continue",
    ) -> None:  # fmt: skip
        self._policy = policy
        self._clock = clock
        self._file = file
        self._webhook = webhook
        self.blocking = webhook is not None and webhook.sending.mode == "blocking"
        """Whether `settled` has to be awaited after `begin` and `answered`."""
        self._strict = on_failure == "refuse"
        self._by_name = names_objects(policy)
        self._known: dict[tuple[object, ...], Decision] = {}
        self._complained = -_COMPLAIN_SECONDS
        self.events = Counter(
            "apiserver_audit_event_total",
            "[ALPHA] Counter of audit events generated and sent to the audit backend.",
        )
        self.errors = Counter(
            "apiserver_audit_error_total",
            "[ALPHA] Counter of audit events that failed to be audited properly. Plugin identifies the plugin affected "
            "by the error.",
            ("plugin",),
        )

    def families(self) -> tuple[Family, ...]:
        """The metrics."""
        return (self.events, self.errors)

    def lost(self, count: int) -> None:
        """The webhook has dropped records."""
        self.errors.add(("webhook",), count)

    def attach(self, webhook: AuditWebhook) -> None:
        """Send records there, too."""
        self._webhook = webhook
        self.blocking = webhook.sending.mode == "blocking"

    async def settled(self, record: Record) -> None:
        """Wait for a blocking webhook to take, or to fail, what has been told last."""
        if record.sent is not None:
            await record.sent

    async def received(self, record: Record) -> None:
        """The same, before anything is done. Raises ServiceUnavailable when nothing may be changed without a record."""
        if record.sent is not None and not await record.sent and self._strict and record.info.verb in MUTATING:
            raise ServiceUnavailable(UNTOLD)

    def begin(self, request: Request, info: RequestInfo, user: User, acting: User | None) -> Record | None:
        """The record of a request, None when nothing is told of it. Raises ServiceUnavailable (see above)."""
        decision = self._decide(user, info)
        if decision.level == "None":
            return None
        record = Record(request, info, user, decision, self._clock.now())
        record.impersonated = acting
        if decision.level in ("Request", "RequestResponse"):
            request.read = self._kept(record, request.read)
        strict = self._strict and info.verb in MUTATING
        if strict or decision.tells("RequestReceived"):
            done = self._tell(record, "RequestReceived", None, None)
            if strict and not done:
                raise ServiceUnavailable(UNTOLD)
        return record

    def silent(self, user: User, info: RequestInfo) -> bool:
        """Whether nothing is told of such a request."""
        return self._decide(user, info).level == "None"

    def _decide(self, user: User, info: RequestInfo) -> Decision:
        # the user of a request is one object per connection or token: its rules are looked up once
        where = info.namespace if info.is_resource else info.path
        key = (user, info.what, where, info.name if self._by_name else "")
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = decide(self._policy, user, info)
        return known

    @staticmethod
    def _kept(record: Record, read: Callable[[], Awaitable[bytes]]) -> Callable[[], Awaitable[bytes]]:
        async def keeping() -> bytes:
            record.body = await read()
            return record.body

        return keeping

    def inside(self, user: User, info: RequestInfo, audit_id: str) -> None:
        """Tell of a change that a part of this process has made."""
        decision = self._decide(user, info)
        if not decision.tells("ResponseComplete"):
            return
        now = events.stamp(self._clock.now())
        event = events.Event(
            level="Metadata",
            audit_id=audit_id,
            stage="ResponseComplete",
            request_uri=info.path,
            verb=info.verb,
            user=events.user_info(user),
            request_received_timestamp=now,
            stage_timestamp=now,
            object_ref=events.object_ref(info, None),
            response_status={"metadata": {}, "code": 201 if info.verb == "create" else 200},
            annotations={events.METHOD: "inside"},
        )
        self._write(event)

    def answered(self, record: Record, answer: Answer) -> None:
        """Tell of the answer, which has not been sent yet."""
        if isinstance(answer, Response):
            if record.decision.tells("ResponseComplete"):
                body = answer.body if isinstance(answer.body, bytes) else None
                self._tell(record, "ResponseComplete", answer.status, body)
        elif record.decision.tells("ResponseStarted"):
            self._tell(record, "ResponseStarted", answer.status if isinstance(answer, Stream) else 101, b"")

    def ended(self, record: Record, code: int) -> None:
        """Tell of the end of an answer that lasted."""
        if record.decision.tells("ResponseComplete"):
            self._tell(record, "ResponseComplete", code, b"")

    def panicked(self, record: Record) -> None:
        """Tell of a request that failed by our own fault."""
        if record.decision.tells("Panic"):
            self._tell(record, "Panic", 500, b"")

    def _tell(self, record: Record, stage: str, code: int | None, body: bytes | None) -> bool:
        """Write one event; `body` None: there is one, too large to be told. False when the file did not take it."""
        return self._write(self._event(record, stage, code, body), record)

    def _write(self, event: events.Event, record: Record | None = None) -> bool:
        line = events.line(event)
        counts = self.events.values
        counts[()] = counts.get((), 0) + 1
        if self._webhook is not None:
            self._send(self._webhook, event, line, record)
        if self._file is None:
            return True
        try:
            self._file.write(line)
        except OSError as error:
            self.errors.add(("log",))
            now = self._clock.monotonic()
            if now - self._complained >= _COMPLAIN_SECONDS:
                self._complained = now
                logger.error("the audit log cannot be written: %s", error)  # noqa: TRY400 - the cause is known
            return False
        return True

    def _send(self, webhook: AuditWebhook, event: events.Event, line: bytes, record: Record | None) -> None:
        largest = webhook.sending.largest
        if largest and len(line) > largest:
            line = events.line(events.without_bodies(event))
            if len(line) > largest:
                self.lost(1)
                return
        if self.blocking and record is not None:
            record.sent = webhook.give(line)
        else:
            webhook.put(line)

    def _event(self, record: Record, stage: str, code: int | None, body: bytes | None) -> events.Event:
        request, info, decision = record.request, record.info, record.decision
        query = request.query.text
        return events.Event(
            level=decision.level,
            audit_id=request.audit_id,
            stage=stage,
            request_uri=f"{request.path}?{query}" if query else request.path,
            verb=info.verb,
            user=events.user_info(record.user),
            request_received_timestamp=events.stamp(record.received),
            stage_timestamp=events.stamp(self._clock.now()),
            impersonated_user=events.user_info(record.impersonated) if record.impersonated else None,
            source_ips=(request.remote,) if request.remote else (),
            user_agent=request.headers.get("User-Agent", "")[:1024],
            object_ref=events.object_ref(info, body if info.verb == "create" and code == 201 else None),
            response_status=_status(code, body),
            request_object=self._sent(record),
            response_object=self._shown(decision, stage, body),
            annotations=self._notes(record, code, body),
        )

    @staticmethod
    def _sent(record: Record) -> msgspec.Raw | None:
        if not record.body:
            return None
        try:
            sent = to_json(record.body, record.request.headers.get("Content-Type", "").replace("+json", ""))
        except APIError:
            sent = record.body  # a patch: its media types are not those of objects
        return events.told(sent, omit_managed_fields=record.decision.omit_managed_fields)

    @staticmethod
    def _shown(decision: Decision, stage: str, body: bytes | None) -> msgspec.Raw | None:
        if decision.level != "RequestResponse" or stage != "ResponseComplete" or not body:
            return None
        return events.told(body, omit_managed_fields=decision.omit_managed_fields)

    @staticmethod
    def _notes(record: Record, code: int | None, body: bytes | None) -> dict[str, str]:
        request = record.request
        notes = {events.METHOD: events.how(request, record.user), **request.annotations}
        if code is not None:
            notes["authorization.k8s.io/decision"] = "forbid" if code == 403 else "allow"
        whole = record.decision.level == "RequestResponse" and (body is None or len(body) > events.LARGEST)
        if whole or len(record.body) > events.LARGEST:
            notes[events.TRUNCATED] = "true"
        return notes


def _status(code: int | None, body: bytes | None) -> dict[str, Any] | None:
    """The answer's outcome; of a refusal also its reason and message."""
    if code is None:
        return None
    status: dict[str, Any] = {"metadata": {}, "code": code}
    if code >= 400 and body:
        try:
            told = msgspec.json.decode(body, type=_Refusal)
        except msgspec.MsgspecError:
            return status
        status |= {"status": "Failure", "message": told.message, "reason": told.reason}
    return status


class _Refusal(msgspec.Struct):
    message: str = ""
    reason: str = ""
