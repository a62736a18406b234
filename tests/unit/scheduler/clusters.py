"""Random nodes and pods from few values, so that rules meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.nodes import HOST, ZONE, node, pod
from wherry.api.types.core import ContainerImage, Node, Pod
from wherry.machinery.codec import from_dict

NAMESPACES = {"a": {"team": "x"}, "b": {"team": "y"}, "c": {}}
KEYS = st.sampled_from([HOST, ZONE, "disk"])
LABELS = st.fixed_dictionaries({}, optional={"app": st.sampled_from(["web", "db"]), "tier": st.sampled_from("12")})
SMALL = st.sampled_from(["", "100m", "500m", "1"])
MEMORY = st.sampled_from(["", "256Mi", "1Gi"])
IMAGES = st.sampled_from(["app", "app:1", "reg.example.com:5000/app", "other:2"])


def some(values: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    """Often none, sometimes a few."""
    return st.one_of(st.just([]), st.lists(values, max_size=most))


taints = st.fixed_dictionaries(
    {
        "key": st.sampled_from("kl"),
        "value": st.sampled_from(["", "v"]),
        "effect": st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]),
    }
)
tolerations = st.one_of(
    st.just({"operator": "Exists"}),
    st.fixed_dictionaries(
        {"key": st.sampled_from(["k", "l", "node.kubernetes.io/unschedulable"]), "operator": st.just("Exists")},
        optional={"effect": st.sampled_from(["NoSchedule", "PreferNoSchedule"])},
    ),
    st.fixed_dictionaries({"key": st.sampled_from("kl"), "operator": st.just("Equal"), "value": st.just("v")}),
)
requirements = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([ZONE, "disk"]),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(["z1", "z2", "ssd", "7"]), min_size=1, max_size=2),
        }
    ),
    st.fixed_dictionaries(
        {"key": st.sampled_from([ZONE, "disk", "size"]), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["size", "disk"]),
            "operator": st.sampled_from(["Gt", "Lt"]),
            "values": st.sampled_from([["5"], ["-1"]]),
        }
    ),
)
names = st.fixed_dictionaries(
    {
        "key": st.just("metadata.name"),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.lists(st.sampled_from(["n0", "n1", "n9"]), min_size=1, max_size=1),
    }
)
node_terms = st.fixed_dictionaries({}, optional={"matchExpressions": some(requirements), "matchFields": some(names, 1)})
selectors: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.just({}),
    st.fixed_dictionaries({"matchLabels": st.fixed_dictionaries({"app": st.sampled_from(["web", "db"])})}),
    st.just({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["1"]}]}),
)
pod_terms = st.fixed_dictionaries(
    {"topologyKey": KEYS},
    optional={
        "labelSelector": selectors,
        "namespaces": st.lists(st.sampled_from("abc"), max_size=2),
        "namespaceSelector": st.sampled_from([{}, {"matchLabels": {"team": "x"}}]),
        "matchLabelKeys": st.just(["tier"]),
        "mismatchLabelKeys": st.just(["app"]),
    },
)
weighted_pods = st.fixed_dictionaries({"weight": st.sampled_from([1, 10, 100]), "podAffinityTerm": pod_terms})
weighted_nodes = st.fixed_dictionaries({"weight": st.sampled_from([1, 50]), "preference": node_terms})
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
affinities = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.fixed_dictionaries(
            {},
            optional={
                REQUIRED: st.fixed_dictionaries({"nodeSelectorTerms": st.lists(node_terms, min_size=1, max_size=2)}),
                PREFERRED: some(weighted_nodes),
            },
        ),
        "podAffinity": st.fixed_dictionaries({}, optional={REQUIRED: some(pod_terms), PREFERRED: some(weighted_pods)}),
        "podAntiAffinity": st.fixed_dictionaries(
            {}, optional={REQUIRED: some(pod_terms), PREFERRED: some(weighted_pods)}
        ),
    },
)
spreads = st.fixed_dictionaries(
    {
        "maxSkew": st.sampled_from([1, 2]),
        "topologyKey": KEYS,
        "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": selectors,
    },
    optional={
        "nodeAffinityPolicy": st.sampled_from(["Honor", "Ignore"]),
        "nodeTaintsPolicy": st.sampled_from(["Honor", "Ignore"]),
        "matchLabelKeys": st.just(["tier"]),
    },
)


@st.composite
def spread_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Spread constraints; minDomains only with hard ones."""
    found = draw(some(spreads))
    for rule in found:
        if rule["whenUnsatisfiable"] == "DoNotSchedule" and draw(st.booleans()):
            rule["minDomains"] = draw(st.sampled_from([1, 2, 4]))
    return found


