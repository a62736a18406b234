"""STREAMING_ROUTES: logs, exec, attach and port-forward of the agent's server, by the paths of the kubelet API."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from wherry.api.types.core import ContainerStatus, Pod
from wherry.machinery.time import seconds
from wherry.node.api import Route, Serves
from wherry.node.runtime.interface import Container, State
from wherry.node.streaming.logs import LogOptions
from wherry.node.streaming.remotecommand import Wanted
from wherry.node.streaming.sessions import Sessions

MOST_PORTS = 127
"""To one session over WebSocket: each takes two of its 256 channels."""


def _pod(agent: Serves, request: web.Request) -> Pod:
    namespace, name = request.match_info["namespace"], request.match_info["pod"]
    pod = agent.find(namespace, name)
    wanted = request.match_info.get("uid")
    if pod is None or (wanted and pod.metadata.uid != wanted):
        raise web.HTTPNotFound(text=f'pod "{namespace}/{name}" does not exist')
    return pod


def _container(agent: Serves, request: web.Request, pod: Pod) -> Container:
    name = request.match_info["container"]
    found = agent.container_of(pod, name)
    if found is None:
        raise web.HTTPBadRequest(text=_waiting(pod, name))
    return found


def _waiting(pod: Pod, name: str) -> str:
    status = _status(pod, name)
    waiting = status.state.waiting if status is not None and status.state is not None else None
    reason = waiting.reason if waiting is not None and waiting.reason else "ContainerCreating"
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
        kind = "trying and failing to pull image"
        return f'container "{name}" in pod "{pod.metadata.name}" is waiting to start: {kind}'
    return f'container "{name}" in pod "{pod.metadata.name}" is waiting to start: {reason}'


def _status(pod: Pod, name: str) -> ContainerStatus | None:
    status = pod.status
    every = (*status.container_statuses, *status.init_container_statuses, *status.ephemeral_container_statuses)
    return next((one for one in every if one.name == name), None)


def log_file(agent: Serves, pod: Pod, container: Container) -> Path:
    """Where the runtime writes the log of one run of a container."""
    meta = pod.metadata
    folder = agent.config.logs / f"{meta.namespace}_{meta.name}_{meta.uid}" / container.name
    return folder / f"{container.attempt}.log"


def log_options(query: dict[str, str], now: float) -> LogOptions:
    """The query of a log request. Raises HTTPBadRequest."""

    def number(name: str) -> int | None:
        try:
            return int(query[name]) if query.get(name) else None
        except ValueError:
            raise web.HTTPBadRequest(text=f"{name}: not a number: {query[name]}") from None

    ago = number("sinceSeconds")
    since = now - ago if ago is not None else 0.0
    if query.get("sinceTime"):
        try:
            since = seconds(query["sinceTime"])
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"sinceTime: {error}") from None
    return LogOptions(
        follow=query.get("follow") == "true",
        timestamps=query.get("timestamps") == "true",
        tail=number("tailLines"),
        limit=number("limitBytes"),
        since=since,
        stream=query.get("stream") or "All",
    )


async def logs(agent: Serves, request: web.Request) -> web.StreamResponse:
    """GET /containerLogs/NAMESPACE/POD/CONTAINER"""
    pod = _pod(agent, request)
    container = _container(agent, request, pod)
    options = log_options(dict(request.query), agent.clock.now())
    path = log_file(agent, pod, container)
    if request.query.get("previous") == "true":
        path = path.with_name(f"{container.attempt - 1}.log")
        if container.attempt == 0 or not path.exists():
            text = f'previous terminated container "{container.name}" in pod "{pod.metadata.name}" not found'
            raise web.HTTPBadRequest(text=text)
        return await Sessions(agent.runtime).logs(request, path, options, lambda: True)

    def ended() -> bool:
        now = agent.container_of(pod, container.name)
        return now is None or now.id != container.id or now.state in (State.EXITED, State.UNKNOWN)

    return await Sessions(agent.runtime).logs(request, path, options, ended)


def _wanted(request: web.Request) -> Wanted:
    def flag(name: str) -> bool:
        return request.query.get(name) in ("1", "true")

    return Wanted(stdin=flag("input"), stdout=flag("output"), stderr=flag("error"), tty=flag("tty"))


async def exec_(agent: Serves, request: web.Request) -> web.StreamResponse:
    """GET or POST /exec/NAMESPACE/POD/UID/CONTAINER?command=..."""
    container = _container(agent, request, _pod(agent, request))
    command = tuple(request.query.getall("command", []))
    return await Sessions(agent.runtime).exec(request, container.id, command, _wanted(request))


async def attach(agent: Serves, request: web.Request) -> web.StreamResponse:
    """GET or POST /attach/NAMESPACE/POD/UID/CONTAINER"""
    container = _container(agent, request, _pod(agent, request))
    return await Sessions(agent.runtime).attach(request, container.id, _wanted(request))


async def port_forward(agent: Serves, request: web.Request) -> web.StreamResponse:
    """GET or POST /portForward/NAMESPACE/POD/UID?port=..."""
    pod = _pod(agent, request)
    sandbox = agent.sandbox_of(pod)
    if not sandbox:
        raise web.HTTPBadRequest(text=f'pod "{pod.metadata.name}" is not running')
    try:
        ports = tuple(int(port) for port in request.query.getall("port", []))
    except ValueError:
        raise web.HTTPBadRequest(text="port: not a number") from None
    if len(ports) > MOST_PORTS or not all(0 < port < 65536 for port in ports):
        raise web.HTTPBadRequest(text=f"port: give at most {MOST_PORTS}, each between 1 and 65535")
    return await Sessions(agent.runtime).port_forward(request, sandbox, ports)


_COMMAND = "{namespace}/{pod}/{uid}/{container}"
STREAMING_ROUTES: tuple[Route, ...] = (
    Route("GET", "/containerLogs/{namespace}/{pod}/{container}", logs),
    Route("GET", f"/exec/{_COMMAND}", exec_),
    Route("POST", f"/exec/{_COMMAND}", exec_),
    Route("GET", f"/attach/{_COMMAND}", attach),
    Route("POST", f"/attach/{_COMMAND}", attach),
    Route("GET", "/portForward/{namespace}/{pod}/{uid}", port_forward),
    Route("POST", "/portForward/{namespace}/{pod}/{uid}", port_forward),
)
