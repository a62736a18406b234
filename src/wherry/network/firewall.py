"""Firewall: keeps one node's network policies in force, for each pod from before its first process to after its last.

Woken by: NetworkPolicies; and, only while there are any, Pods and Namespaces (nobody watches all pods for nothing).
Writes: the table `ip wherry_policy` of the namespace the process is in. `guarded(pod, ip)` is what the node agent
awaits between making a pod's sandbox and its first container: when it returns, every policy that was acknowledged
before the pod was, is in force at that address. `released(uid)` is told when nothing of a pod runs any more.
Invariants: a restart replaces the table in one transaction, and not before it is known which pods run here, so policies
are never off; while the policies are not known, `guarded` waits; a pod whose object goes before its processes stays
isolated, and may nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from wherry.aio.backoff import Backoff
from wherry.aio.clock import Clock
from wherry.api.core.namespace import NAMESPACE
from wherry.api.core.pod import POD
from wherry.api.networking.networkpolicy import NETWORKPOLICY
from wherry.api.types.core import Namespace, Pod
from wherry.api.types.networking import NetworkPolicy
from wherry.client.interface import Client, Select
from wherry.host import nft
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Object, key_of
from wherry.network import policy
from wherry.network.membership import Membership
from wherry.network.rules import policy as rules
from wherry.network.rules.standing import Standing, listed
from wherry.reconcile.cache import Caches, Pace

log = logging.getLogger(__name__)

_GATHER = 0.01
_PATIENCE = 3.0
_DNS = "dns"

Addresses = Callable[[], Awaitable[Mapping[str, str]]]
"""The addresses of the sandboxes that are on the node, by pod uid."""


async def nothing_runs() -> Mapping[str, str]:
    """The addresses on a node without sandboxes."""
    return {}


class Firewall:
    """The network policies of one node. `dns` is the cluster's DNS address. `running` says what runs here; every `look`
    seconds it is seen whether the table is still there: other programs flush what is not theirs."""

    def __init__(
        self, client: Client, clock: Clock, node: str, dns: str, running: Addresses = nothing_runs, look: float = 30.0
    ) -> None:
        self._client = client
        self._clock = clock
        self._node = node
        self._running = running
        self._look = look
        self._policies = Caches((NETWORKPOLICY,))
        self._others = Caches((POD, NAMESPACE))
        self._fresh: dict[str, str] = {}
        """uid -> the address this node gave to a pod that has not ended."""
        self._asked: dict[str, tuple[str, int]] = {}
        """uid -> that address, and the number of the change that has to be done for it to be guarded."""
        self._before: dict[str, str] = {}
        """uid -> the address of its sandbox when this process began."""
        self._looked = asyncio.Event()
        self._wake = asyncio.Event()
        self._wanted = 0
        self._done = 0
        self._moved = asyncio.Condition()
        self._members = Membership()
        self._members.put_pod(_DNS, policy.dns_member(dns))
        self._rules = rules.Ruleset()
        self._there = False
        self._whole = True
        self._policies.of(NETWORKPOLICY).listen(self._on_policy)
        self._others.of(POD).listen(self._on_pod)
        self._others.of(NAMESPACE).listen(self._on_namespace)

    # --- what is told

    def _on_policy(self, old: Object | None, new: Object | None) -> None:
        one = new or old
        if isinstance(one, NetworkPolicy):
            found = policy.read(new) if isinstance(new, NetworkPolicy) else None
            self._members.put_policy(one.metadata.namespace, one.metadata.name, found)
            self._ask()

    def _on_namespace(self, old: Object | None, new: Object | None) -> None:
        one = new or old
        if isinstance(one, Namespace):
            labels = new.metadata.labels if isinstance(new, Namespace) else None
            self._members.put_namespace(one.metadata.name, labels)
            self._ask()

    def _on_pod(self, old: Object | None, new: Object | None) -> None:
        if isinstance(new, Pod) and isinstance(old, Pod) and _same(old, new):
            return
        one = new or old
        if not isinstance(one, Pod):
            return
        uid = one.metadata.uid
        if isinstance(new, Pod):
            self._put(new)
        elif uid in self._fresh:
            self._members.shut(uid)  # what it started is still to be ended
        else:
            self._members.put_pod(uid, None)
        self._ask()

    def _put(self, pod: Pod) -> None:
        """A pod as the API knows it; where this node gave it an address, that address."""
        uid = pod.metadata.uid
        one = policy.member(pod, self._fresh.get(uid, ""))
        self._members.put_pod(uid, one, local=pod.spec.node_name == self._node)

    def _ask(self) -> int:
        self._wanted += 1
        self._wake.set()
        return self._wanted

    async def guarded(self, pod: Pod, ip: str) -> None:
        """Wait until the policies on this pod of this node, at its new address, are in force."""
        if pod.spec.host_network or not ip:
            return
        uid = pod.metadata.uid
        self._fresh[uid] = ip
        asked = self._asked.get(uid)
        if asked is None or asked[0] != ip:
            if not await self._answered(uid, ip):
                return
            if asked is None:
                await self._caught_up(pod)
            self._members.put_pod(uid, policy.member(self._newest(pod), ip), local=True)
            asked = self._asked[uid] = (ip, self._ask())
        number = asked[1]
        async with self._moved:
            await self._moved.wait_for(lambda: self._done >= number)

    def _newest(self, pod: Pod) -> Pod:
        """The pod as last seen by either watch."""
        seen = self._others.of(POD).objects.get(key_of(pod), pod)
        return seen if seen.metadata.uid == pod.metadata.uid and _revision(seen) > _revision(pod) else pod

    async def _answered(self, uid: str, ip: str) -> bool:
        """Wait until the policies are known. They may not come while the API is away: a pod that was there before this
        process goes on with what was in force, and is in force still; then False."""
        synced = self._policies.of(NETWORKPOLICY).synced
        await self._looked.wait()
        if self._before.get(uid) != ip:
            await synced.wait()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await synced.wait()
        return synced.is_set()

    async def _caught_up(self, pod: Pod) -> None:
        """Wait until every policy of the pod's namespace that is older than the pod has been seen: the pod's watch may
        be ahead of the policies'."""
        seen = self._policies.of(NETWORKPOLICY)
        made = _revision(pod)
        backoff = Backoff(self._clock, cap=1.0)
        newest = 0
        while seen.revision < made:
            try:
                there = await self._client.list(NETWORKPOLICY, Select(namespace=pod.metadata.namespace))
            except APIError as error:
                log.warning("network policies for %s: %s", pod.metadata.name, error)
                await asyncio.sleep(backoff.failed())
                continue
            newest = max(map(_revision, there.items), default=0)
            break
        await seen.wait_until(lambda: seen.revision >= newest)

    def released(self, uid: str) -> None:
        """Nothing of this pod runs any more, and its address may go to another."""
        self._asked.pop(uid, None)
        self._before.pop(uid, None)
        if self._fresh.pop(uid, ""):
            self._members.put_pod(uid, None)
            self._ask()

    # --- what is done

    async def run(self) -> None:
        """Keep the rules until cancelled."""
        if not self._looked.is_set():
            self._before = dict(await self._running())
            self._looked.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._policies.follow(self._client, self._clock, Pace(self._clock)))
            await self._policies.synced((NETWORKPOLICY,))
            following = False
            backoff = Backoff(self._clock, cap=5.0)
            self._whole = True
            self._ask()
            while True:
                await self._woken()
                if self._policies.of(NETWORKPOLICY).objects and not following:
                    group.create_task(self._others.follow(self._client, self._clock, Pace(self._clock)))
                    following = True
                    await self._others.synced((POD, NAMESPACE))
                    await self._recognise()
                self._wake.clear()
                try:
                    await self._apply()
                except nft.NftError as error:
                    log.error("network policies: %s", error)  # noqa: TRY400 - the message says it all
                    self._whole = True
                    self._wake.set()
                    await asyncio.sleep(backoff.failed())
                await asyncio.sleep(_GATHER if following else 0)

    async def _recognise(self) -> None:
        """Pods that run here since before this process: an address may not be in the API yet, or the pod no longer."""
        pods = {pod.metadata.uid: pod for pod in self._others.of(POD).list()}
        for uid, ip in (await self._running()).items():
            if uid in self._fresh:
                continue
            pod = pods.get(uid)
            if pod is None:
                self._members.shut_address(uid, ip)
            elif not pod.spec.host_network:
                self._fresh[uid] = ip
                self._put(pod)

    async def _woken(self) -> None:
        """Wait for something to do; losing the table is something to do."""
        while not self._wake.is_set():
            try:
                async with asyncio.timeout(self._look):
                    await self._wake.wait()
            except TimeoutError:
                if self._there and not await asyncio.to_thread(_intact):
                    log.warning("table ip %s was removed by another program; putting it back", rules.TABLE)
                    self._whole = True
                    self._wake.set()

    async def _apply(self) -> None:
        number = self._wanted
        await self._commit()
        async with self._moved:
            self._done = number
            self._moved.notify_all()

    async def _commit(self) -> None:
        """Bring the kernel to what is wanted. The table is there only while something is isolated."""
        anew = self._whole or not self._there
        there = listed(await asyncio.to_thread(nft.outline, rules.TABLE)) if anew else Standing()
        self._members.settle()
        was_there, self._there, self._whole = self._there, bool(self._members.verdicts), False
        if not self._there:
            wanted: tuple[str, ...] = (rules.remove(),) if was_there or there else ()
        elif anew:
            if await _accepted(self._rules.refill(self._members, there)):
                return
            self._members.settle()
            wanted = (self._rules.whole(self._members),)
        else:
            wanted = self._rules.take(self._members)
        await asyncio.to_thread(_run, wanted)


def _run(transactions: Sequence[str]) -> None:
    for text in transactions:
        nft.run(text)


async def _accepted(transactions: Sequence[str]) -> bool:
    """Whether there were any and the kernel took them."""
    try:
        await asyncio.to_thread(_run, transactions)
    except nft.NftError as error:
        log.info("%s; replacing the table of network policies", error)
        return False
    return bool(transactions)


def _intact() -> bool:
    try:
        nft.run(f"list chain ip {rules.TABLE} input\n")
    except nft.NftError:
        return False
    return True


def _revision(one: Object) -> int:
    text = one.metadata.resource_version
    return int(text) if text.isdecimal() else 0


def _same(old: Pod, new: Pod) -> bool:
    """Whether policies see no difference."""
    return (
        old.metadata.labels == new.metadata.labels
        and old.status.pod_ip == new.status.pod_ip
        and old.status.phase == new.status.phase
        and old.spec.node_name == new.spec.node_name
    )
