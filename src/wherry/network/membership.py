"""Membership: which pods are in which groups of network policies, and what each pod of this node may. Pure.

Kept up to date change by change: a pod costs one look at each group that this node's rules use, whatever else there
is. Only groups that a policy on a pod of this node refers to are kept. An address belongs to one pod at a time, the one
that came to it last: what is still said of the one before does not count.

A pod of this node whose object has gone while it may still run is `shut`: where it was isolated, nothing may any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wherry.network.policy import Group, Isolation, Labels, Member, Name, Part


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one pod of this node may, by the policies that select it: None is everything, () nothing."""

    ingress: tuple[Part, ...] | None = None
    egress: tuple[Part, ...] | None = None


FREE = Verdict()
SHUT = Verdict((), ())


class Membership:
    """Everything policies refer to, and what follows for one node. Read `verdicts`, `groups` and `named` after
    `settle`; `moved` are the groups and names that others joined or left since `moved` was last cleared."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Verdict] = {}
        """This node's isolated pods, by address."""
        self.judged = 0
        """How often `verdicts` has changed."""
        self.groups: dict[Group, set[str]] = {}
        """The addresses in each group in use."""
        self.named: dict[Name, set[tuple[str, int]]] = {}
        """For each port name in use, the addresses that have it, each with its number for it."""
        self.moved: set[Group | Name] = set()
        self._near: dict[str, list[Group]] = {}
        """The groups in use by the one namespace whose pods may be in them, or ""."""
        self._members: dict[str, Member] = {}
        self._owners: dict[str, str] = {}
        self._passed: dict[str, str] = {}
        self._in_namespace: dict[str, set[str]] = {}
        self._namespaces: dict[str, Labels] = {}
        self._policies: dict[str, dict[str, Isolation]] = {}
        self._local: set[str] = set()
        self._shut: dict[str, Verdict] = {}
        self._stale = False

    # --- what changes

    def put_pod(self, uid: str, one: Member | None, *, local: bool = False) -> None:
        """A pod as it is now; None: it has no address (any more), and nothing of it runs."""
        if local:
            self._local.add(uid)
        before = self._members.get(uid)
        if one is None:
            self._passed.pop(uid, None)
        if one == before:
            return
        if one is not None and self._passed.get(uid) == one.address and self._owners.get(one.address):
            return  # the address has gone on to another
        if before is not None:
            self._leave(uid, before)
        if one is None:
            self._local.discard(uid)
            return
        self._take_over(uid, one.address)
        self._members[uid] = one
        self._in_namespace.setdefault(one.namespace, set()).add(uid)
        self._sort(one, present=True)
        self._judge(uid)

    def shut(self, uid: str) -> None:
        """A pod of this node is gone from the API, but what it started may still run."""
        one = self._members.get(uid)
        before = self.verdicts.get(one.address) if one else None
        self.put_pod(uid, None)
        if one is not None and before is not None:
            self.shut_address(
                uid,
                one.address,
                Verdict(None if before.ingress is None else (), None if before.egress is None else ()),
            )

    def shut_address(self, uid: str, address: str, verdict: Verdict = SHUT) -> None:
        """Something of a pod that nobody knows has this address."""
        if address not in self._owners:
            self._owners[address] = uid
            self._shut[uid] = verdict
            self._members[uid] = Member("", {}, address)
            self._local.add(uid)
            self._set(address, verdict)

    def put_namespace(self, name: str, labels: Labels | None) -> None:
        """A namespace's labels; None: it is gone."""
        if self._namespaces.get(name) == labels:
            return
        uids = self._in_namespace.get(name, set())
        for uid in uids:
            self._sort(self._members[uid], present=False)
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels
        for uid in uids:
            self._sort(self._members[uid], present=True)

    def put_policy(self, namespace: str, name: str, policy: Isolation | None) -> None:
        """A policy; None: it is gone."""
        there = self._policies.setdefault(namespace, {})
        if policy is None:
            there.pop(name, None)
            if not there:
                del self._policies[namespace]
        else:
            there[name] = policy
        for uid in self._in_namespace.get(namespace, set()) & self._local:
            self._judge(uid)

    def settle(self) -> None:
        """Bring `groups` and `named` to what the verdicts refer to."""
        if not self._stale:
            return
        self._stale = False
        sides = {side for verdict in self.verdicts.values() for side in (verdict.ingress, verdict.egress)}
        parts = {part for side in sides for part in side or ()}
        rules = {rule for part in parts for rule in part.rules}
        groups = {rule.group for rule in rules if rule.group is not None}
        names = {name for rule in rules for name in rule.named}
        self.groups = {one: self.groups[one] if one in self.groups else self._fill(one) for one in groups}
        self._near = {}
        for one in self.groups:
            self._near.setdefault(one.namespace if _near(one) else "", []).append(one)
        self.named = {one: self.named[one] if one in self.named else self._fill_name(one) for one in names}

    # --- what follows

    def _fill(self, group: Group) -> set[str]:
        self.moved.add(group)
        uids = self._in_namespace.get(group.namespace, ()) if _near(group) else self._members
        members = [self._members[uid] for uid in uids]
        return {m.address for m in members if group.has(m, self._namespaces.get(m.namespace))}

    def _fill_name(self, name: Name) -> set[tuple[str, int]]:
        self.moved.add(name)
        return {(m.address, m.named[name]) for m in self._members.values() if name in m.named}

    def _take_over(self, uid: str, address: str) -> None:
        owner = self._owners.get(address)
        if owner is not None and owner != uid:
            self._leave(owner, self._members[owner])
            self._passed[owner] = address
        self._owners[address] = uid

    def _leave(self, uid: str, one: Member) -> None:
        self._sort(one, present=False)
        del self._members[uid]
        del self._owners[one.address]
        self._shut.pop(uid, None)
        there = self._in_namespace.get(one.namespace, set())
        there.discard(uid)
        if not there:
            self._in_namespace.pop(one.namespace, None)
        self._set(one.address, FREE)

    def _sort(self, one: Member, *, present: bool) -> None:
        """Put a pod into the groups it belongs to, or take it out of them."""
        labels = self._namespaces.get(one.namespace)
        for group in (*self._near.get(one.namespace, ()), *self._near.get("", ())):
            addresses = self.groups[group]
            if (one.address in addresses) != (present and group.has(one, labels)):
                (addresses.add if present else addresses.discard)(one.address)
                self.moved.add(group)
        for name, places in self.named.items():
            if name in one.named:
                (places.add if present else places.discard)((one.address, one.named[name]))
                self.moved.add(name)

    def _judge(self, uid: str) -> None:
        one = self._members.get(uid)
        if one is None or uid not in self._local or uid in self._shut:
            return
        chosen = [p for p in self._policies.get(one.namespace, {}).values() if p.selects(one.labels)]
        self._set(one.address, Verdict(_union(p.ingress for p in chosen), _union(p.egress for p in chosen)))

    def _set(self, address: str, verdict: Verdict) -> None:
        if self.verdicts.get(address, FREE) == verdict:
            return
        self._stale = True
        self.judged += 1
        if verdict == FREE:
            del self.verdicts[address]
        else:
            self.verdicts[address] = verdict


def _near(group: Group) -> bool:
    """Whether only pods of the group's own namespace can be in it."""
    return all(peer.namespaces is None for peer in group.peers)


def _union(parts: Iterable[Part | None]) -> tuple[Part, ...] | None:
    """What any of the policies that isolate allows, in an order that depends on nothing else."""
    found = {part.id: part for part in parts if part is not None}
    return tuple(found[key] for key in sorted(found)) if found else None
