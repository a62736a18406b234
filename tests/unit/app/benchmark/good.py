"""Facts of a cluster with which nothing is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wherry.app.benchmark.facts import Audit, Certificate, Door, Facts, File, Node, Object, Plane, World
from wherry.app.config import Config, PodSecurity

ROOT = "/var/lib/wherry"
SERVER = f"{ROOT}/server"
PKI = f"{SERVER}/pki"
NODE = f"{ROOT}/nodes/n1"
UNIT = File("/run/wherry/units/server.json", 0o600)

PLANE = Plane(
    unit=(UNIT,),
    files=(
        File(f"{ROOT}/cluster.json", 0o600), File(SERVER, 0o700, folder=True), File(f"{SERVER}/state.db", 0o600),
        File(f"{SERVER}/admin.kubeconfig", 0o600), File(PKI, 0o700, folder=True), File(f"{PKI}/ca.crt", 0o644),
        File(f"{PKI}/ca.key", 0o600), File(f"{PKI}/sa.key", 0o600), File(f"{PKI}/seal.key", 0o600),
    ),
    door=Door("127.0.0.1:6443", bystander=None),
    listeners=("0.0.0.0:6443",),
    debugging={"/debug/pprof/": 404},
    admission={"DenyServiceExternalIPs": 403, "ServiceAccount": 403, "NamespaceLifecycle": 404, "NodeRestriction": 403},
    plugins=("EventRateLimit", "PodSecurity"),
    always_pulls=True,
    may={
        "a stranger list pods": False, "a node read its own Node": True, "the scheduler bind pods": True,
        "everybody who is known read Secrets": False, "everybody who is known make pods": False,
    },
    ghost=False,
    token_seconds=3607,
    token_keys=("one",),
    agents={"n1": 200},
    plaintext=(),
    sought=1,
    body_seconds=30.0,
    access=(),
    identities=("system:serviceaccount:kube-system:deployment-controller",),
    audit=Audit({"Secrets are read": "Metadata", "a pod is made": "Metadata"}, written=True),
)  # fmt: skip
N1 = Node(
    name="n1", hostname="n1", unit=(File("/run/wherry/units/agent-n1.json", 0o600),),
    files=(
        File(f"{NODE}/pki", 0o700, folder=True), File(f"{NODE}/pki/ca.crt", 0o644),
        File(f"{NODE}/pki/client.crt", 0o600), File(f"{NODE}/pki/client.key", 0o600),
        File(f"{NODE}/pki/server.crt", 0o600), File(f"{NODE}/pki/server.key", 0o600),
        File(f"{NODE}/cni/10-wherry.conflist", 0o600),
    ),
    settings=(File(f"{ROOT}/cluster.json", 0o600),),
    door=Door("127.0.0.1:10250"),
    listeners=(":::10250", "10.96.0.10:53"),
    metrics=(),
    certificates=(Certificate(f"{NODE}/pki/client.crt", 0.1), Certificate(f"{NODE}/pki/server.crt", 0.1)),
    tables=("ip wherry_policy", "ip wherry"),
    unlimited=(),
    unconfined=(),
)  # fmt: skip


def named(name: str, namespace: str = "", labels: dict[str, str] | None = None, **fields: Any) -> Object:
    """An object of the API."""
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **({"labels": labels} if labels else {})}
    return {"metadata": meta, **fields}


def pod(name: str = "web", namespace: str = "shop", container: dict[str, Any] | None = None, **spec: Any) -> Object:
    """A pod that meets the restricted standard, unless told otherwise."""
    own = {
        "name": "one",
        "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"seccompProfile": {"type": "RuntimeDefault"}}
    whole = {"securityContext": security, "serviceAccountName": "web", "containers": [own | (container or {})], **spec}
    return named(name, namespace, spec=whole, status={"phase": "Running"})


ADMIN_BINDING = named(
    "cluster-admin", labels={"kubernetes.io/bootstrapping": "rbac-defaults"},
    roleRef={"kind": "ClusterRole", "name": "cluster-admin"},
    subjects=[{"kind": "Group", "name": "system:masters"}],
)  # fmt: skip
ADMIN_ROLE = named("cluster-admin", rules=[{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])
VIEW = named("view", rules=[{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}])
WEB_BINDING = named(
    "web", "shop", roleRef={"kind": "ClusterRole", "name": "view"},
    subjects=[{"kind": "ServiceAccount", "namespace": "shop", "name": "web"}],
)  # fmt: skip
WORLD = World(
    namespaces=(named("kube-system"), named("default"), named("shop")),
    pods=(pod(),),
    service_accounts=(named("default", "shop", automountServiceAccountToken=False), named("web", "shop")),
    roles=(),
    bindings=(WEB_BINDING,),
    cluster_roles=(ADMIN_ROLE, VIEW),
    cluster_bindings=(ADMIN_BINDING,),
    network_policies=(named("deny", "shop"), named("deny", "default")),
    secrets=(("shop/password", "Opaque"),),
    services=(named("kubernetes", "default"),),
    requests=(),
    hooks=(named("provenance", webhooks=[{"rules": [{"resources": ["pods"]}]}]),),
    authorities={"default": True, "kube-system": True, "shop": True},
)
CONFIG = Config(hostname="n1", pod_security=PodSecurity(enforce="restricted"))
GOOD = Facts(CONFIG, (N1,), PLANE, WORLD)


def plane(**changed: Any) -> Facts:
    """The same with another control plane."""
    return replace(GOOD, plane=replace(PLANE, **changed))


def node(**changed: Any) -> Facts:
    """The same with another node."""
    return replace(GOOD, nodes=(replace(N1, **changed),))


def world(**changed: Any) -> Facts:
    """The same with other objects."""
    return replace(GOOD, world=replace(WORLD, **changed))
