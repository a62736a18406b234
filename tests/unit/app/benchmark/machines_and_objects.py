"""What is wrong with nodes and with objects of the API, one thing at a time: sections 4 and 5."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tests.unit.app.benchmark.good import (
    ADMIN_BINDING,
    ADMIN_ROLE,
    CONFIG,
    GOOD,
    N1,
    NODE,
    PLANE,
    WORLD,
    named,
    node,
    plane,
    pod,
    world,
)
from wherry.app.benchmark.facts import Certificate, Door, Facts, File, Object
from wherry.app.config import PodSecurity


def with_file(path: str, mode: int, uid: int = 0) -> Facts:
    """The same with one file of the node as another."""
    changed = File(f"{NODE}/pki/{path}", mode, uid)
    return node(files=tuple(changed if one.path == changed.path else one for one in N1.files))


def door(**changed: Any) -> Facts:
    return node(door=replace(N1.door, **changed))


AGENT = N1.unit[0]
SETTINGS = N1.settings[0]
NODES = {
    "4.1.1": node(unit=(replace(AGENT, mode=0o644),)),
    "4.1.2": node(unit=(replace(AGENT, gid=1000),)),
    "4.1.3": with_file("client.key", 0o644),
    "4.1.4": with_file("client.key", 0o600, uid=1000),
    "4.1.5": with_file("client.key", 0o604),
    "4.1.6": with_file("client.crt", 0o600, uid=1000),
    "4.1.7": with_file("ca.crt", 0o666),
    "4.1.8": with_file("ca.crt", 0o644, uid=1000),
    "4.1.9": node(settings=(replace(SETTINGS, mode=0o644),)),
    "4.1.10": node(settings=(replace(SETTINGS, uid=1000),)),
    "4.2.1": door(nobody=200),
    "4.2.2": door(bystander=200),
    "4.2.3": door(stranger=200),
    "4.2.4": node(listeners=("0.0.0.0:10250", "0.0.0.0:10255")),
    "4.2.5": door(address="127.0.0.1:10251"),
    "4.2.6": node(tables=("ip wherry_policy",)),
    "4.2.7": node(hostname="another"),
    "4.2.8": node(name="n2"),
    "4.2.9": node(door=Door("127.0.0.1:10250", verified="self-signed certificate")),
    "4.2.10": node(certificates=(Certificate(f"{NODE}/pki/client.crt", 1.2),)),
    "4.2.11": node(certificates=(Certificate(f"{NODE}/pki/server.crt", 0.8),)),
    "4.2.12": door(weak=("AES128-SHA",)),
    "4.2.13": node(unlimited=("pod123",)),
    "4.2.14": node(unconfined=("pod123",)),
    "4.3.1": node(metrics=("0.0.0.0:10249",)),
}


def bound(rule: dict[str, Any], *, labels: dict[str, str] | None = None) -> Facts:
    """The same with a user who may do what a rule says."""
    role = named("new", rules=[rule])
    binding = named(
        "new", labels=labels, roleRef={"kind": "ClusterRole", "name": "new"}, subjects=[{"kind": "User", "name": "eve"}]
    )
    return world(
        cluster_roles=(*WORLD.cluster_roles, role), cluster_bindings=(*WORLD.cluster_bindings, binding)
    )  # fmt: skip


def rule(verb: str, resource: str, group: str = "") -> dict[str, Any]:
    return {"verbs": [verb], "apiGroups": [group], "resources": [resource]}


RBAC = "rbac.authorization.k8s.io"
EVE = replace(GOOD, world=replace(WORLD, cluster_bindings=({
    **ADMIN_BINDING, "subjects": [*ADMIN_BINDING["subjects"], {"kind": "User", "name": "eve"}],
},)))  # fmt: skip
DEFAULT_ACCOUNT = world(
    pods=(pod(serviceAccountName="default"),), service_accounts=(named("default", "shop"), named("web", "shop"))
)
MASTER = named("again", roleRef=ADMIN_BINDING["roleRef"], subjects=[{"kind": "Group", "name": "system:masters"}])
RIGHTS = {
    "5.1.1": EVE,
    "5.1.2": bound(rule("list", "secrets"), labels={"kubernetes.io/bootstrapping": "rbac-defaults"}),
    "5.1.3": world(cluster_roles=(ADMIN_ROLE, named("lazy", rules=[rule("*", "pods")]))),
    "5.1.4": plane(may=dict(PLANE.may) | {"everybody who is known make pods": True}),
    "5.1.5": DEFAULT_ACCOUNT,
    "5.1.6": world(bindings=()),
    "5.1.7": world(cluster_bindings=(ADMIN_BINDING, MASTER)),
    "5.1.8": bound(rule("escalate", "clusterroles", RBAC)),
    "5.1.9": bound(rule("create", "persistentvolumes")),
    "5.1.10": bound(rule("get", "nodes/proxy")),
    "5.1.11": bound(rule("update", "certificatesigningrequests/approval", "certificates.k8s.io")),
    "5.1.12": bound(rule("*", "mutatingwebhookconfigurations", "admissionregistration.k8s.io")),
    "5.1.13": bound(rule("create", "*/token")),
}


def runs(container: dict[str, Any] | None = None, **spec: Any) -> Facts:
    """The same with a pod that is different."""
    return world(pods=(pod(container=container, **spec),))


def secured(**context: Any) -> Facts:
    """The same with a container that is secured otherwise."""
    usual = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}}
    return runs({"securityContext": usual | context})


def enforced(level: str) -> Facts:
    """The same where namespaces enforce no more than that."""
    return replace(GOOD, config=msgspec.structs.replace(CONFIG, pod_security=PodSecurity(enforce=level)))


PODS = {
    "5.2.1": replace(enforced("privileged"), world=replace(WORLD, hooks=())),
    "5.2.2": secured(privileged=True),
    "5.2.3": runs(hostPID=True),
    "5.2.4": runs(hostIPC=True),
    "5.2.5": runs(hostNetwork=True),
    "5.2.6": secured(allowPrivilegeEscalation=True),
    "5.2.7": secured(runAsNonRoot=None),
    "5.2.8": secured(capabilities={"drop": ["ALL"], "add": ["NET_RAW"]}),
    "5.2.9": secured(capabilities={"drop": ["KILL"]}),
    "5.2.10": secured(windowsOptions={"hostProcess": True}),
    "5.2.11": runs(volumes=[{"name": "etc", "hostPath": {"path": "/etc"}}]),
    "5.2.12": runs({"ports": [{"containerPort": 80, "hostPort": 80}]}),
}
SECRET_REF: Object = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password", "key": "k"}}}
POLICIES = {
    "5.3.1": node(tables=("ip wherry",)),
    "5.3.2": world(network_policies=(named("deny", "default"),)),
    "5.4.1": runs({"env": [SECRET_REF]}),
    "5.4.2": world(secrets=(("shop/password", "Opaque"), ("shop/tls", "kubernetes.io/tls"))),
    "5.5.1": world(hooks=()),
    "5.6.1": world(pods=(pod(), pod("db"))),
    "5.6.2": runs(securityContext={}),
    "5.6.3": runs({"securityContext": {}}),
    "5.6.4": world(pods=(pod("web", "default"),)),
}
OPEN_TO_BASELINE = enforced("baseline")
OPEN_TO_ALL = enforced("privileged")
WRONG = {**NODES, **RIGHTS, **PODS, **POLICIES}
