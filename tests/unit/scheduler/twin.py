"""The scheduler's filters and scores once more, as slowly and plainly as can be: one pod, one node, no arrays.

Written from the descriptions at https://kubernetes.io/docs/concepts/scheduling-eviction/ and upstream's behaviour;
shares no code with `wherry.scheduler` but the reading of quantities, label selectors and pod requests.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wherry.api.core.pod import amounts, pod_requests
from wherry.api.types.core import Node, NodeSelector, NodeSelectorTerm, Pod, PodAffinityTerm, TopologySpreadConstraint
from wherry.machinery.meta import LabelSelector, LabelSelectorRequirement, controller_of
from wherry.machinery.selectors import matches

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
Labels = Mapping[str, str]


@dataclass
class Twin:
    """Nodes, the pods on them, labels of namespaces."""

    nodes: dict[str, Node] = field(default_factory=dict)
    pods: dict[str, tuple[Pod, str]] = field(default_factory=dict)
    namespaces: dict[str, Labels] = field(default_factory=dict)

    def on(self, name: str) -> list[Pod]:
        """The pods on a node."""
        return [pod for pod, node in self.pods.values() if node == name]

    def placed(self) -> list[tuple[Pod, Node]]:
        """Every pod with its node."""
        return [(pod, self.nodes[node]) for pod, node in self.pods.values() if node in self.nodes]

    # --- answers ---

    def refusals(self, pod: Pod) -> dict[str, tuple[list[str], bool]]:
        """node -> (reasons, whether removing pods would not help), for nodes that are out."""
        out = {}
        for node in self.nodes.values():
            for rule in FILTERS:
                found = rule(self, pod, node)
                if found:
                    out[node.metadata.name] = ([reason for reason, _ in found], any(hopeless for _, hopeless in found))
                    break
        return out

    def text(self, pod: Pod) -> str:
        """What upstream says when all nodes are out."""
        counts = Counter(reason for reasons, _ in self.refusals(pod).values() for reason in reasons)
        said = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
        return f"0/{len(self.nodes)} nodes are available: {said}."

    def scores(self, pod: Pod) -> dict[str, int]:
        """node -> weighted sum, for nodes that are possible."""
        out = self.refusals(pod)
        possible = [node for name, node in self.nodes.items() if name not in out]
        total: Counter[str] = Counter({node.metadata.name: 0 for node in possible})
        for rule, weight in SCORES:
            for name, value in rule(self, pod, possible).items():
                assert 0 <= value <= 100, (rule, value)
                total[name] += weight * value
        return dict(total)


# --- the node alone ---


def tolerated(pod: Pod, key: str, value: str, effect: str) -> bool:
    for t in pod.spec.tolerations:
        if (t.effect and t.effect != effect) or (t.key and t.key != key):
            continue
        if t.operator == "Exists" or ((t.operator or "Equal") == "Equal" and t.value == value):
            return True
    return False


Said = list[tuple[str, bool]]


def unschedulable(twin: Twin, pod: Pod, node: Node) -> Said:
    if node.spec.unschedulable and not tolerated(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule"):
        return [("node(s) were unschedulable", True)]
    return []


def taints(twin: Twin, pod: Pod, node: Node) -> Said:
    bad = [
        t for t in node.spec.taints if t.effect != "PreferNoSchedule" and not tolerated(pod, t.key, t.value, t.effect)
    ]
    return [("node(s) had untolerated taint(s)", True)] if bad else []


def requirement(key: str, operator: str, values: Sequence[str], labels: Labels) -> bool:
    if operator in ("Gt", "Lt"):
        try:
            here, there = int(labels[key]), int(values[0])
        except (KeyError, ValueError):
            return False
        return here > there if operator == "Gt" else here < there
    return {
        "In": labels.get(key) in values, "NotIn": labels.get(key) not in values,
        "Exists": key in labels, "DoesNotExist": key not in labels,
    }[operator]  # fmt: skip


def term_selects(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    name = {"metadata.name": node.metadata.name}
    return all(requirement(r.key, r.operator, r.values, node.metadata.labels) for r in term.match_expressions) and all(
        requirement(r.key, r.operator, r.values, name) for r in term.match_fields
    )


def selects(selector: NodeSelector, node: Node) -> bool:
    return any(term_selects(term, node) for term in selector.node_selector_terms)


def wanted_node(pod: Pod, node: Node) -> bool:
    labels = node.metadata.labels
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return False
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required is None or selects(required, node)


def node_affinity(twin: Twin, pod: Pod, node: Node) -> Said:
    return [] if wanted_node(pod, node) else [("node(s) didn't match Pod's node affinity/selector", True)]


# --- what the pod takes up ---


def host_ports(pod: Pod) -> list[tuple[str, str, int]]:
    return [
        (port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port)
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    ]


def ports(twin: Twin, pod: Pod, node: Node) -> Said:
    for protocol, ip, number in host_ports(pod):
        for other in twin.on(node.metadata.name):
            for protocol2, ip2, number2 in host_ports(other):
                if (protocol, number) == (protocol2, number2) and (ip == ip2 or "0.0.0.0" in (ip, ip2)):
                    return [("node(s) didn't have free ports for the requested pod ports", False)]
    return []


def resources(twin: Twin, pod: Pod, node: Node) -> Said:
    out: Said = []
    here, capacity = twin.on(node.metadata.name), amounts(node.status.allocatable)
    if len(here) + 1 > capacity.get("pods", 0):
        out.append(("Too many pods", False))
    for name, amount in pod_requests(pod.spec).items():
        used = sum(pod_requests(other.spec).get(name, 0) for other in here)
        if amount and amount > capacity.get(name, 0) - used:
            out.append((f"Insufficient {name}", amount > capacity.get(name, 0)))
    return out


# --- neighbours ---


def with_keys(
    selector: LabelSelector | None, labels: Labels, keys: Sequence[str], operator: str
) -> LabelSelector | None:
    if selector is None:
        return None
    more = tuple(LabelSelectorRequirement(key=k, operator=operator, values=(labels[k],)) for k in keys if k in labels)
    return LabelSelector(match_labels=selector.match_labels, match_expressions=(*selector.match_expressions, *more))


def speaks_of(twin: Twin, term: PodAffinityTerm, owner: Pod, other: Pod) -> bool:
    chosen, namespace = term.namespace_selector, other.metadata.namespace
    by_label = chosen is not None and matches(chosen, twin.namespaces.get(namespace, {}))
    if chosen is not None and not chosen.match_labels and not chosen.match_expressions:
        by_label = True
    names = term.namespaces or ((owner.metadata.namespace,) if chosen is None else ())
    selector = with_keys(term.label_selector, owner.metadata.labels, term.match_label_keys, "In")
    selector = with_keys(selector, owner.metadata.labels, term.mismatch_label_keys, "NotIn")
    return (by_label or namespace in names) and matches(selector, other.metadata.labels)


def required_terms(pod: Pod, side: str) -> Sequence[PodAffinityTerm]:
    rules: Any = getattr(pod.spec.affinity, side) if pod.spec.affinity else None
    return rules.required_during_scheduling_ignored_during_execution if rules else ()


def preferred_terms(pod: Pod, side: str) -> Sequence[Any]:
    rules: Any = getattr(pod.spec.affinity, side) if pod.spec.affinity else None
    return rules.preferred_during_scheduling_ignored_during_execution if rules else ()


def same_domain(one: Node, other: Node, key: str) -> bool:
    value = one.metadata.labels.get(key)
    return value is not None and other.metadata.labels.get(key) == value


def interpod(twin: Twin, pod: Pod, node: Node) -> Said:
    near, apart = required_terms(pod, "pod_affinity"), required_terms(pod, "pod_anti_affinity")
    if near and not is_near(twin, pod, node, near):
        return [("node(s) didn't match pod affinity rules", True)]
    for term in apart:
        if any(speaks_of(twin, term, pod, p) and same_domain(node, n, term.topology_key) for p, n in twin.placed()):
            return [("node(s) didn't match pod anti-affinity rules", False)]
    for other, there in twin.placed():
        for term in required_terms(other, "pod_anti_affinity"):
            if speaks_of(twin, term, other, pod) and same_domain(node, there, term.topology_key):
                return [("node(s) didn't satisfy existing pods anti-affinity rules", False)]
    return []


def is_near(twin: Twin, pod: Pod, node: Node, terms: Sequence[PodAffinityTerm]) -> bool:
    if any(term.topology_key not in node.metadata.labels for term in terms):
        return False
    friends = [n for p, n in twin.placed() if all(speaks_of(twin, term, pod, p) for term in terms)]
    counted = [n for n in friends if any(term.topology_key in n.metadata.labels for term in terms)]
    if all(any(same_domain(node, n, term.topology_key) for n in friends) for term in terms):
        return True
    return not counted and all(speaks_of(twin, term, pod, pod) for term in terms)


# --- spreading ---

Rule = tuple[TopologySpreadConstraint, LabelSelector | None]


def rules_of(pod: Pod, action: str) -> list[Rule]:
    labels = pod.metadata.labels
    found = [
        (c, with_keys(c.label_selector, labels, c.match_label_keys, "In"))
        for c in pod.spec.topology_spread_constraints
        if c.when_unsatisfiable == action
    ]
    owner = controller_of(pod)
    many = owner is not None and owner.kind in ("ReplicaSet", "StatefulSet", "ReplicationController")
    if action == "ScheduleAnyway" and not pod.spec.topology_spread_constraints and many and labels:
        return [
            (TopologySpreadConstraint(topology_key=key, max_skew=skew), LabelSelector(match_labels=dict(labels)))
            for key, skew in ((HOST, 3), (ZONE, 5))
        ]
    return found


def count(pods: Sequence[Pod], selector: LabelSelector | None, namespace: str) -> int:
    if selector is not None and not selector.match_labels and not selector.match_expressions:
        return 0
    return sum(
        p.metadata.deletion_timestamp is None
        and p.metadata.namespace == namespace
        and matches(selector, p.metadata.labels)
        for p in pods
    )


def included(pod: Pod, node: Node, rule: TopologySpreadConstraint) -> bool:
    if rule.node_affinity_policy != "Ignore" and not wanted_node(pod, node):
        return False
    return rule.node_taints_policy != "Honor" or not taints(Twin(), pod, node)


def spread(twin: Twin, pod: Pod, node: Node) -> Said:
    rules = rules_of(pod, "DoNotSchedule")
    reason = "node(s) didn't match pod topology spread constraints"
    for rule, selector in rules:
        if rule.topology_key not in node.metadata.labels:
            return [(f"{reason} (missing required label)", True)]
        totals: Counter[str] = Counter()
        for other in twin.nodes.values():
            labels = other.metadata.labels
            if all(r.topology_key in labels for r, _ in rules) and included(pod, other, rule):
                totals[labels[rule.topology_key]] += count(
                    twin.on(other.metadata.name), selector, pod.metadata.namespace
                )
        least = min(totals.values(), default=0) if len(totals) >= (rule.min_domains or 1) else 0
        mine = matches(selector, pod.metadata.labels)
        if totals[node.metadata.labels[rule.topology_key]] + mine - least > rule.max_skew:
            return [(reason, False)]
    return []


FILTERS: tuple[Callable[[Twin, Pod, Node], Said], ...] = (
    unschedulable, taints, node_affinity, ports, resources, spread, interpod,
)  # fmt: skip


# --- scores ---

Values = dict[str, int]


def scaled(values: Values, *, reverse: bool = False) -> Values:
    most = max(values.values(), default=0)
    if not most:
        return dict.fromkeys(values, 100 if reverse else 0)
    return {name: 100 - 100 * v // most if reverse else 100 * v // most for name, v in values.items()}


def score_taints(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    bad = {}
    for node in nodes:
        soft = [t for t in node.spec.taints if t.effect == "PreferNoSchedule"]
        bad[node.metadata.name] = sum(not tolerated(pod, t.key, t.value, t.effect) for t in soft)
    return scaled(bad, reverse=True)


def score_node_affinity(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    liked = affinity.preferred_during_scheduling_ignored_during_execution if affinity else ()
    return scaled({n.metadata.name: sum(w.weight for w in liked if term_selects(w.preference, n)) for n in nodes})


def assumed(pod: Pod, name: str) -> int:
    default = 100 if name == "cpu" else 200 * 1024 * 1024
    missing = sum(name not in c.resources.requests for c in pod.spec.containers)
    return pod_requests(pod.spec).get(name, 0) + default * missing


def score_free(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    out = {}
    for node in nodes:
        shares = []
        for name in ("cpu", "memory"):
            capacity = amounts(node.status.allocatable).get(name, 0)
            used = sum(assumed(p, name) for p in (*twin.on(node.metadata.name), pod))
            if capacity:
                shares.append(max(capacity - used, 0) * 100 // capacity)
        out[node.metadata.name] = sum(shares) // len(shares) if shares else 0
    return out


def evenness(node: Node, used: Mapping[str, int]) -> int:
    capacity = amounts(node.status.allocatable)
    shares = [min(used[name] / capacity[name], 1.0) for name in ("cpu", "memory") if capacity.get(name)]
    return int((1 - (abs((shares[0] - shares[1]) / 2) if len(shares) == 2 else 0.0)) * 100)


def score_balance(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    asked = pod_requests(pod.spec)
    if not asked.get("cpu") and not asked.get("memory"):
        return {node.metadata.name: 0 for node in nodes}
    out = {}
    for node in nodes:
        before = {
            name: sum(pod_requests(p.spec).get(name, 0) for p in twin.on(node.metadata.name))
            for name in ("cpu", "memory")
        }
        after = {name: amount + asked.get(name, 0) for name, amount in before.items()}
        out[node.metadata.name] = 50 + (50 + evenness(node, after) - evenness(node, before)) // 2
    return out


def score_spread(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    rules = rules_of(pod, "ScheduleAnyway")
    if not rules:
        return {node.metadata.name: 0 for node in nodes}
    explicit, namespace = bool(pod.spec.topology_spread_constraints), pod.metadata.namespace

    def takes_part(node: Node) -> bool:
        return not explicit or all(rule.topology_key in node.metadata.labels for rule, _ in rules)

    usable = [node for node in nodes if takes_part(node)]
    raw: dict[str, int] = {}
    for node in usable:
        points = 0.0
        for rule, selector in rules:
            key = rule.topology_key
            if key not in node.metadata.labels:
                continue
            if key == HOST:
                size, here = len(usable), count(twin.on(node.metadata.name), selector, namespace)
            else:
                size = len({n.metadata.labels.get(key) for n in usable})
                here = sum(
                    count(twin.on(n.metadata.name), selector, namespace)
                    for n in twin.nodes.values()
                    if takes_part(n) and included(pod, n, rule) and same_domain(node, n, key)
                )
            points += here * math.log(size + 2) + (rule.max_skew - 1)
        raw[node.metadata.name] = math.floor(points + 0.5)
    out = {node.metadata.name: 0 for node in nodes}
    most, least = max(raw.values(), default=0), min(raw.values(), default=0)
    return out | {name: 100 if not most else 100 * (most + least - v) // most for name, v in raw.items()}


def opinions(twin: Twin, pod: Pod, other: Pod) -> Iterator[tuple[int, str]]:
    """(weight, topology key) of all that two pods say about each other."""
    for side, sign in (("pod_affinity", 1), ("pod_anti_affinity", -1)):
        for one, of in ((pod, other), (other, pod)):
            for rule in preferred_terms(one, side):
                if speaks_of(twin, rule.pod_affinity_term, one, of):
                    yield sign * rule.weight, rule.pod_affinity_term.topology_key
    for term in required_terms(other, "pod_affinity"):
        if speaks_of(twin, term, other, pod):
            yield 1, term.topology_key


def score_neighbours(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    raw = {node.metadata.name: 0 for node in nodes}
    for other, there in twin.placed():
        for weight, key in opinions(twin, pod, other):
            for node in nodes:
                raw[node.metadata.name] += weight * same_domain(node, there, key)
    if not raw or max(raw.values()) == min(raw.values()):
        return dict.fromkeys(raw, 0)
    low, high = min(raw.values()), max(raw.values())
    return {name: int(100 * ((value - low) / (high - low))) for name, value in raw.items()}


def score_images(twin: Twin, pod: Pod, nodes: Sequence[Node]) -> Values:
    megabyte = 1024 * 1024
    wanted = [c.image if c.image.rfind(":") > c.image.rfind("/") else f"{c.image}:latest" for c in pod.spec.containers]
    out = {}
    for node in nodes:
        total = 0
        for name in wanted:
            holders = [n for n in twin.nodes.values() if any(name in i.names for i in n.status.images)]
            if node in holders:
                size = max(i.size_bytes for n in holders for i in n.status.images if name in i.names)
                total += int(size * (len(holders) / len(twin.nodes)))
        low, high = 23 * megabyte, 1000 * megabyte * len(wanted)
        out[node.metadata.name] = 100 * (min(max(total, low), high) - low) // (high - low)
    return out


SCORES: tuple[tuple[Callable[[Twin, Pod, Sequence[Node]], Values], int], ...] = (
    (score_taints, 3), (score_node_affinity, 2), (score_free, 1), (score_spread, 2), (score_neighbours, 2),
    (score_balance, 1), (score_images, 1),
)  # fmt: skip
