"""An agent's certificates are renewed between 70 and 90 % of their life, for ever, and when an address is missing."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.fakeapi import FakeAPI
from wherry.aio.clock import LoopClock
from wherry.api.certificates.certificatesigningrequest import CERTIFICATESIGNINGREQUEST
from wherry.api.types.certificates import CertificateSigningRequestCondition
from wherry.host import enrolment
from wherry.host.enrolment import Held
from wherry.host.keys import Authority
from wherry.host.pairs import pair
from wherry.host.signer import Signer
from wherry.node.rotation import Kept, Rotation, due, renewal

HOUR = 3600.0


@given(st.floats(0, 2e9), st.floats(600, 1e8), st.integers(0, 2**160))
def test_the_moment_is_between_70_and_90_percent_of_its_life(start: float, life: float, serial: int) -> None:
    held = Held(start, start + life, serial, frozenset())
    assert 0.69 < (renewal(held) - start) / life < 0.91


def test_serial_numbers_spread_the_moments() -> None:
    assert len({renewal(Held(0, 1000, serial, frozenset())) for serial in range(1000)}) == 1000


def test_what_is_due() -> None:
    held = Held(0, 1000, 500, frozenset({"n2", "10.0.0.2"}))  # at 800
    assert [due(held, ("n2",), now) for now in (0, 799, 801, 5000)] == [False, False, True, True]
    assert due(None, (), 0)
    assert due(held, ("n2", "10.0.0.3"), 0)
    assert not due(held, ("10.0.0.2", "n2"), 0)


class Signing:
    """Signs every request for an hour, as approving and signing controllers do; `deny` refuses instead."""

    def __init__(self, api: FakeAPI, folder: Path, clock: LoopClock) -> None:
        self.api, self.deny = api, ""
        self.authority = Authority(pair(folder, "ca"), "ca", clock)
        self.authority.ensure()
        self.signer = Signer(self.authority, clock)

    async def run(self) -> None:
        async for event in self.api.watch(CERTIFICATESIGNINGREQUEST):
            request = event.obj
            if request is None or request.status.certificate or request.status.conditions:
                continue
            if self.deny:
                denied = CertificateSigningRequestCondition(type="Denied", status="True", message=self.deny)
                status = replace(request.status, conditions=(denied,))
            else:
                certificate = self.signer.sign(request.spec.request or b"", request.spec.usages, int(HOUR))
                status = replace(request.status, certificate=certificate)
            await self.api.replace(CERTIFICATESIGNINGREQUEST, replace(request, status=status), "status")


async def test_certificates_never_end_while_the_agent_runs(tmp_path: Path) -> None:
    clock, api = LoopClock(), FakeAPI()
    signing = Signing(api, tmp_path, clock)
    client, serving = tmp_path / "client.pem", tmp_path / "server.pem"
    addresses = ["10.0.0.2"]
    kept = (
        Kept(client, enrolment.CLIENT),
        Kept(serving, enrolment.SERVING, lambda: ("n2", *addresses)),
    )
    rotation = Rotation(api, clock, "n2", kept)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(signing.run()), group.create_task(rotation.run())]
        for _ in range(20 * 60):
            await asyncio.sleep(60)
            left = [held.end - clock.now() for path in (client, serving) if (held := enrolment.held(path))]
            assert len(left) == 2
            assert min(left) > 0.09 * HOUR
        asked = sum(write[0] == "create" for write in api.writes)
        assert 2 * 20 / 0.91 - 2 < asked < 2 * 20 / 0.69 + 2
        assert {path.stat().st_mode & 0o777 for path in (client, serving)} == {0o600}
        addresses[:] = ["10.0.0.7"]
        await asyncio.sleep(61)
        held = enrolment.held(serving)
        assert held is not None
        assert held.names == {"n2", "10.0.0.7"}
        for task in tasks:
            task.cancel()


async def test_a_refusal_leaves_what_there_was_and_is_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, api = LoopClock(), FakeAPI()
    signing = Signing(api, tmp_path, clock)
    client = tmp_path / "client.pem"
    rotation = Rotation(api, clock, "n2", (Kept(client, enrolment.CLIENT),))
    signer = asyncio.create_task(signing.run())
    assert await rotation.look()
    before = client.read_bytes()
    await asyncio.sleep(0.95 * HOUR)
    signing.deny = "not today"
    with caplog.at_level(logging.WARNING):
        assert not await rotation.look()
    assert "is denied: not today" in caplog.text
    assert client.read_bytes() == before
    api.down = True
    assert not await rotation.look()
    api.down, signing.deny = False, ""
    assert await rotation.look()
    assert client.read_bytes() != before
    signer.cancel()
