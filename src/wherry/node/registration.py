"""The Node object: made when the agent starts, kept true, and its Lease renewed so that the cluster knows we live.

Writes Node (metadata labels once, status on change and every `status_every` seconds) and Lease
kube-node-lease/<name> every `heartbeat` seconds. A node that was there before keeps what others set on it; its Ready
condition does not change because the agent restarted. A Node that somebody deletes is made again: its Lease, which
belongs to it, goes with it, and that is noticed at the next heartbeat.
https://kubernetes.io/docs/concepts/architecture/nodes/
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wherry.aio.clock import Clock
from wherry.api.coordination.lease import LEASE
from wherry.api.core import fencing
from wherry.api.core.node import NODE
from wherry.api.types.coordination import Lease, LeaseSpec
from wherry.api.types.core import (
    ContainerImage,
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeFeatures,
    NodeSpec,
    NodeStatus,
)
from wherry.client.events import Recorder
from wherry.client.interface import Client
from wherry.machinery import conditions
from wherry.machinery.codec import to_dict
from wherry.machinery.errors import AlreadyExists, APIError, NotFound, Unauthorized
from wherry.machinery.meta import Key, ObjectMeta, OwnerReference
from wherry.machinery.time import MicroTime, Time, micro_time_at, time_at
from wherry.node import machine
from wherry.node.config import AgentConfig
from wherry.node.csi import volumes as csi
from wherry.node.fence import Fence
from wherry.node.runtime.interface import Health, Image, Runtime, RuntimeFault, Version

log = logging.getLogger(__name__)

RENEW_AGAIN = 0.2
"""Seconds after which the first renewal that failed is tried again; twice as long after each that follows, up to
half a heartbeat."""

LEASE_SECONDS = 40
SILENCE = 15.0
"""Seconds without renewing the lease after which the status is reported again as a whole."""
MAX_IMAGES = 50
PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
READY = ("KubeletReady", "kubelet is posting ready status")


@dataclass(frozen=True, slots=True)
class Pressure:
    """A resource that runs short: the condition's type, reason and message."""

    type: str
    reason: str
    message: str


Pressures = Callable[[], tuple[Pressure, ...]]


def node_conditions(
    old: tuple[NodeCondition, ...], health: Health | None, pressures: tuple[Pressure, ...], now: Time
) -> tuple[NodeCondition, ...]:
    """All conditions of the node. `health` None: the runtime does not answer."""
    short = {one.type: one for one in pressures}
    wanted = []
    for kind, reason, message in PRESSURES:
        if kind in short:
            wanted.append((kind, "True", short[kind].reason, short[kind].message))
        else:
            wanted.append((kind, "False", reason, message))
    trouble = _trouble(health)
    if trouble:
        wanted.append(("Ready", "False", "KubeletNotReady", trouble))
    else:
        wanted.append(("Ready", "True", *READY))
    return tuple(_condition(old, *one, now) for one in wanted)


def _trouble(health: Health | None) -> str:
    if health is None:
        return "container runtime is down"
    parts = []
    if not health.ready:
        parts.append(f"container runtime not ready: RuntimeReady=false message:{health.message}")
    if not health.network:
        parts.append(f"container runtime network not ready: NetworkReady=false message:{health.network_message}")
    return ", ".join(parts)


def _condition(
    old: tuple[NodeCondition, ...], kind: str, status: str, reason: str, message: str, now: Time
) -> NodeCondition:
    before = conditions.get(old, kind)
    same = before is not None and before.status == status
    return NodeCondition(
        type=kind, status=status, reason=reason, message=message, last_heartbeat_time=now,
        last_transition_time=before.last_transition_time if same and before else now,
    )  # fmt: skip


