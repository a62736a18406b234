"""The short way of a plain GET (`at_once.py`) beside the usual one: whatever is asked, both answer the same.

The usual way is the naive twin: a query that says nothing keeps a request off the short one.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.integration.apiserver.conftest import Http
from tests.integration.apiserver.test_audit_log import EVERYTHING, about, audited
from tests.integration.apiserver.test_metrics import scrape, value
from tests.support.apiserver import Running
from wherry.apiserver.audit.policy import read
from wherry.apiserver.connections import AtOnce, Connections, head
from wherry.apiserver.http import Request, Response

pytestmark = pytest.mark.looptime(False)

MAPS = "/api/v1/namespaces/demo/configmaps"
PATHS = (
    f"{MAPS}/one", f"{MAPS}/none", f"{MAPS}/large", MAPS, f"{MAPS}/one/status", f"{MAPS}/%6fne", f"{MAPS}//one",
    "/api/v1/namespaces/demo/serviceaccounts/default", "/api/v1/namespaces/demo", "/api/v1/namespaces/none",
    "/api/v1/configmaps/one", "/api/v1/namespaces/demo/namespaces/demo", "/api/v1/namespaces/demo/nothing/one",
    "/apis/events.k8s.io/v1/namespaces/demo/events/e", "/api/v1/namespaces/demo/events/e",
    "/apis/autoscaling/v1/namespaces/demo/horizontalpodautoscalers/h", "/api/v1/namespaces/demo/endpoints/ep",
    "/apis/metrics.k8s.io/v1beta1/namespaces/demo/pods/p", "/apis/example.com/v1/namespaces/demo/things/t",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/view", "/version", "/healthz", "/api/v1",
)  # fmt: skip
HEADERS: tuple[dict[str, str], ...] = (
    {}, {"Accept": "application/json"}, {"Accept": "*/*"}, {"Accept": "application/yaml"}, {"Accept": "text/html"},
    {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}, {"Accept": "application/vnd.kubernetes.protobuf"},
    {"Impersonate-User": "eve"}, {"Impersonate-Uid": "7"}, {"Authorization": "Bearer wrong"},
    {"Accept-Encoding": "gzip"}, {"Upgrade": "websocket", "Connection": "Upgrade"}, {"Connection": "close"},
)  # fmt: skip
LIMITED = ("eve", ("readers",))


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> tuple[str, dict[str, str], bytes]:
        """(status line, headers, body) of the answer."""
        lines = "".join(f"{name}: {text}\r\n" for name, text in {"Host": "x", **headers}.items())
        self.writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return await self.answer(bodiless=method == "HEAD")

    async def answer(self, *, bodiless: bool = False) -> tuple[str, dict[str, str], bytes]:
        """The next answer."""
        async with asyncio.timeout(20):
            first, *rest = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            found = {name: text for name, _, text in (line.partition(": ") for line in rest)}
            length = 0 if bodiless else int(found.get("Content-Length", 0))
            return first, found, await self.reader.readexactly(length)


@asynccontextmanager
async def connected(
    running: Running, name: str, groups: Sequence[str], context: ssl.SSLContext | None = None
) -> AsyncIterator[Line]:
    """A connection whose certificate the server has seen."""
    context = context or running.tls(name, groups)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.server.port, ssl=context, limit=1 << 22)
    line = Line(reader, writer)
    try:
        await line.ask("/version", {})
        yield line
    finally:
        writer.transport.abort()


@contextmanager
def counted(running: Running) -> Iterator[list[str]]:
    """The paths that are answered at once on connections made from now on."""
    inner = running.server._server
    assert inner is not None
    connections: Connections = inner._web
    at_once: AtOnce = connections.at_once
    found: list[str] = []

    def asked(request: Request) -> Response | None:
        answer = at_once(request)
        if answer is not None:
            found.append(request.path)
        return answer

    connections.at_once = asked
    yield found
    connections.at_once = at_once


async def furnished(http: Http) -> None:
    """Something at most of the paths; `eve` may read ConfigMaps and nothing else."""
    await http("POST", MAPS, {"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"k": "ü"}})
    await http("POST", MAPS, {"metadata": {"name": "large"}, "data": {"k": "x" * 200_000}})
    event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "demo"}, "reason": "R", "type": "Normal"}
    await http("POST", "/api/v1/namespaces/demo/events", event)
    await http("POST", "/api/v1/namespaces/demo/endpoints", {"metadata": {"name": "ep"}})
    scaler = {
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"}, "maxReplicas": 3},
    }
    await http("POST", "/apis/autoscaling/v1/namespaces/demo/horizontalpodautoscalers", scaler)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    roles = "/apis/rbac.authorization.k8s.io/v1"
    await http("POST", f"{roles}/clusterroles", {"metadata": {"name": "maps"}, "rules": rules})
    binding = {
        "metadata": {"name": "eve"},
        "subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": "maps", "apiGroup": "rbac.authorization.k8s.io"},
    }
    assert (await http("POST", f"{roles}/namespaces/demo/rolebindings", binding)).code == 201


def comparable(answer: tuple[str, dict[str, str], bytes]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Without what is new in every answer."""
    first, headers, body = answer
    body = body.replace(b"?x=", b"")
    return first, [(name, text) for name, text in headers.items() if name not in ("Audit-Id", "Date")], body


