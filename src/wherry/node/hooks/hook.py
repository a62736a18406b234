"""Hook: one concern of a pod on a node (volumes, network, environment, ...), from before its sandbox to after its end.

Hooks are listed in order in `wherry.node.hooks.HOOKS`. Each contributes to the sandbox's and the containers'
configuration and prepares and clears what it needs on the machine. All methods may be called again at any time (after a
failure, after a restart of the agent) and then make good what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wherry.aio.clock import Clock
from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod, Service
from wherry.client.interface import Client
from wherry.node.config import AgentConfig
from wherry.node.csi.plugins import Plugins
from wherry.node.facts import Role
from wherry.node.pulls import Puller
from wherry.node.runtime.interface import ContainerConfig, Image, SandboxConfig


class HookFault(Exception):
    """Something the pod asks for cannot be had now; it is tried again. `reason` is shown as the waiting reason, `event`
    (if any) is the reason of an event."""

    def __init__(self, message: str, reason: str = "CreateContainerConfigError", event: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.event = event


@dataclass(frozen=True, slots=True)
class Machine:
    """What hooks need to know of the machine. Memory in bytes, CPU in millicores."""

    cpu: int
    memory: int
    allocatable: Mapping[str, int] = field(default_factory=dict)
    cgroup_version: int = 1


class Services(Protocol):
    """Where service environment variables come from."""

    def of(self, namespace: str) -> tuple[Service, ...]:
        """The services of a namespace, and `default/kubernetes`."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One pod on this node, as hooks see it. `ips` are known once the sandbox runs."""

    pod: Pod
    config: AgentConfig
    client: Client
    clock: Clock
    machine: Machine
    services: Services
    ips: tuple[str, ...] = ()
    puller: Puller | None = None
    """Gets images for image volumes."""
    plugins: Plugins | None = None
    """The node's storage drivers."""

    @property
    def folder(self) -> Path:
        """The pod's own folder."""
        return self.config.pods / self.pod.metadata.uid

    @property
    def logs(self) -> Path:
        """The folder of the pod's logs."""
        meta = self.pod.metadata
        return self.config.logs / f"{meta.namespace}_{meta.name}_{meta.uid}"

    def container_folder(self, name: str) -> Path:
        """What the agent keeps for one container: termination messages, hosts file."""
        return self.folder / "containers" / name

    def termination_log(self, name: str, attempt: int) -> Path:
        """The file behind a container's terminationMessagePath."""
        return self.container_folder(name) / f"termination-{attempt}"


@dataclass(frozen=True, slots=True)
class Starting:
    """One container about to be made."""

    spec: Spec
    role: Role
    attempt: int
    image: Image
    target: str = ""
    """Id of the container whose process namespace an ephemeral container joins."""


class Hook:
    """Base of all hooks: does nothing."""

    async def prepare(self, scope: Scope) -> None:
        """Before any container: make what the pod needs. Raises HookFault."""

    def sandbox(self, scope: Scope, config: SandboxConfig) -> SandboxConfig:
        """Contribute to the sandbox. Raises HookFault."""
        return config

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """Contribute to a container; earlier hooks have already. Raises HookFault."""
        return config

    async def refresh(self, scope: Scope) -> None:
        """While the pod runs, now and then: bring what may change up to date."""

    async def clear(self, scope: Scope) -> None:
        """After everything has stopped: take away what `prepare` made. Raises OSError."""
