"""The process that makes load: `python -m tests.disruption.load`, told by lines of JSON on its standard input.

The first line is the order: `{"groups": [[kind, way, count, interval]], "host": ..., "name": ...}`. Then, at any time:
`{"targets": {way: [[host, port, name]]}}`, `{"during": disturbance}`, `{"stop": true}`; around a kill -9 of who holds
connections `{"killing": [host, port]}`, which is answered by `{"heard": n}`, and `{"killed": time}`. It prints lines of
JSON, too: `{"ready": true}` once it knows its order, `{"requests": n, "failed": n}` twice a second, `{"failure": {}}`
at once, and last `{"tally": {}}`. The end of its input stops it as well.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import uvloop

from tests.disruption import plan
from tests.disruption.datagrams import Queries
from tests.disruption.ground import Ground, Pace, Target, Targets
from tests.disruption.http import Requests
from tests.disruption.plan import Group
from tests.disruption.tally import Failure, Row
from tests.disruption.websocket import Messages

TELL = 0.5
Client = Requests | Messages | Queries


async def main() -> None:
    """Until told to stop."""
    lines = asyncio.StreamReader(limit=1 << 24)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    order = json.loads(await lines.readline())
    groups = [Group(*one) for one in order["groups"]]
    ground = Ground({group.way: Targets() for group in groups}, tell=_failure)
    _say(ready=True)
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(_tell(ground))
        for client in clients(ground, groups, order["host"], order["name"]):
            tasks.create_task(client.run())
        while not ground.stopping and (line := await lines.readline()):
            obey(ground, json.loads(line))
        if not ground.stopping:
            raise SystemExit(1)  # whoever gave the order is gone
        telling.cancel()
        ground.tally.end(ground.now())
    _say(tally=ground.tally.encode())


def clients(ground: Ground, groups: Iterable[Group], host: str, name: str) -> Iterator[Client]:
    """All of them, those of a group spread over its interval."""
    for kind, way, count, interval in groups:
        row = Row(kind, way)
        for number in range(count):
            pace = Pace(interval, ground.now() + interval * number / count)
            if kind == plan.DNS:
                yield Queries(ground, row, pace, name)
            elif kind == plan.SOCKET:
                yield Messages(ground, row, pace, host)
            else:
                yield Requests(ground, row, pace, host, kept=kind == plan.KEPT, slow=kind == plan.SLOW)


def obey(ground: Ground, told: dict[str, Any]) -> None:
    """Do what a line says."""
    for way, listed in told.get("targets", {}).items():
        if way in ground.targets:
            ground.targets[way].put([Target(*one) for one in listed])
    if "during" in told:
        ground.tally.during = told["during"]
    if "killing" in told:
        ground.killing(*told["killing"])
        _say(heard=len(ground.windows))
    if "killed" in told:
        ground.killed(told["killed"])
    if "stop" in told:
        ground.stopping = True


async def _tell(ground: Ground) -> None:
    while True:
        await asyncio.sleep(TELL)
        total = ground.tally.total()
        _say(requests=total.requests, failed=total.failed)


def _failure(failure: Failure) -> None:
    _say(failure=asdict(failure))


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main())
