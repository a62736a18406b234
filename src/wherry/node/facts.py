"""What the pod's state machine reads and says, as frozen data: `Facts` in, instructions out. No I/O, no clock.

Times are epoch seconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod, ResourceRequirements
from wherry.node.runtime.interface import Container, Sandbox, State

HASH = "wherry.io/container-hash"
STEP = "wherry.io/backoff-step"
POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"

Role = Literal["init", "sidecar", "main", "ephemeral"]
EventKind = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something could not be done, and when to try again. `reason` is what `waiting.reason` shows."""

    reason: str
    message: str
    retry_at: float = 0.0
    grace: float | None = None
    """What containers get at most (seconds) when the pod ends for it; None: what the pod itself gives them."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probes of one running container have found so far."""

    started: bool
    ready: bool
    failed: Literal["", "liveness", "startup"] = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known about one pod besides its object. Lists are newest first."""

    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()
    host_ips: tuple[str, ...] = ()
    volumes_ready: bool = False
    images: Mapping[tuple[str, int], str] = field(default_factory=dict)
    """(container, attempt) -> image id that its next start uses."""
    problems: Mapping[str, Problem] = field(default_factory=dict)
    """By container name; "/sandbox" and "/volumes" are the pod's own."""
    probes: Mapping[str, Probed] = field(default_factory=dict)
    """By container id, only for containers that have probes."""
    hooks: Mapping[str, bool] = field(default_factory=dict)
    """By container id: postStart of containers started by this agent; True done, False failed. Absent: not run yet."""
    awaiting_hook: frozenset[str] = frozenset()
    """Ids of containers that this agent started and whose postStart has not ended."""
    busy: frozenset[str] = frozenset()
    """Kinds of work in flight: sandbox, volumes, start, image, ..."""
    stopping_since: float = 0.0
    """When this agent first saw that the pod must end; 0 while it need not."""
    drained: bool = False
    """No proxy sends new connections any more, or the wait for that is over."""
    actuated: Mapping[str, ResourceRequirements] = field(default_factory=dict)
    """By container id: CPU and memory it was last given, where that is not what it was made with."""
    pending: Problem | None = None
    """Why a new size of the pod is not taken (yet): Deferred or Infeasible."""
    group_stale: bool = False
    """The pod's own control group does not have the size yet that the pod asks for."""
    resize_error: str = ""
    """Why the last try to give a container its new size failed."""
    rejected: Problem | None = None
    """The node refuses the pod, or evicts it: it ends Failed with this reason."""

    @property
    def sandbox(self) -> Sandbox | None:
        """The sandbox the pod lives in now."""
        return self.sandboxes[0] if self.sandboxes and self.sandboxes[0].ready else None

    def history(self, name: str) -> tuple[Container, ...]:
        """All known containers of that name, newest first."""
        found = (one for one in self.containers if one.name == name)
        return tuple(sorted(found, key=lambda one: (one.attempt, one.created), reverse=True))

    def latest(self, name: str) -> Container | None:
        """The newest container of that name."""
        return next(iter(self.history(name)), None)

    def current(self, name: str) -> Container | None:
        """The newest container of that name, if it belongs to the present sandbox."""
        found, sandbox = self.latest(name), self.sandbox
        return found if found and sandbox and found.sandbox == sandbox.id else None


def running(container: Container | None) -> bool:
    """Whether its process runs."""
    return container is not None and container.state is State.RUNNING


def exited(container: Container | None) -> bool:
    """Whether it ran and ended; a container the runtime lost track of counts."""
    return container is not None and container.state in (State.EXITED, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    """Make the pod's frame."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """Kill whatever is left in a sandbox and free its address."""

    sandbox: str


@dataclass(frozen=True, slots=True)
class MountVolumes:
    """Make every volume of the pod ready."""


@dataclass(frozen=True, slots=True)
class GetImage:
    """Have the image of a container ready, by its pull policy."""

    name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Start:
    """Create and start a container. `step` counts its restarts in a row; `image` is an image id."""

    name: str
    role: Role
    attempt: int
    step: int
    image: str


@dataclass(frozen=True, slots=True)
class RunHook:
    """Run a container's postStart."""

    name: str
    container: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End a container: preStop, stop signal, after `grace` seconds SIGKILL."""

    name: str
    container: str
    grace: float
    message: str


@dataclass(frozen=True, slots=True)
class Resize:
    """Give a running container the CPU and memory that its definition says now."""

    name: str
    container: str


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Forget a dead container that is older than the one before the present."""

    container: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Wait until no new connections are sent to the pod (bounded)."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing runs any more: unmount, remove what is left, and delete the object if it is being deleted."""

    delete: bool


@dataclass(frozen=True, slots=True)
class Say:
    """An event about the pod; `once` identifies it, so that it is said only once."""

    once: str
    kind: Literal["Normal", "Warning"]
    reason: str
    message: str
    container: str = ""


Instruction = (
    CreateSandbox
    | StopSandbox
    | MountVolumes
    | GetImage
    | Start
    | RunHook
    | Kill
    | Resize
    | RemoveContainer
    | Drain
    | Finish
    | Say
)

HASH_VERSION = "v1"
"""Which list of fields new containers are marked with. Lists of earlier versions stay in `_DEFINING`: a container is
compared by the list that it was marked with, so an upgrade restarts nothing."""


def _first(spec: Spec) -> tuple[str, ...]:
    """Name and image: the only fields that may change while a pod lives."""
    return spec.name, spec.image


_DEFINING: Mapping[str, Callable[[Spec], tuple[str, ...]]] = {"v1": _first}


def container_hash(spec: Spec, number: str = HASH_VERSION) -> str:
    """What identifies a container's definition: an explicit, versioned list of fields, so that a new default in the
    schema never restarts anything."""
    text = "\n".join(_DEFINING[number](spec))
    return f"{number}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def changed(spec: Spec, container: Container) -> bool:
    """Whether a container was made from another definition. A version of the hash that is not known means no."""
    made_from = container.annotations.get(HASH, "")
    number = made_from.partition(":")[0]
    return number in _DEFINING and made_from != container_hash(spec, number)


def is_sidecar(spec: Spec) -> bool:
    """An init container that goes on running beside the main ones."""
    return spec.restart_policy == "Always"


def pod_text(pod: Pod) -> str:
    """How upstream's messages name a pod: name_namespace(uid)."""
    meta = pod.metadata
    return f"{meta.name}_{meta.namespace}({meta.uid})"
