"""What pods and nodes use, from the texts of their agents, in virtual time."""

from __future__ import annotations

import asyncio

from wherry.aio.clock import LoopClock
from wherry.apiserver.metering.scrape import read
from wherry.apiserver.metering.usage import ResourceMetrics
from wherry.machinery.errors import ServiceUnavailable

TEXT = """# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{{container="c",namespace="d",pod="p\\"0"}} {cpu} {at}
container_memory_working_set_bytes{{container="c",namespace="d",pod="p\\"0"}} 2.097152e+06 {at}
container_cpu_usage_seconds_total{{container="late",namespace="d",pod="p1"}} 5 {at}
node_cpu_usage_seconds_total {cpu} {at}
node_memory_working_set_bytes 1048576 {at}
scrape_error 0
nonsense
"""
WHO = ("d", 'p"0', "c")


class Node:
    """An agent whose one container uses half a core."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = False

    async def __call__(self, name: str) -> bytes:
        self.asked += 1
        if self.down or name == "gone":
            raise ServiceUnavailable("no")
        now = asyncio.get_running_loop().time()
        return TEXT.format(cpu=100 + now / 2, at=int(1e6 + now * 1000)).encode()


def metrics(node: Node) -> ResourceMetrics:
    return ResourceMetrics(lambda: ["n1", "gone"], node, LoopClock())


def test_texts_are_read() -> None:
    scrape = read(TEXT.format(cpu=1.5, at=2000))
    assert scrape.node is not None
    assert tuple(scrape.node) == (1.5, 1048576, 2.0)
    assert {who: tuple(one) for who, one in scrape.containers.items()} == {WHO: (1.5, 2097152, 2.0)}


async def test_the_first_question_is_answered_too() -> None:
    node = Node()
    asking = metrics(node)
    used = (await asking.containers())[WHO]
    assert abs(used.cores - 0.5) < 0.01
    assert used.memory == 2097152
    assert set(await asking.nodes()) == {"n1"}
    assert node.asked == 4  # twice each, and not again for the second question


async def test_an_agent_that_is_away_is_forgotten_after_a_while() -> None:
    node = Node()
    asking = metrics(node)
    await asking.containers()
    node.down = True
    await asyncio.sleep(10)
    assert await asking.containers()
    await asyncio.sleep(61)
    assert not await asking.containers()
