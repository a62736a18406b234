"""Tallies: how many pods of a kind are on each node and in each topology domain, kept up to date pod by pod.

Two sorts: pods that a `PodMatch` speaks of, and pods that hold a rule (`Term`). A pod changes exactly those tallies
that concern its shape; which ones is remembered per shape. Domain totals are made when first asked for and dropped when
nodes change. Memory is one number per node and rule in use; a rule nobody asked about is forgotten again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from wherry.scheduler.podinfo import PodInfo, Shape
from wherry.scheduler.terms import PodMatch, Term

Counts = NDArray[np.int64]
Codes = NDArray[np.int64]
Label = Callable[[str], tuple[Codes, Mapping[str, int]]]
Weighing = tuple[Term, int]
"""A preferred rule and its weight."""

_MATCHES, _SHAPES = 512, 4096


class Tally:
    """Counts by node slot; by code of a label's value on demand (code 0: no such label, always 0)."""

    __slots__ = ("_domains", "by_node", "total")

    def __init__(self, size: int) -> None:
        self.by_node: Counts = np.zeros(size, np.int64)
        self.total = 0
        self._domains: dict[str, tuple[Codes, Counts]] = {}

    def add(self, slot: int, sign: int) -> None:
        """One pod more or less."""
        self.by_node[slot] += sign
        self.total += sign
        for codes, totals in self._domains.values():
            code = codes[slot]
            if code:
                totals[code] += sign

    def domains(self, key: str, label: Label) -> Counts:
        """How many in each domain of a topology key, by code."""
        found = self._domains.get(key)
        if found is None:
            codes, values = label(key)
            totals = np.bincount(codes, weights=self.by_node, minlength=len(values) + 1).astype(np.int64)
            totals[0] = 0
            found = self._domains[key] = (codes, totals)
        return found[1]

    def nodes_changed(self) -> None:
        """Forget what depended on labels of nodes."""
        self._domains.clear()

    def grow(self, size: int) -> None:
        """There are more slots now."""
        self.by_node = np.concatenate((self.by_node, np.zeros(size - len(self.by_node), np.int64)))
        self._domains.clear()


class Tallies:
    """All tallies of a snapshot. `pods` yields (slot, pod) for all pods that are there."""

    def __init__(self, size: int, pods: Callable[[], Iterable[tuple[int, PodInfo]]]) -> None:
        self._size, self._pods = size, pods
        self._matches: dict[PodMatch, Tally] = {}
        self.apart: dict[Term, Tally] = {}
        """Required anti-affinity of pods that are there."""
        self.near: dict[Term, Tally] = {}
        """Required affinity of pods that are there."""
        self.preferred: dict[Weighing, Tally] = {}
        """Preferred rules of pods that are there."""
        self.version = 0
        """Grows when the set of rules held by pods changes."""
        self._touched: dict[Shape, tuple[tuple[Tally, bool], ...]] = {}

    def matching(self, match: PodMatch) -> Tally:
        """The tally of pods that `match` speaks of."""
        found = self._matches.get(match)
        if found is None:
            if len(self._matches) >= _MATCHES:
                del self._matches[next(iter(self._matches))]
            found = self._matches[match] = Tally(self._size)
            self._touched.clear()
            speaks_of: dict[Shape, bool] = {}
            for slot, info in self._pods():
                shape = info.shape
                if shape not in speaks_of:
                    speaks_of[shape] = match(shape.namespace, shape.labels)
                if speaks_of[shape] and not (match.living and info.terminating):
                    found.add(slot, 1)
        return found

    def count(self, info: PodInfo, slot: int, sign: int) -> None:
        """A pod comes (1) or goes (-1)."""
        shape = info.shape
        for tally, living in self._concerned(shape):
            if not (living and info.terminating):
                tally.add(slot, sign)
        if shape.anti_affinity or shape.affinity or shape.preferred:
            self._hold(shape, slot, sign)

    def _concerned(self, shape: Shape) -> tuple[tuple[Tally, bool], ...]:
        found = self._touched.get(shape)
        if found is None:
            if len(self._touched) >= _SHAPES:
                self._touched.clear()
            found = self._touched[shape] = tuple(
                (tally, match.living) for match, tally in self._matches.items() if match(shape.namespace, shape.labels)
            )
        return found

    def _hold(self, shape: Shape, slot: int, sign: int) -> None:
        for term in shape.anti_affinity:
            self._add(self.apart, term, slot, sign)
        for term in shape.affinity:
            self._add(self.near, term, slot, sign)
        for weighted in shape.preferred:
            self._add(self.preferred, (weighted.term, weighted.weight), slot, sign)

    def _add(self, table: dict[Term, Tally] | dict[Weighing, Tally], rule: object, slot: int, sign: int) -> None:
        rules: dict[object, Tally] = table  # type: ignore[assignment]  # the two tables have keys of their own
        tally = rules.get(rule)
        if tally is None:
            tally = rules[rule] = Tally(self._size)
            self.version += 1
        tally.add(slot, sign)
        if not tally.total:
            del rules[rule]
            self.version += 1

    def every(self) -> Iterable[Tally]:
        """All of them."""
        for table in (self._matches, self.apart, self.near, self.preferred):
            yield from table.values()

    def nodes_changed(self) -> None:
        """Labels of nodes have changed."""
        for tally in self.every():
            tally.nodes_changed()

    def grow(self, size: int) -> None:
        """There are more slots now."""
        self._size = size
        for tally in self.every():
            tally.grow(size)

    def check(self, pods: Iterable[tuple[int, PodInfo]]) -> None:
        """Assert that counting afresh gives the same (tests)."""
        fresh = Tallies(self._size, tuple)
        known = list(pods)
        for slot, info in known:
            fresh.count(info, slot, 1)
        for mine, theirs in ((self.apart, fresh.apart), (self.near, fresh.near), (self.preferred, fresh.preferred)):
            assert mine.keys() == theirs.keys()
            assert all(np.array_equal(mine[rule].by_node, theirs[rule].by_node) for rule in mine)  # type: ignore[index]
        for match, tally in self._matches.items():
            wanted = np.zeros(self._size, np.int64)
            for slot, info in known:
                wanted[slot] += not (match.living and info.terminating) and match(
                    info.shape.namespace, info.shape.labels
                )
            assert np.array_equal(tally.by_node, wanted), match
            assert tally.total == wanted.sum(), match