@pytest.mark.parametrize("who", [("kubernetes-admin", ("system:masters",)), LIMITED], ids=lambda who: who[0])
async def test_both_ways_answer_the_same(http: Http, who: tuple[str, tuple[str, ...]]) -> None:
    """Every path with all headers. (Fails when the short way leaves out the rules, Accept or impersonation.)"""
    await furnished(http)
    different = []
    context = http.running.tls(*who)
    with counted(http.running) as quick:
        for path in PATHS:
            async with connected(http.running, *who, context) as line:
                for headers in HEADERS:
                    closes = "close" in headers.values() or "websocket" in headers.values()
                    if closes:
                        async with connected(http.running, *who, context) as other:
                            short = await other.ask(path, headers)
                        async with connected(http.running, *who, context) as other:
                            usual = await other.ask(f"{path}?x=", headers)
                    else:
                        short, usual = await line.ask(path, headers), await line.ask(f"{path}?x=", headers)
                    if comparable(short) != comparable(usual):
                        different.append((path, headers, short, usual))
    assert not different
    plain = sum("Impersonate" not in "".join(h) for h in HEADERS)
    assert 4 <= quick.count(f"{MAPS}/one") < plain
    assert (quick.count("/apis/rbac.authorization.k8s.io/v1/clusterroles/view") > 0) == (who != LIMITED)
    assert not [path for path in quick if "events" in path.rpartition("/")[0] and "events.k8s.io" in path]
    assert f"{MAPS}/large" not in quick


async def test_the_short_way_is_counted(http: Http) -> None:
    """In requests, sizes and dispatched ones alike. (Fails when the short way counts nothing.)"""
    await furnished(http)
    path = f"{MAPS}/one"
    with counted(http.running) as quick:
        async with connected(http.running, *LIMITED) as line:
            before = await scrape(http)
            for _ in range(5):
                await line.ask(path, {})
            short = await scrape(http)
            for _ in range(5):
                await line.ask(f"{path}?x=", {})
            usual = await scrape(http)
    assert quick == [path] * 5
    what = {"verb": "GET", "resource": "configmaps", "scope": "resource", "code": "200"}
    size = {"verb": "GET", "resource": "configmaps", "scope": "resource"}
    flow = {"flow_schema": "global-default"}
    for name, labels in (
        ("apiserver_request_total", what), ("apiserver_response_sizes_count", size),
        ("apiserver_response_sizes_sum", size), ("apiserver_flowcontrol_dispatched_requests_total", flow),
    ):  # fmt: skip
        grown = value(short[name], **labels) - value(before[name], **labels)
        assert grown > 0
        assert grown == value(usual[name], **labels) - value(short[name], **labels)


