"""Aggregated ClusterRoles (admin, edit, view): their rules are those of the roles that their labels select.

Owns the rules of every ClusterRole with an aggregationRule. Woken by any change of a ClusterRole. Writes those rules.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from wherry.api.rbac.clusterrole import CLUSTERROLE
from wherry.api.types.rbac import ClusterRole, PolicyRule
from wherry.client.interface import Client
from wherry.machinery import selectors
from wherry.machinery.errors import Conflict, NotFound


async def keep_aggregated(client: Client) -> None:
    """For ever: follow ClusterRoles and keep the aggregated ones up to date."""
    roles: dict[str, ClusterRole] = {}
    synced = False
    async for event in client.watch(CLUSTERROLE):
        if event.obj is not None:
            if event.type == "DELETED":
                roles.pop(event.obj.metadata.name, None)
            else:
                roles[event.obj.metadata.name] = event.obj
        synced = synced or event.type == "SYNCED"
        if synced:
            await aggregate(client, roles)


async def aggregate(client: Client, roles: dict[str, ClusterRole]) -> None:
    """Write the rules of the aggregated roles that are not as they should be."""
    for role in list(roles.values()):
        if role.aggregation_rule is None:
            continue
        wanted = rules_for(role, roles)
        if wanted != role.rules:
            try:
                written = await client.replace(CLUSTERROLE, replace(role, rules=wanted))
                roles[role.metadata.name] = written
            except (Conflict, NotFound):
                await asyncio.sleep(0)  # the watch tells what it is now


def rules_for(role: ClusterRole, roles: dict[str, ClusterRole]) -> tuple[PolicyRule, ...]:
    """The rules that an aggregated role has, by name of where they come from, each once."""
    rule = role.aggregation_rule
    assert rule is not None
    found: dict[PolicyRule, None] = {}
    for name in sorted(roles):
        other = roles[name]
        if name != role.metadata.name and any(
            selectors.matches(s, other.metadata.labels) for s in rule.cluster_role_selectors
        ):
            found.update(dict.fromkeys(other.rules))
    return tuple(found)
