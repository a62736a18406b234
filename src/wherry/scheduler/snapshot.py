"""Snapshot: the cluster as arrays over nodes, kept up to date pod by pod and node by node.

Every node has a slot; slots of removed nodes are used again. Columns are numpy arrays over slots: allocatable and
requested amounts per resource, codes of label values per label key, a mask per taint, a count per `PodMatch` in use.
A filter is then a mask over all slots, a score an array over all slots. Nothing here is asynchronous and nothing asks
for the time. Invariant: for every node, `requested` is the sum over the pods on it (`check` asserts it in tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from wherry.api.core.pod_resources import amounts
from wherry.api.types.core import Node, Taint
from wherry.scheduler.podinfo import PodInfo
from wherry.scheduler.terms import PodMatch, Term

Mask: TypeAlias = NDArray[np.bool_]
Counts: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32]
K = TypeVar("K")
S = TypeVar("S", bound=np.generic)

CPU, MEMORY, DISK, PODS = 0, 1, 2, 3
_FIXED = ("cpu", "memory", "ephemeral-storage", "pods")
_CACHED_MATCHES = 512
_START = 64


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
        self.taints: dict[tuple[str, str, str], Mask] = {}
        self.images: dict[str, tuple[int, Mask]] = {}
        self.generation = 0
        """Grows with every change of a node; what only depends on nodes may be cached under it."""
        self._labels: dict[str, tuple[Codes, dict[str, int]]] = {}
        self._counts: dict[PodMatch, Counts] = {}
        self._required_anti: dict[Term, Counts] = {}
        self._preferred: dict[tuple[Term, int], Counts] = {}
        self._required: dict[Term, Counts] = {}
        self._place: dict[str, int] = {}
        self._free: list[int] = list(range(_START - 1, -1, -1))

    # --- nodes ---

    def put_node(self, node: Node) -> None:
        """Add a node or take note of its change."""
        name = node.metadata.name
        slot = self.index.get(name)
        if slot is None:
            if not self._free:
                self._grow()
            slot = self._free.pop()
            self.index[name] = slot
            self.names[slot] = name
        elif self._same_for_us(self.nodes[slot], node):
            self.nodes[slot] = node
            return
        self.generation += 1
        self.nodes[slot] = node
        self.alive[slot] = True
        self.unschedulable[slot] = node.spec.unschedulable
        self.allocatable[:, slot] = 0
        for resource, amount in amounts(node.status.allocatable).items():
            column = self.column(resource)  # first: it may make the array anew
            self.allocatable[column, slot] = amount
        for key, (codes, values) in self._labels.items():
            codes[slot] = _code(values, self._label(node, key))
        self._put_taints(slot, node.spec.taints)
        self._put_images(slot, node)

    def drop_node(self, name: str) -> None:
        """Forget a node; its pods stay known until they are dropped, but count nowhere."""
        slot = self.index.pop(name, None)
        if slot is None:
            return
        self.generation += 1
        for info in tuple(self.pods[slot].values()):
            self.drop_pod(info.uid)
        self.nodes[slot], self.names[slot] = None, ""
        self.alive[slot] = False
        self.allocatable[:, slot] = 0
        for codes, _ in self._labels.values():
            codes[slot] = -1
        for mask in self.taints.values():
            mask[slot] = False
        for _, mask in self.images.values():
            mask[slot] = False
        self._free.append(slot)

    @staticmethod
    def _same_for_us(old: Node | None, new: Node) -> bool:
        return (
            old is not None
            and old.spec == new.spec
            and old.metadata.labels == new.metadata.labels
            and old.status.allocatable == new.status.allocatable
            and old.status.images == new.status.images
        )

    def _put_taints(self, slot: int, taints: Iterable[Taint]) -> None:
        for mask in self.taints.values():
            mask[slot] = False
        for taint in taints:
            key = (taint.key, taint.value, taint.effect)
            if key not in self.taints:
                self.taints[key] = np.zeros(self.size, bool)
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
        """A pod is (or is going to be) on a node. Unknown nodes are ignored."""
        self.drop_pod(info.uid)
        slot = self.index.get(node)
        if slot is None:
            return
        self._place[info.uid] = slot
        self.pods[slot][info.uid] = info
        self._count(info, slot, 1)

    def drop_pod(self, uid: str) -> None:
        """A pod is gone, or not where it was."""
        slot = self._place.pop(uid, None)
        if slot is None:
            return
        self._count(self.pods[slot].pop(uid), slot, -1)

    def node_of(self, uid: str) -> str:
        """Where a pod is, "" if nowhere."""
        slot = self._place.get(uid)
        return "" if slot is None else self.names[slot]

    def _count(self, info: PodInfo, slot: int, sign: int) -> None:
        for resource, amount in info.requests.items():
            column = self.column(resource)
            self.requested[column, slot] += sign * amount
        self.requested[PODS, slot] += sign
        self.scored[0, slot] += sign * info.scored_cpu
        self.scored[1, slot] += sign * info.scored_memory
        if not info.terminating:
            for match, counts in self._counts.items():
                if match(info.namespace, info.labels):
                    counts[slot] += sign
        for term in info.anti_affinity:
            self._counter(self._required_anti, term)[slot] += sign
        for term in info.affinity:
            self._counter(self._required, term)[slot] += sign
        for weighted in info.preferred:
            self._counter(self._preferred, (weighted.term, weighted.weight))[slot] += sign

    def _counter(self, table: dict[K, Counts], key: K) -> Counts:
        found = table.get(key)
        if found is None:
            found = table[key] = np.zeros(self.size, np.int64)
        return found

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
        """(code of the label's value per node, -1 without the label; value -> code)."""
        found = self._labels.get(key)
        if found is None:
            codes = np.full(self.size, -1, np.int32)
            values: dict[str, int] = {}
            for slot in self.index.values():
                node = self.nodes[slot]
                if node is not None:
                    codes[slot] = _code(values, self._label(node, key))
            found = self._labels[key] = (codes, values)
        return found

    @staticmethod
    def _label(node: Node, key: str) -> str | None:
        return node.metadata.name if key == "metadata.name" else node.metadata.labels.get(key)

    def counts(self, match: PodMatch) -> Counts:
        """How many pods of a kind are on each node (not those being deleted)."""
        found = self._counts.get(match)
        if found is None:
            if len(self._counts) >= _CACHED_MATCHES:
                self._counts.pop(next(iter(self._counts)))
            found = np.zeros(self.size, np.int64)
            for slot in self.index.values():
                found[slot] = sum(
                    not info.terminating and match(info.namespace, info.labels) for info in self.pods[slot].values()
                )
            self._counts[match] = found
        return found

    def anti_affinity_terms(self) -> Mapping[Term, Counts]:
        """Required anti-affinity rules of the pods that are here -> how many such pods on each node."""
        return self._required_anti

    def affinity_terms(self) -> Mapping[Term, Counts]:
        """Required affinity rules of the pods that are here -> how many such pods on each node."""
        return self._required

    def preferred_terms(self) -> Mapping[tuple[Term, int], Counts]:
        """Preferred rules (with their weight) of the pods that are here -> how many such pods on each node."""
        return self._preferred

    def by_domain(self, key: str, values: Counts) -> Counts:
        """Per node, the sum of `values` over its topology domain; 0 where the node has no such label."""
        codes, known = self.label(key)
        valid = codes >= 0
        totals = np.bincount(codes[valid], weights=values[valid], minlength=len(known) + 1).astype(np.int64)
        out: Counts = np.where(valid, totals[codes], 0)
        return out

    def mask(self) -> Mask:
        """A mask of nothing."""
        return np.zeros(self.size, bool)

    def check(self) -> None:
        """Assert the invariants (tests)."""
        for slot in self.index.values():
            for resource, column in self.columns.items():
                wanted = sum(
                    1 if resource == "pods" else info.requests.get(resource, 0) for info in self.pods[slot].values()
                )
                assert self.requested[column, slot] == wanted, (self.names[slot], resource)

    def _grow(self) -> None:
        old, self.size = self.size, self.size * 2
        extra = self.size - old
        self.names += [""] * extra
        self.nodes += [None] * extra
        self.pods += [{} for _ in range(extra)]
        self.alive = _longer(self.alive, self.size)
        self.unschedulable = _longer(self.unschedulable, self.size)
        self.allocatable = np.hstack((self.allocatable, np.zeros((len(self.allocatable), extra), np.int64)))
        self.requested = np.hstack((self.requested, np.zeros((len(self.requested), extra), np.int64)))
        self.scored = np.hstack((self.scored, np.zeros((2, extra), np.int64)))
        self.taints = {key: _longer(mask, self.size) for key, mask in self.taints.items()}
        self.images = {name: (n, _longer(mask, self.size)) for name, (n, mask) in self.images.items()}
        self._labels = {
            key: (np.concatenate((codes, np.full(extra, -1, np.int32))), values)
            for key, (codes, values) in self._labels.items()
        }
        self._counts = {match: _longer(counts, self.size) for match, counts in self._counts.items()}
        self._required_anti = {term: _longer(counts, self.size) for term, counts in self._required_anti.items()}
        self._required = {term: _longer(counts, self.size) for term, counts in self._required.items()}
        self._preferred = {key: _longer(counts, self.size) for key, counts in self._preferred.items()}
        self._free = list(range(self.size - 1, old - 1, -1))


def _code(values: dict[str, int], value: str | None) -> int:
    return -1 if value is None else values.setdefault(value, len(values))


def _longer(array: NDArray[S], size: int) -> NDArray[S]:
    return np.concatenate((array, np.zeros(size - len(array), array.dtype)))