async def test_a_right_that_is_taken_away_is_gone_at_once(http: Http) -> None:
    """On a connection that has used it before."""
    await furnished(http)
    async with connected(http.running, *LIMITED) as line:
        assert (await line.ask(f"{MAPS}/one", {}))[0].endswith("200 OK")
        bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/demo/rolebindings"
        assert (await http("DELETE", f"{bindings}/eve")).code == 200
        assert (await line.ask(f"{MAPS}/one", {}))[0].endswith("403 Forbidden")
        assert (await line.ask(f"{MAPS}/one", {}))[0].endswith("403 Forbidden")


async def test_what_is_to_be_told_is_told(tmp_path: Path) -> None:
    """A policy that tells reads keeps them off the short way. (Fails when the short way does not ask the policy.)"""
    policy = read({**EVERYTHING, "rules": [{"level": "Metadata"}]})
    async with audited(tmp_path, policy) as http:
        await http("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "one"}})
        async with connected(http.running, "kubernetes-admin", ("system:masters",)) as line:
            first = await line.ask("/api/v1/namespaces/default/configmaps/one", {})
        told = [one["auditID"] for one in about(tmp_path, "configmaps") if one["verb"] == "get"]
    assert first[1]["Audit-Id"] in told


async def test_requests_in_one_piece_and_in_pieces(http: Http) -> None:
    """Whatever the packets are, answers come in order. (Fails when a request that waits behind another is lost.)"""
    await furnished(http)
    quick = f"GET {MAPS}/one HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    usual = f"GET {MAPS}/none HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    text = b'{"metadata":{"name":"two"}}'
    post = f"POST {MAPS}?dryRun=All HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text
    async with connected(http.running, "kubernetes-admin", ("system:masters",)) as line:
        for order in itertools.permutations((quick, usual, post, quick)):
            data = b"".join(order)
            wanted = ["200" if one is quick else "404" if one is usual else "201" for one in order]
            for size in (len(data), 70, 7):
                for at in range(0, len(data), size):
                    line.writer.write(data[at : at + size])
                    if size < len(data):
                        await asyncio.sleep(0)
                assert [(await line.answer())[0].split()[1] for _ in order] == wanted


async def test_an_answer_without_a_body(http: Http) -> None:
    """HEAD says how long the body would be."""
    await furnished(http)
    async with connected(http.running, "kubernetes-admin", ("system:masters",)) as line:
        body = (await line.ask("/version", {}))[2]
        first, headers, none = await line.ask("/version", {}, "HEAD")
        assert (first, headers["Content-Length"], none) == ("HTTP/1.1 200 OK", str(len(body)), b"")
        body = (await line.ask(f"{MAPS}/one", {}))[2]
        first, headers, none = await line.ask(f"{MAPS}/one", {}, "HEAD")
        assert (first, none) == ("HTTP/1.1 405 Method Not Allowed", b"")
        assert (await line.ask(f"{MAPS}/one", {}))[2] == body


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\nb", "a\0b"])
def test_a_header_cannot_end_early(text: str) -> None:
    """Whoever it comes from."""
    with pytest.raises(ValueError, match="header"):
        head(Response(b"", headers={"Location": text}), b"", "")


async def test_old_clients(http: Http) -> None:
    """HTTP/1.0 is answered in its own words, and the connection closed unless it is to be kept."""
    await furnished(http)
    async with connected(http.running, "kubernetes-admin", ("system:masters",)) as line:
        line.writer.write(f"GET {MAPS}/one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
        first, headers, _ = await line.answer()
        assert (first, headers["Connection"]) == ("HTTP/1.0 200 OK", "keep-alive")
        line.writer.write(f"GET {MAPS}/one HTTP/1.0\r\n\r\n".encode())
        first, headers, _ = await line.answer()
        assert first == "HTTP/1.0 200 OK"
        assert "Connection" not in headers
        assert await line.reader.read() == b""
