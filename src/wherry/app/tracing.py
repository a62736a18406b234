"""From a file with a TracingConfiguration to spans that go to an OpenTelemetry collector (OTLP over gRPC).

Imported only when there is such a file; the OpenTelemetry packages come with `pip install 'wherry[tracing]'`. A
collector on this machine, or one named by http://, is spoken to in plain text, any other over verified TLS. One that
does not keep up loses spans, and never holds up a request.
https://kubernetes.io/docs/concepts/cluster-administration/system-traces/
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml

from wherry.apiserver.configuration import Format, decoded, unknown_version
from wherry.apiserver.tracing import Tell, Told
from wherry.app import version
from wherry.app.config import ConfigError

MILLION = 1_000_000
LAST_SECONDS = 0.5


class TracingConfiguration(Format, frozen=True):
    """Upstream's document."""

    api_version: str
    kind: str
    endpoint: str = "localhost:4317"
    sampling_rate: int = msgspec.field(default=0, name="samplingRatePerMillion")


def read(path: str) -> TracingConfiguration:
    """The file. Raises ConfigError, which names the file, the key and the remedy."""
    try:
        document = yaml.safe_load(Path(path).read_bytes())
        if not isinstance(document, Mapping):
            raise ValueError("it holds no TracingConfiguration of apiserver.config.k8s.io/v1")  # noqa: TRY004 - see below
        return decoded(document, TracingConfiguration, _problems)
    except OSError as error:
        raise ConfigError(f"the tracing configuration {path} cannot be read: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from error


def _problems(own: TracingConfiguration) -> Iterator[str]:
    yield from unknown_version(own.api_version)
    if own.kind != "TracingConfiguration":
        yield f"kind: {own.kind!r} is not TracingConfiguration"
    if own.sampling_rate < 0:
        yield "samplingRatePerMillion: sampling rate must be positive"
    if own.sampling_rate > MILLION:
        yield "samplingRatePerMillion: sampling rate per million must be less than or equal to one million"
    if not urlsplit(_address(own.endpoint)).hostname:
        yield f"endpoint: {own.endpoint!r} names no host; write it like localhost:4317"


def _address(endpoint: str) -> str:
    return endpoint if "//" in endpoint else f"//{endpoint}"


def plain(endpoint: str) -> bool:
    """Whether a collector is spoken to without TLS."""
    where = urlsplit(_address(endpoint))
    if where.scheme:
        return where.scheme == "http"
    host = where.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def start(path: str) -> tuple[Tell, Callable[[], None]]:
    """Whom to tell of requests, and what ends it, sending what is left. Raises ConfigError."""
    own = read(path)
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise ConfigError("tracing needs more packages; run: pip install 'wherry[tracing]'") from error
    resource = Resource.create({"service.name": "apiserver", "service.version": version.wherry()})
    sampler = ParentBased(TraceIdRatioBased(own.sampling_rate / MILLION))
    provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=own.endpoint, insecure=plain(own.endpoint)))
    )

    def end() -> None:
        # not waited for to the end: a collector that is away must not keep a server from going
        sending = threading.Thread(target=provider.shutdown, daemon=True)
        sending.start()
        sending.join(LAST_SECONDS)

    return _teller(provider.get_tracer("wherry")), end


def _teller(tracer: Any) -> Tell:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carried = TraceContextTextMapPropagator()

    def tell(told: Told) -> None:
        parent = carried.extract(dict(told.parent), Context()) if told.parent else Context()
        span = tracer.start_span(
            told.name, parent, SpanKind.SERVER, dict(told.attributes), start_time=int(told.began * 1e9)
        )
        if told.code >= 500:
            span.set_status(StatusCode.ERROR)
        span.end(int(told.ended * 1e9))

    return tell
