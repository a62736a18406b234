"""World: what the scheduler knows of the cluster, kept up to date from watch events and from its own decisions (pure).

It owns the snapshot, the queue and the objects that decisions need. A decision counts at once (`assume`), before its
binding is written; the binding coming back by watch confirms it, `forget_assumed` takes it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.node import NODE
from wherry.api.core.persistentvolume import PERSISTENTVOLUME
from wherry.api.core.persistentvolumeclaim import PERSISTENTVOLUMECLAIM
from wherry.api.core.pod import POD, is_terminal
from wherry.api.core.pod_claims import claim_names as resource_claims
from wherry.api.policy.poddisruptionbudget import PODDISRUPTIONBUDGET
from wherry.api.resource.deviceclass import DEVICECLASS
from wherry.api.resource.devicetaintrule import DEVICETAINTRULE
from wherry.api.resource.resourceclaim import RESOURCECLAIM
from wherry.api.resource.resourceslice import RESOURCESLICE
from wherry.api.storage.storageclass import STORAGECLASS
from wherry.api.types.core import Node, Pod
from wherry.api.types.policy import PodDisruptionBudget
from wherry.api.types.resource import AllocationResult, ResourceClaim
from wherry.machinery.meta import Key, Object, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.selectors import compile_selector
from wherry.scheduler.allocation import Search
from wherry.scheduler.device_selectors import fits
from wherry.scheduler.devices import NO_DEVICES, DeviceNeeds, Inventory, claims_of, inventory, taken_by
from wherry.scheduler.podinfo import PodInfo, Shapes
from wherry.scheduler.preemption import Budget
from wherry.scheduler.queue import PodQueue
from wherry.scheduler.snapshot import Snapshot
from wherry.scheduler.volumes import Volumes, claim_names

NAME = "default-scheduler"
WATCHED: tuple[Resource[Any], ...] = (
    NAMESPACE, NODE, STORAGECLASS, PERSISTENTVOLUME, PERSISTENTVOLUMECLAIM, PODDISRUPTIONBUDGET, DEVICECLASS,
    DEVICETAINTRULE, RESOURCESLICE, RESOURCECLAIM, POD,
)  # fmt: skip


class World:
    """Everything that is known. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.queue = PodQueue()
        self.pods: dict[str, Pod] = {}
        """Pods that have not ended, by uid."""
        self.assumed: dict[str, str] = {}
        """uid -> node, for bindings under way."""
        self.promised: dict[str, Key] = {}
        """volume -> claim, for volumes that a binding under way gives away."""
        self.objects: dict[Resource[Any], dict[Key, Any]] = {resource: {} for resource in WATCHED}
        self.given: dict[Key, ResourceClaim] = {}
        """Claims with what a binding under way gives them."""
        self._stock: Inventory | None = None
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._shapes = Shapes(self._namespaces)
        self._users: dict[Key, set[str]] = {}
        self.volumes = Volumes(
            claim=lambda namespace, name: self.objects[PERSISTENTVOLUMECLAIM].get(Key(namespace, name)),
            volume=lambda name: self.objects[PERSISTENTVOLUME].get(Key("", name)),
            all_volumes=lambda: self.objects[PERSISTENTVOLUME].values(),
            storage_class=lambda name: self.objects[STORAGECLASS].get(Key("", name)),
            users=lambda namespace, claim: self._users.get(Key(namespace, claim), ()),
            promised=self.promised.get,
        )

    # --- what happens ---

    def see(self, resource: Resource[Any], obj: Any, *, gone: bool, now: float) -> None:
        """An object is as given, or gone."""
        if resource is POD:
            self._see_pod(obj, gone=gone, now=now)
            return
        objects, key = self.objects[resource], key_of(obj)
        old = objects.pop(key, None)
        if not gone:
            objects[key] = obj
        if resource in (RESOURCESLICE, DEVICETAINTRULE):
            self._stock = None
        elif resource is RESOURCECLAIM and (gone or obj.status.allocation is not None):
            self.given.pop(key, None)
        if resource is NODE:
            self._see_node(obj, gone=gone)
        elif resource is NAMESPACE:
            self._see_namespace(obj, gone=gone)
        if resource is not NODE or gone or old is None or _node_helps(old, obj):
            self.queue.changed(now, soon=resource is NODE)

    def _see_node(self, node: Node, *, gone: bool) -> None:
        if gone:
            self.snapshot.drop_node(node.metadata.name)
        else:
            self.snapshot.put_node(node)

    def _see_namespace(self, namespace: Object, *, gone: bool) -> None:
        name, labels = namespace.metadata.name, namespace.metadata.labels
        old = self._namespaces.pop(name, None)
        if not gone:
            self._namespaces[name] = labels
        if gone or old != labels:
            self._shapes.forget_wide()
            for _, info in tuple(self.snapshot.all_pods()):
                if info.shape.wide:
                    self.snapshot.put_pod(self.read(info.pod), self.snapshot.node_of(info.uid))

    def _see_pod(self, pod: Pod, *, gone: bool, now: float) -> None:
        if gone or is_terminal(pod):
            self._forget(pod, now)
        elif pod.spec.node_name:
            self._see_placed(pod, now)
        else:
            self._see_waiting(pod, now)

    def _see_placed(self, pod: Pod, now: float) -> None:
        uid = pod.metadata.uid
        new = self.snapshot.node_of(uid) != pod.spec.node_name
        self.pods[uid] = pod
        self.assumed.pop(uid, None)
        self.snapshot.nominated.pop(uid, None)
        self.queue.drop(uid)
        self._use_claims(pod)
        self.snapshot.put_pod(self.read(pod), pod.spec.node_name)
        if new:
            self.queue.neighbours_came(now)

    def _see_waiting(self, pod: Pod, now: float) -> None:
        uid = pod.metadata.uid
        old = self.pods.get(uid)
        self.pods[uid] = pod
        if not is_ours(pod):
            self.queue.drop(uid)
            self.snapshot.nominated.pop(uid, None)
            return
        if pod.status.nominated_node_name:
            self.snapshot.nominated[uid] = (self.read(pod), pod.status.nominated_node_name)
        elif old is not None and old.status.nominated_node_name:
            self.snapshot.nominated.pop(uid, None)
        if uid in self.assumed:
            return
        if uid not in self.queue:
            self.queue.add(uid, pod.spec.priority or 0, now)
        elif old is not None and (old.spec != pod.spec or old.metadata.labels != pod.metadata.labels):
            self.queue.nudge(uid, now)

    def _forget(self, pod: Pod, now: float) -> None:
        uid = pod.metadata.uid
        known = self.pods.pop(uid, None)
        for claim in claim_names(pod):
            users = self._users.get(Key(pod.metadata.namespace, claim))
            if users is not None:
                users.discard(uid)
        for other, (_, node) in self.snapshot.nominated.items():
            if node == pod.spec.node_name:
                self.queue.nudge(other, now, soon=True)
        assumed = self.assumed.pop(uid, None)
        nominated = self.snapshot.nominated.pop(uid, None)
        self.queue.drop(uid)
        self.snapshot.drop_pod(uid)
        if (known is not None and known.spec.node_name) or assumed or nominated:
            self.queue.changed(now)

    # --- what is decided ---

    def read(self, pod: Pod) -> PodInfo:
        """A pod as decisions see it."""
        return self._shapes.read(pod)

    def waiting(self, uid: str) -> Pod | None:
        """The pod, if it still waits for a decision of ours."""
        pod = self.pods.get(uid)
        return pod if pod is not None and is_ours(pod) and uid not in self.assumed else None

    def device_needs(self, pod: Pod) -> DeviceNeeds:
        """What the pod's claims need. Raises Unready."""
        if not pod.spec.resource_claims:
            return NO_DEVICES
        classes = self.objects[DEVICECLASS]
        ready, others = claims_of(pod, self._claim, lambda name: classes.get(Key("", name)))
        selectors = [c.status.allocation.node_selector for c in ready if c.status.allocation is not None]
        bound = tuple(selector for selector in selectors if selector is not None)
        if not others:
            return DeviceNeeds(ready, bound)
        if self._stock is None:
            self._stock = inventory(self.objects[RESOURCESLICE].values(), self.objects[DEVICETAINTRULE].values())
        stock, taken = self._stock, frozenset(taken_by(self._claims()))
        by_name = {key.name: own for key, own in classes.items()}

        def choose(node: str) -> Mapping[str, AllocationResult] | None:
            found = self.objects[NODE].get(Key("", node))
            return Search(found, stock, taken, by_name, fits).allocate(others) if found is not None else None

        return DeviceNeeds(ready, bound, others, choose)

    def take_back(self, pod: Pod) -> None:
        """What the pod's claims were to get is free again."""
        for name in resource_claims(pod):
            self.given.pop(Key(pod.metadata.namespace, name), None)

    def _claim(self, namespace: str, name: str) -> ResourceClaim | None:
        key = Key(namespace, name)
        known: ResourceClaim | None = self.objects[RESOURCECLAIM].get(key)
        return self.given.get(key, known) if known is not None else None

    def _claims(self) -> Iterator[ResourceClaim]:
        for key, claim in self.objects[RESOURCECLAIM].items():
            yield self.given.get(key, claim)

    def assume(self, info: PodInfo, node: str, now: float) -> None:
        """From now on the pod counts as being on the node."""
        self.assumed[info.uid] = node
        self.snapshot.nominated.pop(info.uid, None)
        self.snapshot.put_pod(info, node)
        self._use_claims(info.pod)
        self.queue.neighbours_came(now)

    def forget_assumed(self, uid: str, now: float) -> bool:
        """The binding has failed: the pod waits again, and longer each time. False if that is not so (any more)."""
        if self.assumed.pop(uid, None) is None:
            return False
        self.snapshot.drop_pod(uid)
        pod = self.waiting(uid)
        if pod is None:
            return False
        self.queue.add(uid, pod.spec.priority or 0, now)
        self.queue.retry(uid, now)
        self.queue.changed(now)
        return True

    def nominate(self, info: PodInfo, node: str) -> list[PodInfo]:
        """Room is being made on the node; returns less important pods that were promised room there, now no more."""
        nominated = self.snapshot.nominated
        losers = [other for other, where in nominated.values() if where == node and other.priority < info.priority]
        for loser in losers:
            del nominated[loser.uid]
        nominated[info.uid] = (info, node)
        return losers

    def budgets(self) -> list[Budget]:
        """The disruption budgets."""
        return [_budget(budget) for budget in self.objects[PODDISRUPTIONBUDGET].values()]

    def _use_claims(self, pod: Pod) -> None:
        for claim in claim_names(pod):
            self._users.setdefault(Key(pod.metadata.namespace, claim), set()).add(pod.metadata.uid)


def is_ours(pod: Pod) -> bool:
    """Whether the pod waits for this scheduler's decision."""
    spec = pod.spec
    return (
        not spec.node_name
        and pod.metadata.deletion_timestamp is None
        and spec.scheduler_name in (NAME, "")
        and not spec.scheduling_gates
    )


def _budget(budget: PodDisruptionBudget) -> Budget:
    selector = budget.spec.selector
    empty = selector is None or not (selector.match_labels or selector.match_expressions)
    return Budget(
        namespace=budget.metadata.namespace,
        covers=compile_selector(None if empty else selector),
        allowed=budget.status.disruptions_allowed,
        disrupted=frozenset(budget.status.disrupted_pods),
    )


def _node_helps(old: Node, new: Node) -> bool:
    """Whether a change of a node may let a pod in: heartbeats do not."""
    return bool(
        old.spec != new.spec
        or old.metadata.labels != new.metadata.labels
        or old.status.allocatable != new.status.allocatable
    )
