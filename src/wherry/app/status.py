"""`wherry status`: what runs, and for whatever does not, the cause as the objects themselves tell it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from typing import Any

from wherry.aio.clock import Clock
from wherry.app import keeper
from wherry.app.config import Config
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest
from wherry.app.up import last_words, stranger, units
from wherry.app.upgrade import journal

LOW = 1 << 30
TROUBLE = {
    "MemoryPressure": "end what uses its memory, or give pods limits",
    "DiskPressure": "free some space: a tenth of its disk, and 15 % of that with the images, must stay free; five "
    "minutes later it takes pods again",
    "PIDPressure": "end some of its processes",
    "NetworkUnavailable": "see `wherry logs agent`",
}
"""What may be wrong with a node -> the remedy."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One wherry process; `pid` None when it does not run. `version`: of the wherry it runs."""

    name: str
    pid: int | None
    detail: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node; `cause` "" when all is well."""

    name: str
    detail: str
    cause: str


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod; `cause` "" when all is well."""

    namespace: str
    name: str
    node: str
    state: str
    cause: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything `wherry status` shows."""

    processes: tuple[ProcessState, ...]
    api: str
    nodes: tuple[NodeState, ...]
    pods: tuple[PodState, ...]
    upgrading: str = ""
    """The version that an upgrade was begun to and has not been finished; "" when there is none."""

    @property
    def total(self) -> int:
        """How many pods there are."""
        return len(self.pods)

    @property
    def running(self) -> int:
        """How many pods run as they should or have ended well."""
        return sum(pod.state in ("Running", "Succeeded") and not pod.cause for pod in self.pods)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        broken = any(process.pid is None for process in self.processes) or self.api != "ok"
        return not (broken or any(node.cause for node in self.nodes) or any(pod.cause for pod in self.pods))

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"healthy": self.healthy, **asdict(self)}


def status(config: Config, clock: Clock) -> Status:
    """Look at everything once."""
    processes = process_states(config)
    begun = journal.read(config)
    upgrading = begun.to if begun is not None else ""
    rest = Rest(config)
    try:
        rest.text("/readyz")
        nodes = tuple(node_state(config, item) for item in rest.items("/api/v1/nodes"))
        known = {node.name for node in nodes}
        absent = tuple(
            NodeState(m.name, "", "has not registered; see `wherry logs agent`")
            for m in config.machines()
            if m.name not in known
        )
        pods = tuple(pod_state(item) for item in rest.items("/api/v1/pods"))
    except ApiRefused as error:
        return Status(processes, _refused(config, error), (), (), upgrading)
    except ApiUnreachable as error:
        return Status(processes, f"{error}; {_where_to_look(config)}", (), (), upgrading)
    return Status(processes, "ok", nodes + absent, pods, upgrading)


def _refused(config: Config, error: ApiRefused) -> str:
    if config.join and error.status == 401:
        return str(stranger(config))
    return f"not ready: {error}"


def _where_to_look(config: Config) -> str:
    if config.join:
        return "see whether the server runs and its port can be reached from here"
    return f"the server last said: {last_words(config.logs / 'server.log')}"


def process_states(config: Config) -> tuple[ProcessState, ...]:
    """The wherry processes of this machine."""
    keep = keeper.choose(config.run, config.logs / "supervisor.log")
    kept = keep.kept()
    found = []
    for unit in units(config):
        pid = keep.pid(unit.name)
        release = kept[unit.name].release if pid and unit.name in kept else ""
        detail = f"pid {pid}, {release}".rstrip(", ") if pid else "not running; start it with `wherry up`"
        found.append(ProcessState(unit.name, pid, detail, release))
    return tuple(found)


def node_state(config: Config, item: dict[str, Any]) -> NodeState:
    """One node, as the API tells of it."""
    name = item["metadata"]["name"]
    state = item.get("status", {})
    conditions = {c["type"]: c for c in state.get("conditions", ())}
    causes = [
        f"{kind}: {conditions[kind].get('message') or conditions[kind].get('reason')}; {remedy}"
        for kind, remedy in TROUBLE.items()
        if conditions.get(kind, {}).get("status") == "True"
    ]
    ready = conditions.get("Ready", {})
    if ready.get("status") != "True":
        causes.insert(0, f"not Ready: {ready.get('message') or 'its agent has not said anything yet'}")
    if name in {machine.name for machine in config.machines()}:
        free = shutil.disk_usage(config.root).free
        if free < LOW:
            causes.append(f"disk full: {free >> 20} MiB left at {config.root}; free some space")
    address = next((a["address"] for a in state.get("addresses", ()) if a.get("type") == "InternalIP"), "no address")
    version = state.get("nodeInfo", {}).get("kubeletVersion", "")
    return NodeState(name, f"Ready, {address}, {version}", "; ".join(causes))


def pod_state(item: dict[str, Any]) -> PodState:
    """The state of a pod and, in words, why it is not what it should be."""
    meta, state = item["metadata"], item.get("status", {})
    phase = str(state.get("phase", "Pending"))
    cause = _pod_cause(item, phase)
    return PodState(meta.get("namespace", ""), meta["name"], item.get("spec", {}).get("nodeName", ""), phase, cause)


def _pod_cause(item: dict[str, Any], phase: str) -> str:
    state = item.get("status", {})
    if phase == "Succeeded" or item["metadata"].get("deletionTimestamp"):
        return ""
    if phase == "Failed":
        return f"{state.get('reason', 'Failed')}: {state.get('message', '') or _last_exit(state)}".rstrip(": ")
    for condition in state.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return f"{condition.get('reason', 'Unschedulable')}: {condition.get('message', '')}"
    for container in (*state.get("initContainerStatuses", ()), *state.get("containerStatuses", ())):
        cause = _container_cause(container)
        if cause:
            return f"{container['name']}: {cause}"
    return ""


def _container_cause(container: dict[str, Any]) -> str:
    waiting = container.get("state", {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in ("", "ContainerCreating", "PodInitializing"):
        return ""
    last = container.get("lastState", {}).get("terminated") or {}
    ended = f"; it last ended with {_ended(last)}" if last else ""
    return f"{reason}: {waiting.get('message', '')}".rstrip(": ") + ended


def _ended(terminated: dict[str, Any]) -> str:
    words = f"exit code {terminated.get('exitCode')}, {terminated.get('reason', '')}".rstrip(", ")
    message = str(terminated.get("message", "")).strip().splitlines()
    return f"{words} ({message[-1]})" if message else words


def _last_exit(state: dict[str, Any]) -> str:
    for container in state.get("containerStatuses", ()):
        terminated = container.get("state", {}).get("terminated") or {}
        if terminated.get("exitCode"):
            return f"{container['name']} ended with {_ended(terminated)}"
    return ""
