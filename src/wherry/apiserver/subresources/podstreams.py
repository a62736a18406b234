"""pods/{log,exec,attach,portforward}: check what the client asks for and name the agent's address for it (pure).

Paths are those of the kubelet API, so that an agent of upstream would understand them. Messages are upstream's.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from wherry.api.types.core import Pod
from wherry.apiserver.http import Query
from wherry.machinery.errors import BadRequest
from wherry.machinery.validation import FieldError, forbidden, invalid, refuse

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_LOG_QUERY = ("follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream")


def node_of(pod: Pod) -> str:
    """The node that runs the pod. Raises BadRequest while there is none."""
    if not pod.spec.node_name:
        raise BadRequest(f"pod {pod.metadata.name} does not have a host assigned")
    return pod.spec.node_name


def container_of(pod: Pod, asked: str) -> str:
    """The container meant by `asked` ("" for the only one, or the one the pod names as default). Raises BadRequest."""
    names = [c.name for c in pod.spec.containers]
    init = [c.name for c in pod.spec.init_containers]
    ephemeral = [c.name for c in pod.spec.ephemeral_containers]
    if asked:
        if asked not in (*names, *init, *ephemeral):
            raise BadRequest(f"container {asked} is not valid for pod {pod.metadata.name}")
        return asked
    default = pod.metadata.annotations.get(DEFAULT_CONTAINER, "")
    if default in names:
        return default
    if len(names) == 1:
        return names[0]
    text = f"a container name must be specified for pod {pod.metadata.name}, choose one of: [{' '.join(names)}]"
    if init:
        text += f" or one of the init containers: [{' '.join(init)}]"
    if ephemeral:
        text += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise BadRequest(text)


def log_target(pod: Pod, query: Query) -> str:
    """Where the agent serves this log. Raises BadRequest, Invalid."""
    container = container_of(pod, query.first("container"))
    _check_log_options(pod, query)
    asked = [(name, query.first(name)) for name in _LOG_QUERY if query.first(name)]
    meta = pod.metadata
    return f"/containerLogs/{quote(meta.namespace)}/{quote(meta.name)}/{quote(container)}?{urlencode(asked)}"


def _check_log_options(pod: Pod, query: Query) -> None:
    """Raises Invalid for what cannot be asked of a log, BadRequest for what is no number."""
    errors: list[FieldError] = []
    if query.first("sinceSeconds") and query.first("sinceTime"):
        errors.append(forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    for name, least, why in (
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("limitBytes", 1, "must be greater than 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
    ):
        value = query.number(name)
        if value is not None and value < least:
            errors.append(invalid(name, value, why))
    if errors:
        raise refuse("", "PodLogOptions", pod.metadata.name, errors)


def exec_target(pod: Pod, query: Query) -> str:
    """Where the agent runs this command. Raises BadRequest."""
    command = query.all("command")
    if not command:
        raise BadRequest("you must specify at least one command for the container")
    return _command_target("exec", pod, query, [("command", part) for part in command])


def attach_target(pod: Pod, query: Query) -> str:
    """Where the agent attaches. Raises BadRequest."""
    return _command_target("attach", pod, query, [])


def _command_target(verb: str, pod: Pod, query: Query, extra: list[tuple[str, str]]) -> str:
    container = container_of(pod, query.first("container"))
    if not any(query.flag(name) for name in ("stdin", "stdout", "stderr")):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    flags = [
        (theirs, "1")
        for ours, theirs in (("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty"))
        if query.flag(ours)
    ]
    meta = pod.metadata
    path = f"/{verb}/{quote(meta.namespace)}/{quote(meta.name)}/{quote(meta.uid)}/{quote(container)}"
    return f"{path}?{urlencode([*extra, *flags])}"


def port_forward_target(pod: Pod, query: Query) -> str:
    """Where the agent forwards ports. Raises BadRequest."""
    ports = query.all("ports")
    meta = pod.metadata
    path = f"/portForward/{quote(meta.namespace)}/{quote(meta.name)}/{quote(meta.uid)}"
    return path + (f"?{urlencode([('port', port) for port in ports])}" if ports else "")
