"""Traces of requests, as a real OTLP collector of the test's own receives them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc.aio
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.apiserver import running_apiserver
from wherry.app import tracing, up
from wherry.app.config import Config, ConfigError

pytestmark = pytest.mark.looptime(False)

EXPORT = "opentelemetry.proto.collector.trace.v1.TraceService"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01"}


@dataclass(slots=True)
class Collector:
    """What came in, and where from."""

    port: int = 0
    spans: list[Any] = field(default_factory=list)
    resources: list[Any] = field(default_factory=list)

    async def export(self, request: Any, context: Any) -> Any:
        for group in request.resource_spans:
            self.resources.append(group.resource)
            for scope in group.scope_spans:
                self.spans += scope.spans
        return ExportTraceServiceResponse()

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    collector = Collector()
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        collector.export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(EXPORT, {"Export": handler}),))
    collector.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector
    finally:
        await server.stop(None)


def written(folder: Path, text: str) -> str:
    path = folder / "tracing.yaml"
    path.write_text(text)
    return str(path)


def file(folder: Path, endpoint: str, rate: int) -> str:
    head = "apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\n"
    return written(folder, f"{head}endpoint: {endpoint}\nsamplingRatePerMillion: {rate}\n")


async def test_requests_become_spans(tmp_path: Path) -> None:
    async with collecting() as collector:
        tell, end = tracing.start(file(tmp_path, f"127.0.0.1:{collector.port}", 1_000_000))
        async with running_apiserver(tmp_path, trace=tell) as running:
            maps = f"{running.url}/api/v1/namespaces/kube-system/configmaps"
            connector = aiohttp.TCPConnector(ssl=running.tls())
            async with aiohttp.ClientSession(connector=connector, headers=PARENT) as admin:
                await admin.get(f"{maps}/secret-name")
                made = await admin.get(f"{running.url}/apis/apps/v1/deployments")
            connector = aiohttp.TCPConnector(ssl=running.tls(name=""))
            async with aiohttp.ClientSession(connector=connector, headers=PARENT) as nobody:
                await nobody.get(f"{running.url}/healthz")
        await asyncio.to_thread(end)
    one = collector.named("GET /api/v1/namespaces/{:namespace}/configmaps/{:name}")
    attributes = {entry.key: entry.value for entry in one.attributes}
    assert (one.trace_id.hex(), one.parent_span_id.hex()) == (TRACE, SPAN)
    assert attributes["http.response.status_code"].int_value == 404
    assert 0 <= one.end_time_unix_nano - one.start_time_unix_nano < 10**10
    two = collector.named("GET /apis/apps/v1/deployments")
    known = {entry.key: entry.value.string_value for entry in two.attributes}
    assert known["audit-id"] == made.headers["Audit-Id"]
    stranger = collector.named("GET /healthz")
    assert stranger.trace_id.hex() != TRACE
    assert stranger.parent_span_id == b""
    service = {entry.key: entry.value.string_value for entry in collector.resources[0].attributes}
    assert service["service.name"] == "apiserver"


async def test_without_a_rate_only_traces_of_administrators_go_on(tmp_path: Path) -> None:
    async with collecting() as collector:
        tell, end = tracing.start(file(tmp_path, f"http://127.0.0.1:{collector.port}", 0))
        async with (
            running_apiserver(tmp_path, trace=tell) as running,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=running.tls())) as admin,
        ):
            await admin.get(f"{running.url}/version")
            await admin.get(f"{running.url}/livez", headers=PARENT)
        await asyncio.to_thread(end)
    assert [span.name for span in collector.spans] == ["GET /livez"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("endpoint: [", "tracing.yaml"),
        ("hello", "holds no TracingConfiguration"),
        ("{apiVersion: v1, kind: TracingConfiguration}", "apiVersion: 'v1' is not known"),
        ("{apiVersion: apiserver.config.k8s.io/v1, kind: Tracing}", "kind: 'Tracing'"),
        ("{apiVersion: apiserver.config.k8s.io/v1, kind: TracingConfiguration, samplingRatePerMillion: -1}",
         "sampling rate must be positive"),
        ("{apiVersion: apiserver.config.k8s.io/v1, kind: TracingConfiguration, samplingRatePerMillion: 1000001}",
         "sampling rate per million must be less than or equal to one million"),
        ("{apiVersion: apiserver.config.k8s.io/v1, kind: TracingConfiguration, endpoint: ''}", "names no host"),
        ("{apiVersion: apiserver.config.k8s.io/v1, kind: TracingConfiguration, rate: 1}", "rate"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        up.check_server(Config(tracing=path))
    assert message in str(caught.value)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [("localhost:4317", True), ("127.0.0.1:4317", True), ("[::1]:4317", True), ("otel.example:4317", False),
     ("http://otel.example:4317", True), ("https://localhost:4317", False)],
)  # fmt: skip
def test_only_this_machine_and_http_are_plain(endpoint: str, expected: bool) -> None:
    assert tracing.plain(endpoint) is expected


def test_nothing_is_loaded_without_a_file() -> None:
    code = "import sys, wherry.app.assemble, wherry.app.server; print([n for n in sys.modules if 'opentelemetry' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
