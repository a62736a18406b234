"""The application of tests/disruption under all its clients, without a cluster: withdrawn before it is told to end it
loses nobody; told to end while clients still come it does, and the clients notice."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.disruption import plan
from tests.disruption.application import DNS, HTTP, SERVER
from tests.disruption.generator import Generator
from tests.disruption.ground import Target
from tests.disruption.plan import Group
from tests.disruption.tally import by_row

pytestmark = pytest.mark.looptime(False)
ADDRESSES = ("127.77.0.1", "127.77.0.2")
GROUPS = [
    Group(plan.NEW, plan.POD, 4, 0.02),
    Group(plan.KEPT, plan.POD, 4, 0.02),
    Group(plan.SLOW, plan.POD, 6, 0.5),
    Group(plan.SOCKET, plan.POD, 4, 0.1),
    Group(plan.DNS, plan.udp(plan.POD), 2, 0.02),
]


@contextlib.contextmanager
def servers() -> Iterator[list[subprocess.Popen[str]]]:
    running = []
    try:
        for address in ADDRESSES:
            argv = [sys.executable, "-I", "-S", str(SERVER), address]
            running.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        for one in running:
            assert one.stdout is not None
            assert one.stdout.readline() == "serving\n"
        yield running
    finally:
        for one in running:
            one.terminate()
            one.wait(10)
            assert one.stdout is not None
            one.stdout.close()


def send_to(generator: Generator, *addresses: str) -> None:
    generator.targets(plan.POD, [Target(address, HTTP) for address in addresses])
    generator.targets(plan.udp(plan.POD), [Target(address, DNS) for address in addresses])


@pytest.mark.parametrize("withdrawn", [True, False])
def test_an_application_that_ends(withdrawn: bool) -> None:
    with servers() as running, Generator(list, GROUPS, host="web", name="web.test") as generator:
        send_to(generator, *ADDRESSES)
        generator.more(300, 10)
        generator.tell({"during": "the end of one"})
        if withdrawn:
            send_to(generator, ADDRESSES[1])
            generator.more(50, 10)
        begun = time.monotonic()
        running[0].send_signal(signal.SIGTERM)
        assert running[0].wait(10) == 0
        took = time.monotonic() - begun
        generator.more(300, 10)
        tally = generator.stop()
    counts = by_row(tally)
    assert len(counts) == len(GROUPS)
    assert all(one.requests for one in counts.values())
    assert took < 4.0, "the application waited for more than its requests"
    if withdrawn:
        assert tally.failures == []
        assert tally.total().failed == 0
    else:
        assert {failure.during for failure in tally.failures} == {"the end of one"}
        assert {failure.target for failure in tally.failures} >= {f"{ADDRESSES[0]}:{HTTP}"}
        assert tally.total().failed > 0