@st.composite
def nodes(draw: st.DrawFn, name: str) -> Node:
    """A node."""
    labels = draw(
        st.fixed_dictionaries(
            {},
            optional={
                ZONE: st.sampled_from(["z1", "z2", "z3"]),
                "disk": st.sampled_from(["ssd", "7"]),
                "size": st.sampled_from(["3", "10", "-4", "large"]),
            },
        )
    )
    found = node(
        name,
        labels=labels,
        cpu=draw(st.sampled_from(["0", "1", "2", "4"])),
        memory=draw(st.sampled_from(["1Gi", "4Gi"])),
        pods=draw(st.sampled_from(["0", "2", "3", "110"])),
        taints=draw(some(taints)),
        more=draw(st.sampled_from([{}, {}, {"example.com/gpu": "2"}])),
        unschedulable=draw(st.sampled_from([False, False, False, True])),
    )
    images = draw(some(st.sampled_from(["app:1", "app:latest", "other:2"])))
    kept = [{"names": [image], "sizeBytes": 300 * 1024 * 1024} for image in dict.fromkeys(images)]
    return replace(
        found, status=replace(found.status, images=tuple(from_dict(ContainerImage, image) for image in kept))
    )


@st.composite
def pods(draw: st.DrawFn, name: str) -> Pod:
    """A pod."""
    host_port = st.fixed_dictionaries(
        {"containerPort": st.just(80), "hostPort": st.sampled_from([80, 81])},
        optional={"protocol": st.sampled_from(["TCP", "UDP"]), "hostIP": st.sampled_from(["0.0.0.0", "10.0.0.1"])},
    )
    container: dict[str, Any] = {"image": draw(IMAGES), "ports": draw(some(host_port, 1))}
    requests = {"cpu": draw(SMALL), "memory": draw(MEMORY), "example.com/gpu": draw(st.sampled_from(["", "", "", "1"]))}
    container["resources"] = {"requests": {key: value for key, value in requests.items() if value}}
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "r", "controller": True}
    meta: dict[str, Any] = {"ownerReferences": draw(st.sampled_from([[], [owner]]))}
    if draw(st.sampled_from([False, False, False, True])):
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return pod(
        name,
        namespace=draw(st.sampled_from("abc")),
        labels=draw(LABELS),
        container=container,
        meta=meta,
        tolerations=draw(some(tolerations)),
        nodeSelector=draw(st.sampled_from([{}, {}, {}, {ZONE: "z1"}])),
        affinity=draw(affinities),
        topologySpreadConstraints=draw(spread_lists()),
        priority=draw(st.sampled_from([0, 0, 5])),
    )


@st.composite
def roomy_nodes(draw: st.DrawFn, name: str) -> Node:
    """A node that only its labels, and sometimes a taint, make different."""
    labels = draw(st.fixed_dictionaries({}, optional={ZONE: st.sampled_from(["z1", "z2"]), "disk": st.just("ssd")}))
    return node(name, labels=labels, taints=draw(st.sampled_from([[], [], [{"key": "k", "effect": "NoSchedule"}]])))


@st.composite
def sociable_pods(draw: st.DrawFn, name: str) -> Pod:
    """A pod with rules about other pods and not much else."""
    term: st.SearchStrategy[Any] = st.fixed_dictionaries(
        {"topologyKey": KEYS, "labelSelector": st.just({"matchLabels": {"app": "web"}})},
        optional={"namespaceSelector": st.just({})},
    )
    rule = st.fixed_dictionaries(
        {
            "maxSkew": st.just(1),
            "topologyKey": st.sampled_from([ZONE, "disk", HOST]),
            "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
            "labelSelector": st.just({"matchLabels": {"app": "web"}}),
            "nodeAffinityPolicy": st.sampled_from(["Honor", "Ignore"]),
            "nodeTaintsPolicy": st.just("Honor"),
        }
    )
    sides = st.sampled_from(["podAffinity", "podAntiAffinity"])
    affinity = draw(st.one_of(st.just({}), st.dictionaries(sides, _rules(term), min_size=1, max_size=2)))
    return pod(
        name,
        namespace="a",
        meta=draw(st.sampled_from([{}, {}, {}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}])),
        priority=draw(st.sampled_from([0, 1, 9])),
        labels={"app": draw(st.sampled_from(["web", "db"]))},
        affinity=affinity,
        topologySpreadConstraints=draw(st.lists(rule, max_size=2)),
        nodeSelector=draw(st.sampled_from([{}, {}, {"disk": "ssd"}])),
        tolerations=draw(st.sampled_from([[], [{"operator": "Exists"}]])),
    )


def _rules(term: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    weighted = st.fixed_dictionaries({"weight": st.sampled_from([1, 10]), "podAffinityTerm": term})
    return st.one_of(
        st.fixed_dictionaries({REQUIRED: st.lists(term, min_size=1, max_size=2)}),
        st.fixed_dictionaries({PREFERRED: st.lists(weighted, min_size=1, max_size=2)}),
    )
