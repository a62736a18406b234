"""What is preferred: taints (PreferNoSchedule), node affinity, pod affinity, even spreading, images that are there."""

from __future__ import annotations

import numpy as np

from wherry.scheduler.filters.node import term_mask, tolerates
from wherry.scheduler.filters.spread import eligible_nodes
from wherry.scheduler.filters.verdict import Ask
from wherry.scheduler.scores.resources import Score
from wherry.scheduler.snapshot import Mask, Snapshot

MB = 1024 * 1024
IMAGE_LEAST, IMAGE_MOST = 23 * MB, 1000 * MB


def scale(values: Score, feasible: Mask, *, reverse: bool = False) -> Score:
    """To 0..100 over the feasible nodes by their largest value."""
    largest = values[feasible].max() if feasible.any() else 0.0
    if largest <= 0:
        return np.full(len(values), 100.0 if reverse else 0.0)
    out: Score = np.floor(values * 100 / largest)
    return 100 - out if reverse else out


def taint_toleration(snapshot: Snapshot, ask: Ask, feasible: Mask) -> Score:
    """Fewer untolerated PreferNoSchedule taints are better."""
    counts = np.zeros(snapshot.size)
    tolerations = [t for t in ask.info.tolerations if not t.effect or t.effect == "PreferNoSchedule"]
    for taint, nodes in snapshot.taints.items():
        if taint[2] == "PreferNoSchedule" and not tolerates(tolerations, taint):
            counts += nodes
    return scale(counts, feasible, reverse=True)


def node_affinity(snapshot: Snapshot, ask: Ask, feasible: Mask) -> Score:
    """The sum of the weights of preferred terms that match."""
    values = np.zeros(snapshot.size)
    for preferred in ask.info.preferred_nodes:
        if preferred.weight:
            values += term_mask(snapshot, preferred.preference) * preferred.weight
    return scale(values, feasible)


def pod_affinity(snapshot: Snapshot, ask: Ask, feasible: Mask) -> Score:
    """Preferred rules of this pod, and of the pods there about pods like this one; required ones of theirs count 1."""
    info = ask.info
    values = np.zeros(snapshot.size)
    for weighted in info.preferred:
        term = weighted.term
        values += weighted.weight * snapshot.by_domain(term.topology_key, snapshot.counts(term.match))
    for (term, weight), holders in snapshot.preferred_terms().items():
        if holders.any() and term.match(info.namespace, info.labels):
            values += weight * snapshot.by_domain(term.topology_key, holders)
    for term, holders in snapshot.affinity_terms().items():
        if holders.any() and term.match(info.namespace, info.labels):
            values += snapshot.by_domain(term.topology_key, holders)
    if not feasible.any():
        return values
    low, high = values[feasible].min(), values[feasible].max()
    if high == low:
        return np.zeros(snapshot.size)
    out: Score = np.floor((values - low) * 100 / (high - low))
    return out


def spread(snapshot: Snapshot, ask: Ask, feasible: Mask) -> Score:
    """Soft spread rules: domains with fewer matching pods are better, more so where there are more domains."""
    rules = [rule for rule in ask.info.spread if not rule.hard]
    if not rules:
        return np.zeros(snapshot.size)
    values = np.zeros(snapshot.size)
    labelled = np.ones(snapshot.size, bool)
    default = not ask.info.pod.spec.topology_spread_constraints
    for rule in rules:
        codes, known = snapshot.label(rule.topology_key)
        if default and not known:
            continue
        labelled &= codes >= 0
        counting = eligible_nodes(snapshot, ask.info, rule) & (codes >= 0)
        domains = len(np.unique(codes[feasible & (codes >= 0)]))
        matching = np.where(counting, snapshot.counts(rule.match), 0)
        values += snapshot.by_domain(rule.topology_key, matching) * np.log(domains + 2) + (rule.max_skew - 1)
    usable = feasible & labelled
    if not usable.any():
        return np.zeros(snapshot.size)
    low, high = values[usable].min(), values[usable].max()
    if high == 0:
        return np.where(labelled, 100.0, 0.0)
    out: Score = np.where(labelled, np.floor(100 * (high + low - values) / high), 0.0)
    return out


def image_locality(snapshot: Snapshot, ask: Ask, _: Mask) -> Score:
    """Nodes that hold the pod's images already, by size and by how many nodes hold them."""
    values = np.zeros(snapshot.size)
    nodes = max(int(snapshot.alive.sum()), 1)
    containers = ask.info.pod.spec.containers
    for container in containers:
        for name in _names(container.image):
            if name in snapshot.images:
                size, held = snapshot.images[name]
                values += held * (size * int(held.sum()) / nodes)
                break
    most = IMAGE_MOST * max(len(containers), 1)
    out: Score = np.floor((np.clip(values, IMAGE_LEAST, most) - IMAGE_LEAST) * 100 / (most - IMAGE_LEAST))
    return out


def _names(image: str) -> tuple[str, ...]:
    tail = image.rsplit("/", 1)[-1]
    return (image,) if ":" in tail or "@" in tail else (image, f"{image}:latest")