class Registration:
    """See the module."""

    def __init__(
        self, config: AgentConfig, client: Client, runtime: Runtime, clock: Clock, recorder: Recorder,
        pressures: Pressures = lambda: (),
    ) -> None:  # fmt: skip
        self._config, self._client, self._runtime = config, client, runtime
        self._clock, self._recorder, self._pressures = clock, recorder, pressures
        self._sent: dict[str, Any] = {}
        self._sent_at = float("-inf")
        self._version = Version("containerd", "unknown")
        self._node: Node | None = None
        self._refused = False
        self.registered = asyncio.Event()
        self._now = asyncio.Event()
        self._renew_now = asyncio.Event()
        self.fence: Fence | None = None

    def report_soon(self) -> None:
        """Something about the node changed."""
        self._now.set()

    def renew_soon(self) -> None:
        """What the Lease says is not so any more."""
        self._renew_now.set()

    @property
    def strict_groups(self) -> bool:
        """Whether the runtime can do supplementalGroupsPolicy Strict."""
        major = self._version.version.removeprefix("v").partition(".")[0]
        return self._version.name != "containerd" or not major.isdigit() or int(major) >= 2

    def labels(self) -> dict[str, str]:
        """What the node says about itself."""
        arch = machine.architecture()
        return {
            "beta.kubernetes.io/arch": arch,
            "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": arch,
            "kubernetes.io/os": "linux",
            "kubernetes.io/hostname": self._config.hostname or self._config.name,
            **self._config.labels,
        }

    async def run(self) -> None:
        """Register, then keep status and lease up to date, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_status())
            group.create_task(self._keep_lease())

    async def _keep_status(self) -> None:
        pause = 0.2
        while True:
            try:
                if self._node is None:
                    self._node = await self._register()
                    self._renew_now.set()  # its Lease may wait for it
                await self._report(self._node)
                self.registered.set()
                self._refused = False
                pause = self._config.heartbeat if self._sent_ready() else 0.5
            except NotFound:
                self._make_again()
                pause = RENEW_AGAIN
            except (APIError, OSError, TimeoutError) as error:
                self._waits(error)
                pause = min(pause * 2, self._config.heartbeat)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._now.wait()
            self._now.clear()

    def _make_again(self) -> None:
        """Somebody deleted the Node, or may have."""
        self._node, self._sent_at = None, float("-inf")

    def _waits(self, error: Exception) -> None:
        log.debug("node status waits: %s", error)
        if isinstance(error, Unauthorized) and not self._refused:
            self._refused = True
            log.warning("the API does not let node %s in: it was removed, or its certificate ended", self._config.name)

    def _sent_ready(self) -> bool:
        found = self._sent.get("conditions", ())
        return any(one["type"] == "Ready" and one["status"] == "True" for one in found)

    async def _register(self) -> Node:
        wanted = Node(
            metadata=ObjectMeta(name=self._config.name, labels=self.labels()),
            spec=NodeSpec(taints=self._config.taints),
            status=await self._status(NodeStatus()),
        )
        try:
            made = await self._client.create(NODE, wanted)
        except AlreadyExists:
            found = await self._client.get(NODE, Key("", self._config.name))
            missing = {key: value for key, value in self.labels().items() if found.metadata.labels.get(key) != value}
            if missing:
                found = await self._client.patch(NODE, Key("", self._config.name), {"metadata": {"labels": missing}})
            return found
        self._recorder.event(made, "Normal", "Starting", "Starting kubelet.")
        return made

    async def _report(self, node: Node) -> None:
        status = await self._status(node.status)
        body = to_dict(status)
        due = self._clock.monotonic() - self._sent_at >= self._config.status_every
        if not due and _without_beats(body) == _without_beats(self._sent):
            return
        gone = {"volumesInUse": None} if node.status.volumes_in_use and "volumesInUse" not in body else {}
        async with asyncio.timeout(fencing.RENEWAL):
            self._node = await self._client.patch(
                NODE, Key("", self._config.name), {"status": body | gone}, kind="strategic", subresource="status"
            )
        self._sent, self._sent_at = body, self._clock.monotonic()

    async def _status(self, old: NodeStatus) -> NodeStatus:
        config = self._config
        try:
            health: Health | None = await self._runtime.health()
            self._version = await self._runtime.version()
            images = await self._runtime.images()
        except RuntimeFault:
            health, images = None, ()
        kinds = [NodeAddress(type="InternalIP", address=one) for one in config.addresses]
        return NodeStatus(
            addresses=(*kinds, NodeAddress(type="Hostname", address=config.hostname or config.name)),
            capacity=machine.capacity(config),
            allocatable=machine.allocatable(config),
            conditions=node_conditions(old.conditions, health, self._pressures(), time_at(self._clock.now())),
            daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=config.port)),
            node_info=machine.info(config, self._version),
            images=_images(images),
            volumes_in_use=csi.in_use(config),
            features=NodeFeatures(supplemental_groups_policy=self.strict_groups),
        )

    async def _keep_lease(self) -> None:
        lease: Lease | None = None
        heartbeat, again, renewed = self._config.heartbeat, RENEW_AGAIN, self._clock.monotonic()
        while True:
            pause = heartbeat
            self._renew_now.clear()
            try:
                lease = await self._renew(lease)
                if self._clock.monotonic() - renewed > SILENCE:
                    self._sent_at = float("-inf")  # we may have been given up for lost: say again that we are not
                again, renewed = RENEW_AGAIN, self._clock.monotonic()
            except (APIError, OSError, TimeoutError) as error:
                log.debug("lease waits: %s", error)
                if lease is not None and isinstance(error, NotFound):
                    self._make_again()
                    self._now.set()
                lease, pause, again = None, again, min(again * 2, heartbeat / 2)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._renew_now.wait()

    async def _renew(self, lease: Lease | None) -> Lease:
        """Renew, and promise with it what the fence promises; a renewal without an answer in time is none."""
        now = micro_time_at(self._clock.now())
        promise = self.fence.promise() if self.fence is not None else None
        sent = self.fence.now() if self.fence is not None else 0.0
        async with asyncio.timeout(fencing.RENEWAL):
            renewed = await self._send(lease, now, promise.text(now) if promise is not None else None)
        if self.fence is not None:
            self.fence.answered(promise, sent)
        return renewed

    async def _send(self, lease: Lease | None, now: MicroTime, promise: str | None) -> Lease:
        key = Key("kube-node-lease", self._config.name)
        told = promise is not None or lease is None or fencing.ANNOTATION in lease.metadata.annotations
        meta: dict[str, Any] = {"metadata": {"annotations": {fencing.ANNOTATION: promise}}} if told else {}
        if lease is not None:
            return await self._client.patch(LEASE, key, {**meta, "spec": {"renewTime": now}})
        spec = LeaseSpec(holder_identity=self._config.name, lease_duration_seconds=LEASE_SECONDS, renew_time=now)
        try:
            return await self._client.patch(LEASE, key, {**meta, "spec": to_dict(spec)})
        except NotFound:
            if self._node is None:
                raise  # in a moment it has an owner, with which it goes
            named = self._node.metadata
            owners = (OwnerReference(api_version="v1", kind="Node", name=named.name, uid=named.uid),)
            notes = {fencing.ANNOTATION: promise} if promise is not None else {}
            own = ObjectMeta(name=key.name, namespace=key.namespace, owner_references=owners, annotations=notes)
            return await self._client.create(LEASE, Lease(metadata=own, spec=spec))


def _without_beats(status: dict[str, Any]) -> dict[str, Any]:
    """The status without the times that always change."""
    plain = [
        {key: value for key, value in one.items() if key != "lastHeartbeatTime"} for one in status.get("conditions", ())
    ]
    return {**status, "conditions": plain}


def _images(images: tuple[Image, ...]) -> tuple[ContainerImage, ...]:
    largest = sorted(images, key=lambda one: -one.size)[:MAX_IMAGES]
    return tuple(
        ContainerImage(names=(*one.digests[:5], *one.tags[:5]), size_bytes=one.size)
        for one in largest
        if one.tags or one.digests
    )
