"""What every cluster has from its first start: namespaces, RBAC roles and bindings, priority classes,
the network of Services.

Runs at each start, as system:masters, and writes only what is missing; of RBAC roles and bindings it also restores
rules and subjects that were taken away, unless the object is annotated
`rbac.authorization.kubernetes.io/autoupdate: "false"`.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from msgspec.structs import replace

from wherry.api.core.namespace import NAMESPACE
from wherry.api.networking.servicecidr import SERVICECIDR
from wherry.api.rbac.clusterrole import CLUSTERROLE
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.rbac.role import ROLE
from wherry.api.rbac.rolebinding import ROLEBINDING
from wherry.api.scheduling.priorityclass import PRIORITYCLASS
from wherry.api.types.core import Namespace
from wherry.api.types.networking import ServiceCIDR, ServiceCIDRSpec
from wherry.api.types.rbac import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from wherry.api.types.scheduling import PriorityClass
from wherry.apiserver.authz.rules import uncovered
from wherry.client.interface import Client
from wherry.machinery.errors import AlreadyExists, NotFound
from wherry.machinery.meta import Key, LabelSelector, Object, ObjectMeta, T, key_of
from wherry.machinery.resource import Resource

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
_RBAC = "rbac.authorization.k8s.io"
_PRIORITIES = (
    ("system-cluster-critical", 2_000_000_000, "Used for system critical pods that must run in the cluster, but can be "
     "moved to another node if necessary."),
    ("system-node-critical", 2_000_001_000, "Used for system critical pods that must not be moved from their current "
     "node."),
)  # fmt: skip


async def bootstrap(client: Client, service_cidr: str) -> None:
    """Bring about everything above. `service_cidr`: where addresses of Services come from."""
    async with asyncio.TaskGroup() as group:  # together, so that they share commits
        for name in NAMESPACES:
            group.create_task(_ensure(client, NAMESPACE, Namespace(metadata=ObjectMeta(name=name))))
        for name, value, description in _PRIORITIES:
            priority = PriorityClass(metadata=ObjectMeta(name=name), value=value, description=description)
            group.create_task(_ensure(client, PRIORITYCLASS, priority))
        network = ServiceCIDR(metadata=ObjectMeta(name="kubernetes"), spec=ServiceCIDRSpec(cidrs=(service_cidr,)))
        group.create_task(_ensure(client, SERVICECIDR, network))
    async with asyncio.TaskGroup() as group:
        for resource, obj in rbac_objects():
            group.create_task(_ensure_rbac(client, resource, obj))


async def _ensure(client: Client, resource: Resource[T], obj: T) -> None:
    try:
        await client.get(resource, key_of(obj))
    except NotFound:
        try:
            await client.create(resource, obj)
        except AlreadyExists:
            return


async def _ensure_rbac(client: Client, resource: Resource[Any], wanted: Any) -> None:
    try:
        present: Any = await client.get(resource, Key(wanted.metadata.namespace, wanted.metadata.name))
    except NotFound:
        await client.create(resource, wanted)
        return
    if present.metadata.annotations.get(AUTOUPDATE) == "false":
        return
    repaired = _repaired(present, wanted)
    if repaired is not present:
        await client.replace(resource, repaired)


def _repaired(present: Any, wanted: Any) -> Any:
    """The present object with what it lacks."""
    if isinstance(wanted, (ClusterRole, Role)):
        if isinstance(wanted, ClusterRole) and wanted.aggregation_rule is not None:
            return present
        missing = uncovered(present.rules, wanted.rules)
        return replace(present, rules=(*present.rules, *missing)) if missing else present
    lacking = [s for s in wanted.subjects if s not in present.subjects]
    return replace(present, subjects=(*present.subjects, *lacking)) if lacking else present


def rbac_objects() -> Iterator[tuple[Resource[Any], Object]]:
    """Every default role and binding, roles first."""
    table = json.loads(resources.files("wherry.apiserver.authz").joinpath("bootstrap.json").read_text())
    for namespace, name, labels, aggregate, rows in table["roles"]:
        meta = _meta(namespace, name, labels)
        rules = tuple(_rule(row) for row in rows)
        if namespace:
            yield ROLE, Role(metadata=meta, rules=rules)
        else:
            yield CLUSTERROLE, ClusterRole(metadata=meta, rules=rules, aggregation_rule=_aggregation(aggregate))
    for namespace, name, role_kind, role, subjects in table["bindings"]:
        meta = _meta(namespace, name, ())
        ref = RoleRef(api_group=_RBAC, kind=role_kind, name=role)
        who = tuple(_subject(*subject) for subject in subjects)
        if namespace:
            yield ROLEBINDING, RoleBinding(metadata=meta, role_ref=ref, subjects=who)
        else:
            yield CLUSTERROLEBINDING, ClusterRoleBinding(metadata=meta, role_ref=ref, subjects=who)


def _meta(namespace: str, name: str, labels: Any) -> ObjectMeta:
    own = {**_LABELS, **{f"{_AGGREGATE}{label}": "true" for label in labels}}
    return ObjectMeta(name=name, namespace=namespace, labels=own, annotations={AUTOUPDATE: "true"})


def _aggregation(names: list[str]) -> AggregationRule | None:
    if not names:
        return None
    selectors = tuple(LabelSelector(match_labels={f"{_AGGREGATE}{name}": "true"}) for name in names)
    return AggregationRule(cluster_role_selectors=selectors)


def _rule(row: list[list[str]]) -> PolicyRule:
    verbs, groups, plurals, names, urls = map(tuple, row)
    return PolicyRule(verbs=verbs, api_groups=groups, resources=plurals, resource_names=names, non_resource_urls=urls)


def _subject(kind: str, namespace: str, name: str) -> Subject:
    group = "" if kind == "ServiceAccount" else _RBAC
    return Subject(kind=kind, namespace=namespace, name=name, api_group=group)
