"""Runtime: what the node agent asks of whatever runs containers, in CRI v1's terms but in plain frozen data.

Implementations pass tests/contracts/runtime. Calls raise `RuntimeFault`; stopping or removing what is gone is no error.
https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol

Mode = Literal["pod", "container", "node", "target"]


class RuntimeFault(Exception):
    """The runtime refused or failed. `code` is gRPC's status name in lower case, such as not_found or unavailable."""

    def __init__(self, message: str, code: str = "unknown") -> None:
        super().__init__(message)
        self.code = code


class State(Enum):
    """Where a container is. UNKNOWN: the runtime lost track of it (after a reboot, say)."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DNS:
    """What resolv.conf of a sandbox says. `empty` asks for an empty file (the runtime's default otherwise)."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortMapping:
    """One host port that leads to a port of the sandbox."""

    protocol: str
    container_port: int
    host_port: int
    host_ip: str = ""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Which namespaces are shared. `target` is a container id where `pid` is "target"."""

    network: Mode = "pod"
    pid: Mode = "container"
    ipc: Mode = "pod"
    target: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """A seccomp or AppArmor profile; `file` names it where `kind` is Localhost."""

    kind: Literal["RuntimeDefault", "Unconfined", "Localhost"] = "Unconfined"
    file: str = ""


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one container; zeros are unset. Memory in bytes, quota and period in microseconds."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory: int = 0
    oom_score_adj: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    huge_pages: tuple[tuple[str, int], ...] = ()
    """(page size as the kernel names it, such as 2MB; bytes)"""
    unified: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Security:
    """Who a process is and what it may do."""

    user: int | None = None
    group: int | None = None
    username: str = ""
    supplemental: tuple[int, ...] = ()
    strict_groups: bool = False
    privileged: bool = False
    read_only_root: bool = False
    no_new_privileges: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    seccomp: Profile = Profile()
    apparmor: Profile | None = None
    selinux: tuple[str, str, str, str] | None = None
    """user, role, type, level"""


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """A pod's frame: namespaces, address, log folder."""

    name: str
    namespace: str
    uid: str
    attempt: int = 0
    hostname: str = ""
    log_dir: str = ""
    dns: DNS | None = None
    ports: tuple[PortMapping, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cgroup_parent: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    namespaces: Namespaces = Namespaces()
    security: Security = Security()
    handler: str = ""


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of the node, seen in a container."""

    container_path: str
    host_path: str
    readonly: bool = False
    propagation: Literal["private", "host_to_container", "bidirectional"] = "private"


@dataclass(frozen=True, slots=True)
class Device:
    """A device node of the host, seen in a container."""

    container_path: str
    host_path: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """One container to be made in a sandbox. `image` is an image id that the runtime holds."""

    name: str
    image: str
    attempt: int = 0
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: Resources = Resources()
    security: Security = Security()
    namespaces: Namespaces = Namespaces()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox as the runtime sees it. `ips` is only filled in by `Runtime.sandbox`; times are epoch seconds."""

    id: str
    name: str
    namespace: str
    uid: str
    attempt: int
    ready: bool
    created: float
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the runtime sees it.

    Lists fill in everything up to `annotations`; `Runtime.container` the rest too, but may leave `sandbox` empty. Times
    are epoch seconds, 0 unset.
    """

    id: str
    sandbox: str
    name: str
    attempt: int
    state: State
    created: float
    image: str = ""
    image_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    started: float = 0.0
    finished: float = 0.0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_path: str = ""
    detailed: bool = False
    """Whether the fields after `annotations` are filled in."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image that the runtime holds. `user` is what it runs as: a number, or a name, or "" for root."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size: int = 0
    user: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Auth:
    """Credentials for one registry. Never logged: repr shows none of it."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    auth: str = field(default="", repr=False)
    server: str = ""
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a command in a container said and how it ended."""

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True, slots=True)
class Stats:
    """Use by one container. CPU in nanoseconds since its start, memory and disk in bytes, `at` epoch seconds."""

    container: str
    name: str
    labels: Mapping[str, str]
    at: float
    cpu_total: int
    memory_working_set: int
    memory_usage: int = 0
    memory_rss: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    disk_used: int = 0
    inodes_used: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """The runtime's name and version, as in containerd 1.6.20."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Health:
    """Whether containers can be run, and whether the pod network is ready; messages where they are not."""

    ready: bool
    network: bool
    message: str = ""
    network_message: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Disk use of images. Bytes."""

    used: int
    mountpoint: str = ""


class Runtime(Protocol):
    """Everything the agent asks for. Every call raises RuntimeFault when the runtime cannot do it."""

    async def version(self) -> Version:
        """Who it is."""

    async def health(self) -> Health:
        """How it is."""

    async def sandboxes(self) -> tuple[Sandbox, ...]:
        """All sandboxes, without addresses."""

    async def sandbox(self, sandbox_id: str) -> Sandbox:
        """One sandbox with its addresses. Raises RuntimeFault(not_found)."""

    async def run_sandbox(self, config: SandboxConfig) -> str:
        """Make and start a sandbox, network included; answers its id."""

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Kill what is left in it and give its address back."""

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove it with its containers."""

    async def containers(self, sandbox_id: str = "") -> tuple[Container, ...]:
        """All containers, or those of one sandbox."""

    async def container(self, container_id: str) -> Container:
        """One container in full. Raises RuntimeFault(not_found)."""

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        """Make a container; answers its id."""

    async def start_container(self, container_id: str) -> None:
        """Start its process."""

    async def stop_container(self, container_id: str, grace: float) -> None:
        """Send its stop signal, after `grace` seconds SIGKILL; returns when it has ended."""

    async def remove_container(self, container_id: str) -> None:
        """Remove it; kills it if it still runs."""

    async def update_resources(self, container_id: str, resources: Resources) -> None:
        """Change its limits while it runs."""

    async def reopen_log(self, container_id: str) -> None:
        """Write on into a new file at its log path, after the old one was renamed."""

    async def exec_sync(self, container_id: str, command: tuple[str, ...], timeout: float) -> ExecResult:  # noqa: ASYNC109 - the runtime keeps it
        """Run a command to its end. Raises RuntimeFault(deadline_exceeded) after `timeout` seconds (0: never)."""

    async def exec_url(
        self, container_id: str, command: tuple[str, ...], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> str:
        """Where to stream a command's input and output."""

    async def attach_url(self, container_id: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> str:
        """Where to stream the main process's input and output."""

    async def port_forward_url(self, sandbox_id: str, ports: tuple[int, ...]) -> str:
        """Where to reach ports inside a sandbox."""

    async def stats(self) -> tuple[Stats, ...]:
        """Use by every running container."""

    async def image(self, ref: str) -> Image | None:
        """The image of that name or id, if held."""

    async def images(self) -> tuple[Image, ...]:
        """All images held."""

    async def pull(self, ref: str, auth: Auth | None = None, sandbox: SandboxConfig | None = None) -> str:
        """Fetch an image from its registry; answers its id."""

    async def remove_image(self, image_id: str) -> None:
        """Forget an image."""

    async def mount_image(self, image: str, target: str) -> None:
        """Show the files of an image that is held, read-only, at a folder that is there; it is kept until
        `unmount_image`."""

    async def unmount_image(self, target: str) -> None:
        """Take such a mount away and let go of the image's files; nothing there is no error."""

    async def image_usage(self) -> Usage:
        """Disk use of images."""

    def changes(self) -> AsyncIterator[str]:
        """For ever: one item (a container id, or "" for "look at everything") whenever something may have changed."""
