"""Priority and fairness, without a server: which schema a request belongs to, and who gets the seats of a level."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.api.types.flowcontrol import PriorityLevelConfiguration
from wherry.apiserver.authn.user import ANONYMOUS, User, known, service_account_user
from wherry.apiserver.flowcontrol.bootstrap import LEVELS, SCHEMAS
from wherry.apiserver.flowcontrol.keeper import dangling
from wherry.apiserver.flowcontrol.level import Full, Level
from wherry.apiserver.flowcontrol.rules import distinguisher, in_order, matches
from wherry.apiserver.http import Query
from wherry.apiserver.routes import parse

NODE = User("system:node:a", ("system:nodes", "system:authenticated"))
ACCOUNT = service_account_user("team", "robot", "", {})
SYSTEM_ACCOUNT = service_account_user("kube-system", "robot", "", {})
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/a"
PODS = "/api/v1/namespaces/team/pods"


@pytest.mark.parametrize(
    ("user", "method", "path", "name", "flow"),
    [
        (known("root", "system:masters"), "GET", PODS, "exempt", ""),
        (ANONYMOUS, "GET", "/readyz", "probes", ""),
        (ANONYMOUS, "GET", "/readyz/ping", "probes", ""),
        (known("somebody"), "GET", "/livez", "probes", ""),
        (NODE, "PUT", LEASE, "system-node-high", "system:node:a"),
        (NODE, "PATCH", "/api/v1/nodes/a/status", "system-node-high", "system:node:a"),
        (NODE, "GET", "/api/v1/pods", "system-nodes", "system:node:a"),
        (known("system:kube-scheduler"), "PUT", LEASE, "system-leader-election", "system:kube-scheduler"),
        (known("system:kube-scheduler"), "GET", PODS, "kube-scheduler", "team"),
        (SYSTEM_ACCOUNT, "GET", PODS, "kube-system-service-accounts", "team"),
        (ACCOUNT, "GET", PODS, "service-accounts", "system:serviceaccount:team:robot"),
        (ACCOUNT, "PUT", LEASE, "service-accounts", "system:serviceaccount:team:robot"),
        (known("somebody"), "GET", PODS, "global-default", "somebody"),
        (known("somebody"), "GET", "/apis", "global-default", "somebody"),
        (User("strange", ()), "GET", PODS, "", ""),
    ],
)
def test_schema(user: User, method: str, path: str, name: str, flow: str) -> None:
    """Every request of the default configuration finds the schema that upstream would find."""
    info = parse(method, path, Query(""))
    found = [schema for schema in in_order(SCHEMAS) if matches(schema, user, info)]
    if not name:
        assert not found
        return
    assert found[0].metadata.name == name
    assert distinguisher(found[0], user, info) == flow


def level(name: str, limit: int | None) -> Level:
    """A level of the default configuration with so many seats."""
    made = Level(name)
    config: PriorityLevelConfiguration = next(one for one in LEVELS if one.metadata.name == name)
    made.configure(config, limit)
    return made


async def test_exempt_never_waits() -> None:
    """An exempt level has seats for everybody."""
    exempt = level("exempt", None)
    assert all(exempt.take(50) for _ in range(1000))


async def test_waits_in_turn_and_gives_back() -> None:
    """What does not fit waits until seats are given back, in the order of arrival within a flow."""
    low = level("workload-low", 2)
    assert low.take(1)
    assert low.take(1)
    assert not low.take(1)
    first = asyncio.ensure_future(low.wait("a", 1, 10))
    second = asyncio.ensure_future(low.wait("a", 1, 10))
    await asyncio.sleep(0)
    assert low.waiting == 2
    assert not low.take(1), "nobody overtakes those who wait"
    low.give(1)
    await first
    assert not second.done()
    low.give(1)
    await second
    low.give(2)
    assert low.taken == low.waiting == 0


async def test_a_wide_one_sits_down_alone() -> None:
    """A list that is wider than the level is served when nobody else is."""
    low = level("workload-low", 2)
    assert low.take(10)
    assert not low.take(1)
    low.give(10)
    assert low.take(1)


async def test_fair_between_flows() -> None:
    """A flow with one request does not wait behind all of one that sent hundreds. (Fails with a single queue.)"""
    low = level("workload-low", 1)
    assert low.take(1)
    order: list[str] = []

    async def one(flow: str) -> None:
        await low.wait(flow, 1, 60)
        order.append(flow)
        await asyncio.sleep(0)
        low.give(1)

    many = [asyncio.ensure_future(one("greedy")) for _ in range(200)]
    await asyncio.sleep(0)
    few = [asyncio.ensure_future(one("modest")) for _ in range(2)]
    await asyncio.sleep(0)
    low.give(1)
    await asyncio.gather(*many, *few)
    assert max(at for at, flow in enumerate(order) if flow == "modest") < 20


async def test_full_and_late() -> None:
    """No room in the hand of queues: refused at once; no seat in time: refused then; neither leaves a trace."""
    low = level("workload-low", 1)
    assert low.take(1)
    held = [asyncio.ensure_future(low.wait("flow", 1, 1000)) for _ in range(6 * 50)]
    await asyncio.sleep(0)
    with pytest.raises(Full, match="queue-full"):
        await low.wait("flow", 1, 10)
    for task in held:
        task.cancel()
    await asyncio.gather(*held, return_exceptions=True)
    assert low.waiting == 0
    with pytest.raises(Full, match="time-out"):
        await low.wait("flow", 1, 10)
    rejecting = level("catch-all", 1)
    assert rejecting.take(1)
    with pytest.raises(Full, match="concurrency-limit"):
        await rejecting.wait("flow", 1, 10)
    assert (low.taken, low.waiting) == (1, 0)


async def test_borrowing() -> None:
    """A level borrows what others lend and do not use; the lender has the rest whatever happens."""
    low, high = level("workload-low", 10), level("workload-high", 10)
    low.borrowable, high.borrowable = [high], [low]
    assert [low.take(1) for _ in range(20)] == [True] * 15 + [False] * 5  # half of the other's ten
    assert all(high.take(1) for _ in range(10))
    waiting = asyncio.ensure_future(low.wait("a", 1, 10))
    await asyncio.sleep(0)
    low.give(5)
    assert not waiting.done(), "the lender uses its seats itself now"
    high.give(6)
    await waiting


class Crowd:
    """Requests that come, sit and go."""

    def __init__(self) -> None:
        self.level = level("workload-low", 4)
        self.sitting: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def sit(self, flow: str, width: int) -> None:
        """Wait for a seat."""
        await self.level.wait(flow, width, 5)
        self.sitting.append(width)

    def do(self, what: str, width: int, flow: str) -> None:
        """One step."""
        if what == "take" and self.level.take(width):
            self.sitting.append(width)
        elif what == "take":
            self.tasks.append(asyncio.get_running_loop().create_task(self.sit(flow, width)))
        elif what == "give" and self.sitting:
            self.level.give(self.sitting.pop())
        elif what == "cancel" and self.tasks:
            self.tasks[-1].cancel()

    async def end(self) -> None:
        """Everybody goes."""
        while self.sitting or not all(task.done() for task in self.tasks):
            await asyncio.sleep(0)
            if self.sitting:
                self.level.give(self.sitting.pop())


@given(st.lists(st.tuples(st.sampled_from(["take", "give", "cancel"]), st.integers(1, 4), st.sampled_from("abc"))))
@settings(deadline=None)
def test_no_seat_is_ever_lost(steps: list[tuple[str, int, str]]) -> None:
    """Whatever comes, waits, leaves and gives up: in the end every seat is free and nobody waits.

    (Fails when a request that is cancelled in the moment it gets its seats keeps them.)
    """

    async def play() -> None:
        crowd = Crowd()
        for what, width, flow in steps:
            crowd.do(what, width, flow)
            if width % 2:
                await asyncio.sleep(0)
            assert crowd.level.taken <= 4
        await crowd.end()
        assert (crowd.level.taken, crowd.level.waiting) == (0, 0)

    asyncio.run(play())


def test_dangling() -> None:
    """The condition says whether the level exists, and its time moves only when that changes."""
    schema = SCHEMAS[-1]
    lost = dangling(schema, set(), 100.0)
    assert [(c.type, c.status, c.reason) for c in lost.status.conditions] == [("Dangling", "True", "NotFound")]
    assert dangling(lost, set(), 200.0) is lost
    found = dangling(lost, {"catch-all"}, 300.0)
    assert found.status.conditions[0].status == "False"
    assert found.status.conditions[0].last_transition_time == "1970-01-01T00:05:00Z"
