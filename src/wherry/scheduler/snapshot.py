"""Snapshot: the cluster as arrays over nodes, kept up to date pod by pod and node by node.

Every node has a slot; slots of removed nodes are used again. Columns are numpy arrays over slots: allocatable and
requested amounts per resource, codes of label values per label key (0: no such label), a mask per taint, tallies of
pods. A filter is then a mask over all slots, a score an array over all slots. Pods on unknown nodes are kept aside
until their node comes. Nothing here is asynchronous and nothing asks for the time.
Invariant: all counts are sums over the pods that are there (`check` asserts it in tests).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from wherry.api.core.pod_resources import amounts
from wherry.api.types.core import Node, Taint
from wherry.scheduler.podinfo import PodInfo, Shape
from wherry.scheduler.tally import Codes, Counts, Tallies

Mask: TypeAlias = NDArray[np.bool_]
S = TypeVar("S", bound=np.generic)

CPU, MEMORY, DISK, PODS = 0, 1, 2, 3
_FIXED = ("cpu", "memory", "ephemeral-storage", "pods")
NAME_FIELD = "\0name"
"""Not a label but the node's name, asked for like one."""
NOBODY = np.int64(2**40)
"""More than any priority: what a node without pods has as its lowest."""
_START = 16
_LOGGED = 4096


