"""Firewall: keeps one node's network policies in force, for each pod before its first process starts.

Woken by: NetworkPolicies; and, only while there are any, Pods and Namespaces (nobody watches all pods for nothing).
Writes: the table `ip wherry_policy` of the namespace the process is in. `guarded(pod, ip)` is what the node agent
awaits between making a pod's sandbox and its first container: when it returns, the rules for that address are in force.
Invariants: a restart replaces the table in one transaction, so policies are never off; while the policies are not yet
known, `guarded` waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.networking.networkpolicy import NETWORKPOLICY
from wherry.api.types.core import Pod
from wherry.client.interface import Client
from wherry.host import nft
from wherry.machinery.meta import Object
from wherry.network import policy
from wherry.network.policy import Member, Picture, Verdicts
from wherry.network.rules import policy as rules
from wherry.reconcile.cache import Caches, Pace

log = logging.getLogger(__name__)

_GATHER = 0.01


class Firewall:
    """The network policies of one node. `dns` is the cluster's DNS address."""

    def __init__(self, client: Client, clock: Clock, node: str, dns: str) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._dns = dns
        self._policies = Caches((NETWORKPOLICY,))
        self._others = Caches((POD, NAMESPACE))
        self._fresh: dict[str, tuple[Pod, str]] = {}
        self._wake = asyncio.Event()
        self._wanted = 0
        self._done = 0
        self._moved = asyncio.Condition()
        self._applied: Mapping[str, Verdicts] | None = None
        for caches in (self._policies, self._others):
            for informer in caches:
                informer.listen(self._on_change)

    def _on_change(self, old: Object | None, new: Object | None) -> None:
        if isinstance(new, Pod) and isinstance(old, Pod) and _same(old, new):
            return
        if isinstance(old, Pod) and new is None:
            self._fresh.pop(old.metadata.uid, None)
        self._ask()

    def _ask(self) -> int:
        self._wanted += 1
        self._wake.set()
        return self._wanted

    async def guarded(self, pod: Pod, ip: str) -> None:
        """Wait until the policies on this pod of this node, at its new address, are in force."""
        policies = self._policies.of(NETWORKPOLICY)
        if pod.spec.host_network or not ip or (self._done and policies.synced.is_set() and not policies.objects):
            return
        known = self._fresh.get(pod.metadata.uid)
        if known is not None and known[1] == ip and self._done and not self._wake.is_set():
            return
        self._fresh[pod.metadata.uid] = (pod, ip)
        number = self._ask()
        async with self._moved:
            await self._moved.wait_for(lambda: self._done >= number)

    async def run(self) -> None:
        """Keep the rules until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._policies.follow(self._client, self._clock, Pace(self._clock)))
            await self._policies.synced((NETWORKPOLICY,))
            following = False
            backoff = Backoff(self._clock, cap=5.0)
            self._ask()
            while True:
                await self._wake.wait()
                if self._policies.of(NETWORKPOLICY).objects and not following:
                    group.create_task(self._others.follow(self._client, self._clock, Pace(self._clock)))
                    following = True
                    await self._others.synced((POD, NAMESPACE))
                self._wake.clear()
                try:
                    await self._apply()
                except nft.NftError as error:
                    log.error("network policies: %s", error)  # noqa: TRY400 - the message says it all
                    self._wake.set()
                    await asyncio.sleep(backoff.failed())
                await asyncio.sleep(_GATHER if following else 0)

    async def _apply(self) -> None:
        number = self._wanted
        verdicts = self._verdicts()
        if verdicts != self._applied:
            await asyncio.to_thread(nft.run, rules.whole(verdicts) if verdicts else rules.remove())
            self._applied = verdicts
        async with self._moved:
            self._done = number
            self._moved.notify_all()

    def _verdicts(self) -> dict[str, Verdicts]:
        """Of this node's isolated pods, by address."""
        policies = self._policies.of(NETWORKPOLICY).list()
        if not policies:
            return {}
        pods = self._others.of(POD).list()
        members = {p.metadata.uid: m for p in pods if (m := policy.member(p)) is not None}
        local = {p.metadata.uid for p in pods if p.spec.node_name == self._node} | self._fresh.keys()
        for uid, (pod, ip) in self._fresh.items():
            if (found := policy.member(pod, ip)) is not None:
                members.setdefault(uid, found)
        everyone = (*members.values(), policy.dns_member(self._dns))
        namespaces = {n.metadata.name: n for n in self._others.of(NAMESPACE).list()}
        picture = Picture(policies, everyone, namespaces)
        found_all: dict[str, Verdicts] = {}
        for uid in local:
            one: Member | None = members.get(uid)
            if one is not None:
                verdicts = picture.verdicts(one)
                if verdicts != Verdicts():
                    found_all[one.address] = verdicts
        return found_all


def _same(old: Pod, new: Pod) -> bool:
    """Whether policies see no difference."""
    return (
        old.metadata.labels == new.metadata.labels
        and old.status.pod_ip == new.status.pod_ip
        and old.status.phase == new.status.phase
        and old.spec.node_name == new.spec.node_name
    )
