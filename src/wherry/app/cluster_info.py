"""What a machine that wants to join finds: where the API is and its CA, and how the cluster's networks are.

Owns: ConfigMap kube-public/cluster-info (a kubeconfig without a user, readable by everybody and signed with each
bootstrap token by the bootstrap signer), ConfigMap kube-system/wherry-cluster (readable with a token), and the rights
of bootstrap tokens (`grants.py`). Woken by: time. Writes only what differs.
https://kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details/#create-the-public-cluster-info-configmap
"""

from __future__ import annotations

import asyncio
import base64
import logging
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from wherry.api.core.bootstrap_token import CONTENT, INFO, INFO_NAMESPACE, NAMESPACE
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.rbac.clusterrole import CLUSTERROLE
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.rbac.role import ROLE
from wherry.api.rbac.rolebinding import ROLEBINDING
from wherry.api.types.core import ConfigMap
from wherry.api.types.rbac import Subject
from wherry.app import addresses, grants
from wherry.app.config import Config
from wherry.app.published import ensure, match
from wherry.client.interface import Client
from wherry.host import kubeconfig
from wherry.machinery.errors import APIError, Conflict, NotFound
from wherry.machinery.meta import ObjectMeta

log = logging.getLogger(__name__)
EVERY = 10.0
CLUSTER, SETTINGS = "wherry-cluster", "settings"
_ANYBODY = Subject(api_group=grants.RBAC, kind="User", name="system:anonymous")
_JOINING = Subject(api_group=grants.RBAC, kind="Group", name=grants.NODE_BOOTSTRAPPERS)


class Shared(msgspec.Struct, frozen=True):
    """What every node must be told alike; fields as in `Config`."""

    pod_cidr: str
    service_cidr: str
    dns_address: str
    cluster_domain: str
    agent_port: int
    node_ports: tuple[int, int]


def shared(config: Config) -> Shared:
    """The cluster's own."""
    return Shared(*(getattr(config, name) for name in Shared.__struct_fields__))


async def publish(config: Config, client: Client, authority: Path) -> None:
    """Keep it as it should be, until cancelled. `authority`: file with the cluster's CA."""
    while True:
        try:
            await _publish(config, client, authority)
        except (Conflict, NotFound) as error:
            log.debug("cluster-info: %s", error)
            await asyncio.sleep(0.2)
            continue
        except APIError as error:
            log.warning("cluster-info cannot be published: %s", error)
        await asyncio.sleep(EVERY)


async def _publish(config: Config, client: Client, authority: Path) -> None:
    for cluster_role in (grants.GET_NODES, grants.APPROVE_SERVING):
        await ensure(client, CLUSTERROLE, cluster_role)
    for binding in (*grants.BOOTSTRAP_BINDINGS, grants.APPROVE_SERVING_BINDING):
        await ensure(client, CLUSTERROLEBINDING, binding)
    for namespace, name, who in ((INFO_NAMESPACE, INFO, _ANYBODY), (NAMESPACE, CLUSTER, _JOINING)):
        role, bound = grants.readable(namespace, name, who)
        await ensure(client, ROLE, role)
        await ensure(client, ROLEBINDING, bound)
    text = msgspec.json.encode(shared(config)).decode()
    await match(client, CONFIGMAP, _config_map(NAMESPACE, CLUSTER, {SETTINGS: text}))
    address = await asyncio.to_thread(addresses.primary) or IPv4Address(config.bridge_address)
    trusted = await asyncio.to_thread(authority.read_bytes)
    content = kubeconfig.render(public(f"https://{address}:{config.port}", trusted))
    present = await ensure(client, CONFIGMAP, _config_map(INFO_NAMESPACE, INFO, {CONTENT: content}))
    if present.data.get(CONTENT) != content:
        await client.replace(CONFIGMAP, replace(present, data={**present.data, CONTENT: content}))


def public(server: str, authority: bytes) -> dict[str, Any]:
    """A kubeconfig that says where the cluster is and whom to trust, and names no user."""
    cluster = {"certificate-authority-data": base64.b64encode(authority).decode(), "server": server}
    return {"apiVersion": "v1", "kind": "Config", "clusters": [{"cluster": cluster, "name": ""}]}


def _config_map(namespace: str, name: str, data: dict[str, str]) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data=data)
