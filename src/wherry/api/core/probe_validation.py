"""Validation of probes, hooks and their handlers.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from __future__ import annotations

from wherry.api.checks import Errors, named, nonnegative, port, unsupported
from wherry.api.types.core import (
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    Lifecycle,
    LifecycleHandler,
    Probe,
    SleepAction,
    TCPSocketAction,
)
from wherry.machinery.names import http_header_name
from wherry.machinery.validation import forbidden, invalid, required

Handler = ExecAction | HTTPGetAction | TCPSocketAction | GRPCAction | SleepAction | None


def probes(
    path: str, liveness: Probe | None, readiness: Probe | None, startup: Probe | None, grace: int | None
) -> Errors:
    """The three probes of a container. `grace`: the pod's termination grace period in seconds."""
    if liveness is not None:
        yield from _only_once(f"{path}.livenessProbe", liveness, grace)
    if readiness is not None:
        yield from _probe(f"{path}.readinessProbe", readiness, grace)
        if readiness.termination_grace_period_seconds is not None:
            at = f"{path}.readinessProbe.terminationGracePeriodSeconds"
            yield invalid(at, readiness.termination_grace_period_seconds, "must not be set for readinessProbes")
    if startup is not None:
        yield from _only_once(f"{path}.startupProbe", startup, grace)


def _only_once(path: str, probe: Probe, grace: int | None) -> Errors:
    yield from _probe(path, probe, grace)
    if probe.success_threshold != 1:
        yield invalid(f"{path}.successThreshold", probe.success_threshold, "must be 1")


def _probe(path: str, probe: Probe, grace: int | None) -> Errors:
    handlers: dict[str, Handler] = {
        "exec": probe.exec,
        "httpGet": probe.http_get,
        "tcpSocket": probe.tcp_socket,
        "grpc": probe.grpc,
    }
    yield from _handlers(path, handlers, grace)
    yield from nonnegative(f"{path}.initialDelaySeconds", probe.initial_delay_seconds)
    yield from nonnegative(f"{path}.timeoutSeconds", probe.timeout_seconds)
    yield from nonnegative(f"{path}.periodSeconds", probe.period_seconds)
    yield from nonnegative(f"{path}.successThreshold", probe.success_threshold)
    yield from nonnegative(f"{path}.failureThreshold", probe.failure_threshold)
    own_grace = probe.termination_grace_period_seconds
    if own_grace is not None and own_grace <= 0:
        yield invalid(f"{path}.terminationGracePeriodSeconds", own_grace, "must be greater than 0")


def lifecycle(path: str, hooks: Lifecycle | None, grace: int | None) -> Errors:
    """postStart and preStop."""
    if hooks is None:
        return
    if hooks.post_start is not None:
        yield from _hook(f"{path}.postStart", hooks.post_start, grace)
    if hooks.pre_stop is not None:
        yield from _hook(f"{path}.preStop", hooks.pre_stop, grace)


def _hook(path: str, hook: LifecycleHandler, grace: int | None) -> Errors:
    handlers: dict[str, Handler] = {
        "exec": hook.exec,
        "httpGet": hook.http_get,
        "tcpSocket": hook.tcp_socket,
        "sleep": hook.sleep,
    }
    yield from _handlers(path, handlers, grace)


def _handlers(path: str, handlers: dict[str, Handler], grace: int | None) -> Errors:
    given = [(name, handler) for name, handler in handlers.items() if handler is not None]
    if not given:
        yield required(path, "must specify a handler type")
        return
    first, handler = given[0]
    yield from _handler(f"{path}.{first}", handler, grace)
    for name, _ in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")


def _handler(path: str, handler: Handler, grace: int | None) -> Errors:
    if isinstance(handler, ExecAction):
        if not handler.command:
            yield required(f"{path}.command")
    elif isinstance(handler, HTTPGetAction):
        yield from _http(path, handler)
    elif isinstance(handler, (TCPSocketAction, GRPCAction)):
        yield from port(f"{path}.port", handler.port)
    elif isinstance(handler, SleepAction) and grace is not None and not 0 <= handler.seconds <= grace:
        why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield invalid(path, handler.seconds, why)


def _http(path: str, action: HTTPGetAction) -> Errors:
    if not action.path:
        yield required(f"{path}.path")
    yield from port(f"{path}.port", action.port)
    if action.scheme not in ("HTTP", "HTTPS"):
        yield unsupported(f"{path}.scheme", action.scheme, ("HTTP", "HTTPS"))
    for header in action.http_headers:
        yield from named(f"{path}.httpHeaders", header.name, http_header_name)
