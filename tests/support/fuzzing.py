"""Fuzzing: requests made from the server's own OpenAPI, by schemathesis, and what every answer to one has to be.

A case is sent as it was made, and a second time fitted: to a namespace that is there, to an object that is there or may
be made, without parameters that alone would be refused. `Fuzzer.faults` collects what was wrong, one per operation:
an answer of 5xx, a refusal that is no Status, a refused or dry request that wrote something, a collection that cannot
be read after a write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

Json = dict[str, Any]
NAMESPACE, NAME = "demo", "fuzz"
_BODIES = {"post": "application/json", "put": "application/json"}
_LATER = ("/watch/", "/proxy", "/exec", "/attach", "/portforward", "/log")
"""Answers that go on, or come from somebody else."""


class Sent(NamedTuple):
    """One request, ready for the wire."""

    method: str
    path: str
    media: str
    body: bytes | None
    dry: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.media} {(self.body or b'').decode(errors='replace')[:2000]}"


class Got(NamedTuple):
    """The answer, and a mark of what was stored in the collection before and after."""

    code: int
    body: bytes
    before: object
    after: object


Send = Callable[[Sent], Got]


class Fuzzer:
    """`send` makes a request, from any thread; `count` cases are made for each operation."""

    def __init__(self, send: Send, count: int, *, fixed: bool) -> None:
        self._send = send
        self._fixed = fixed
        self._count = count
        self.faults: dict[str, str] = {}
        self.codes: dict[int, int] = {}

    def run(self, document: Mapping[str, Any]) -> None:
        """Every operation of one document. Call it in a thread."""
        schema = schemathesis.openapi.from_dict(dict(document))
        for found in schema.get_all_operations():
            operation = found.ok()  # type: ignore[union-attr] # an Err raises here, as it has to
            if not any(part in operation.path for part in _LATER):
                self._run(operation)

    def _run(self, operation: Any) -> None:
        @settings(
            max_examples=self._count, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate], derandomize=self._fixed,
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def each(case: Any) -> None:
            for sent in forms(case):
                self._try(f"{operation.method} {operation.path}", sent)

        each()

    def _try(self, operation: str, sent: Sent) -> None:
        got = self._send(sent)
        self.codes[got.code] = self.codes.get(got.code, 0) + 1
        fault = wrong(sent, got)
        if fault is None and got.code in (200, 201) and sent.method != "GET":
            collection = operation.split(" ")[1].split("/{name}")[0].replace("{namespace}", NAMESPACE)
            listed = self._send(Sent("GET", collection, "", None, dry=False))
            if listed.code not in (200, 404, 405):
                fault = f"afterwards {collection} answers {listed.code}"
        if fault is not None:
            self.faults.setdefault(operation, f"{fault}: {sent} -> {got.code} {got.body[:500]!r}")


def wrong(sent: Sent, got: Got) -> str | None:
    """What is wrong with an answer; None: nothing."""
    if got.code >= 500:
        return "a failure of the server's own"
    written = got.after != got.before
    if written and (got.code >= 400 or sent.dry or sent.method == "GET"):
        return "something was written"
    if got.code < 400:
        return None
    try:
        status = msgspec.json.decode(got.body)
    except msgspec.DecodeError:
        return "no Status"
    if status.get("kind") != "Status" or status.get("code") != got.code or not status.get("message"):
        return "not quite a Status"
    return None


def forms(case: Any) -> Iterator[Sent]:
    """A case as it is, and fitted."""
    method = case.operation.method
    query = {k: v for k, v in dict(case.query or {}).items() if k not in ("watch", "timeoutSeconds")}
    body = encoded(case.body)
    if body is None and method in ("post", "put", "patch"):
        return
    yield Sent(method.upper(), _with(case.formatted_path, query), case.media_type or "", body, _dry(query))
    media = _BODIES.get(method, case.media_type or "")
    fitted = encoded(_fitted(method, case.body, case.operation.path))
    path = case.operation.path.replace("{namespace}", NAMESPACE).replace("{name}", NAME)
    if method != "delete" or "{name}" in case.operation.path:
        yield Sent(method.upper(), path, media, fitted, dry=False)


def _fitted(method: str, body: Any, path: str) -> Any:
    if not isinstance(body, dict) or method not in ("post", "put"):
        return body
    given: Any = body.get("metadata")
    meta: Json = given if isinstance(given, dict) else {}
    kept = {k: v for k, v in meta.items() if k in ("labels", "annotations", "finalizers", "ownerReferences")}
    kept |= {"name": NAME} | ({"namespace": NAMESPACE} if "{namespace}" in path else {})
    return {k: v for k, v in body.items() if k not in ("kind", "apiVersion", "metadata")} | {"metadata": kept}


def encoded(body: Any) -> bytes | None:
    """A body as JSON; None: there is none, or it cannot be said in JSON."""
    if body is None or type(body).__name__ == "NotSet":
        return None
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError):
        return None


def _with(path: str, query: Mapping[str, Any]) -> str:
    text = urlencode(query, doseq=True, errors="replace", quote_via=quote)
    return f"{path}?{text}" if text else path


def _dry(query: Mapping[str, Any]) -> bool:
    return query.get("dryRun") in ("All", ["All"])


async def fuzz(fuzzer: Fuzzer, documents: Mapping[str, Mapping[str, Any]]) -> None:
    """All of them, while the loop goes on serving."""
    for document in documents.values():
        await asyncio.to_thread(fuzzer.run, document)