class Snapshot:
    """Nodes and the pods on them."""

    def __init__(self) -> None:
        self.size = _START
        self.index: dict[str, int] = {}
        self.names: list[str] = [""] * _START
        self.nodes: list[Node | None] = [None] * _START
        self.pods: list[dict[str, PodInfo]] = [{} for _ in range(_START)]
        self.alive: Mask = np.zeros(_START, bool)
        self.unschedulable: Mask = np.zeros(_START, bool)
        self.columns: dict[str, int] = {name: n for n, name in enumerate(_FIXED)}
        self.allocatable: Counts = np.zeros((len(_FIXED), _START), np.int64)
        self.requested: Counts = np.zeros((len(_FIXED), _START), np.int64)
        self.scored: Counts = np.zeros((2, _START), np.int64)
        self.lowest: Counts = np.full(_START, NOBODY)
        """The lowest priority of a pod on each node."""
        self.taints: dict[tuple[str, str, str], Mask] = {}
        self.images: dict[str, tuple[int, Mask]] = {}
        self.ports: dict[tuple[str, int], Counter[tuple[int, str]]] = {}
        """(protocol, port) -> how many pods hold it at (slot, ip)."""
        self.tallies = Tallies(_START, self.all_pods)
        self.generation = 0
        """Grows with every change of a node; what only depends on nodes may be cached under it."""
        self.log: list[int] = []
        """Slots whose pods have changed, in order; `log_start` is the number of its first entry."""
        self.log_start = 0
        self.nominated: dict[str, tuple[PodInfo, str]] = {}
        """Pods for which room is being made: uid -> (pod, node)."""
        self.plans: dict[Shape, Any] = {}
        """What `wherry.scheduler.plan` remembers."""
        self._labels: dict[str, tuple[Codes, dict[str, int]]] = {}
        self._place: dict[str, int] = {}
        self._homeless: dict[str, dict[str, PodInfo]] = {}
        self._free: list[int] = list(range(_START - 1, -1, -1))

    # --- nodes ---

    def put_node(self, node: Node) -> None:
        """Add a node or take note of its change."""
        name = node.metadata.name
        slot = self.index.get(name)
        if slot is None:
            slot = self._new_slot(name)
        elif _same_for_us(self.nodes[slot], node):
            self.nodes[slot] = node
            return
        self._nodes_changed()
        self.nodes[slot] = node
        self.alive[slot] = True
        self.unschedulable[slot] = node.spec.unschedulable
        self.allocatable[:, slot] = 0
        for resource, amount in amounts(node.status.allocatable).items():
            column = self.column(resource)  # first: it may make the array anew
            self.allocatable[column, slot] = amount
        for key, (codes, values) in self._labels.items():
            codes[slot] = _code(values, _label(node, key))
        self._put_taints(slot, node.spec.taints)
        self._put_images(slot, node)
        for info in self._homeless.pop(name, {}).values():
            self.put_pod(info, name)

    def drop_node(self, name: str) -> None:
        """Forget a node; its pods count nowhere until it comes back or they are dropped."""
        slot = self.index.get(name)
        if slot is None:
            return
        for info in tuple(self.pods[slot].values()):
            self.drop_pod(info.uid)
            self._homeless.setdefault(name, {})[info.uid] = info
        del self.index[name]
        self._nodes_changed()
        self.nodes[slot], self.names[slot] = None, ""
        self.alive[slot] = self.unschedulable[slot] = False
        self.allocatable[:, slot] = 0
        for codes, _ in self._labels.values():
            codes[slot] = 0
        for mask in self.taints.values():
            mask[slot] = False
        for _, mask in self.images.values():
            mask[slot] = False
        self._free.append(slot)

    def _new_slot(self, name: str) -> int:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self.index[name] = slot
        self.names[slot] = name
        return slot

    def _nodes_changed(self) -> None:
        self.generation += 1
        self.tallies.nodes_changed()

    def _put_taints(self, slot: int, taints: Iterable[Taint]) -> None:
        for mask in self.taints.values():
            mask[slot] = False
        for taint in taints:
            key = (taint.key, taint.value, taint.effect)
            if key not in self.taints:
                self.taints[key] = self.mask()
            self.taints[key][slot] = True

    def _put_images(self, slot: int, node: Node) -> None:
        for _, mask in self.images.values():
            mask[slot] = False
        for image in node.status.images:
            for name in image.names:
                known = self.images.get(name)
                held = known[1] if known else self.mask()
                held[slot] = True
                self.images[name] = (max(known[0] if known else 0, image.size_bytes), held)

    # --- pods ---

    def put_pod(self, info: PodInfo, node: str) -> None:
        """A pod is (or is going to be) on a node."""
        slot = self.index.get(node)
        if slot is not None and self._place.get(info.uid) == slot:
            old = self.pods[slot][info.uid]
            if old.shape is info.shape and old.terminating == info.terminating:
                self.pods[slot][info.uid] = info
                return
        self.drop_pod(info.uid)
        if slot is None:
            self._homeless.setdefault(node, {})[info.uid] = info
            return
        self._place[info.uid] = slot
        self.pods[slot][info.uid] = info
        self._count(info, slot, 1)

    def drop_pod(self, uid: str) -> None:
        """A pod is gone, or not where it was."""
        slot = self._place.pop(uid, None)
        if slot is not None:
            self._count(self.pods[slot].pop(uid), slot, -1)
        elif self._homeless:
            for node in [name for name, pods in self._homeless.items() if pods.pop(uid, None) and not pods]:
                del self._homeless[node]

    def node_of(self, uid: str) -> str:
        """Where a pod is, "" if nowhere."""
        slot = self._place.get(uid)
        return "" if slot is None else self.names[slot]

    def all_pods(self) -> Iterator[tuple[int, PodInfo]]:
        """(slot, pod) of all pods on nodes."""
        for slot in self.index.values():
            for info in self.pods[slot].values():
                yield slot, info

    def _count(self, info: PodInfo, slot: int, sign: int) -> None:
        shape = info.shape
        for resource, amount in shape.requests.items():
            column = self.column(resource)
            self.requested[column, slot] += sign * amount
        self.requested[PODS, slot] += sign
        self.scored[0, slot] += sign * shape.scored_cpu
        self.scored[1, slot] += sign * shape.scored_memory
        for protocol, ip, port in shape.ports:
            held = self.ports.setdefault((protocol, port), Counter())
            held[slot, ip] += sign
            if not held[slot, ip]:
                del held[slot, ip]
        if sign > 0:
            self.lowest[slot] = min(self.lowest[slot], shape.priority)
        elif shape.priority <= self.lowest[slot]:
            self.lowest[slot] = min((other.priority for other in self.pods[slot].values()), default=NOBODY)
        self.tallies.count(info, slot, sign)
        self.log.append(slot)
        if len(self.log) > _LOGGED:
            self.log_start += len(self.log)
            self.log.clear()

    # --- questions ---

    def column(self, resource: str) -> int:
        """The row of a resource in `allocatable` and `requested`."""
        found = self.columns.get(resource)
        if found is None:
            found = self.columns[resource] = len(self.columns)
            row = np.zeros((1, self.size), np.int64)
            self.allocatable = np.vstack((self.allocatable, row))
            self.requested = np.vstack((self.requested, row))
        return found

    def label(self, key: str) -> tuple[Codes, Mapping[str, int]]:
        """(code of the label's value per node, 0 without the label; value -> code, from 1)."""
        found = self._labels.get(key)
        if found is None:
            codes = np.zeros(self.size, np.int64)
            values: dict[str, int] = {}
            for slot in self.index.values():
                node = self.nodes[slot]
                if node is not None:
                    codes[slot] = _code(values, _label(node, key))
            found = self._labels[key] = (codes, values)
        return found

    def mask(self) -> Mask:
        """A mask of nothing."""
        return np.zeros(self.size, bool)

    def check(self) -> None:
        """Assert the invariants (tests)."""
        assert {self.names[slot] for slot in self.index.values()} == set(self.index)
        assert set(np.flatnonzero(self.alive)) == set(self.index.values())
        ports: dict[tuple[str, int], Counter[tuple[int, str]]] = {}
        for slot in range(self.size):
            here = [info.shape for info in self.pods[slot].values()]
            for resource, column in self.columns.items():
                wanted = sum(1 if resource == "pods" else shape.requests.get(resource, 0) for shape in here)
                assert self.requested[column, slot] == wanted, (self.names[slot], resource)
            assert self.scored[0, slot] == sum(shape.scored_cpu for shape in here)
            assert self.scored[1, slot] == sum(shape.scored_memory for shape in here)
            assert self.lowest[slot] == min((shape.priority for shape in here), default=NOBODY)
            for protocol, ip, port in (port for shape in here for port in shape.ports):
                ports.setdefault((protocol, port), Counter())[slot, ip] += 1
        assert {key: held for key, held in self.ports.items() if held} == ports
        self.tallies.check(self.all_pods())

    def _grow(self) -> None:
        old, self.size = self.size, self.size + max(_START, self.size // 4)
        extra = self.size - old
        self.names += [""] * extra
        self.nodes += [None] * extra
        self.pods += [{} for _ in range(extra)]
        self.alive, self.unschedulable = _longer(self.alive, extra), _longer(self.unschedulable, extra)
        self.allocatable, self.requested = _longer(self.allocatable, extra), _longer(self.requested, extra)
        self.scored = _longer(self.scored, extra)
        self.lowest = np.concatenate((self.lowest, np.full(extra, NOBODY)))
        self.taints = {key: _longer(mask, extra) for key, mask in self.taints.items()}
        self.images = {name: (n, _longer(mask, extra)) for name, (n, mask) in self.images.items()}
        self._labels = {key: (_longer(codes, extra), values) for key, (codes, values) in self._labels.items()}
        self.tallies.grow(self.size)
        self._free = list(range(self.size - 1, old - 1, -1))


def _same_for_us(old: Node | None, new: Node) -> bool:
    return (
        old is not None
        and old.spec == new.spec
        and old.metadata.labels == new.metadata.labels
        and old.status.allocatable == new.status.allocatable
        and old.status.images == new.status.images
    )


def _label(node: Node, key: str) -> str | None:
    return node.metadata.name if key == NAME_FIELD else node.metadata.labels.get(key)


def _code(values: dict[str, int], value: str | None) -> int:
    return 0 if value is None else values.setdefault(value, len(values) + 1)


def _longer(array: NDArray[S], extra: int) -> NDArray[S]:
    """Over more slots (the last axis)."""
    return np.concatenate((array, np.zeros((*array.shape[:-1], extra), array.dtype)), axis=-1)
