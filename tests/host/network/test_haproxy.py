"""A real HAProxy: a reload is over when the new worker serves, and what it is told then reaches that one."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wherry.host.haproxy import Haproxy, HaproxyError

pytestmark = [pytest.mark.host, pytest.mark.looptime(False)]


def configure(folder: Path, body: str = "") -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    lines = [
        "global",
        f"    stats socket {folder}/run.sock mode 600 level admin expose-fd listeners",
        "defaults",
        "    mode http",
        "    timeout connect 1s",
        "    timeout client 5s",
        "    timeout server 5s",
        "frontend entry",
        f"    bind 127.0.0.1:{port}",
        f"    http-request set-var(txn.found) path,map_str({folder}/paths.map)",
        "backend web",
        "    server one 127.0.0.1:1 disabled",
        body,
    ]
    (folder / "haproxy.cfg").write_text("\n".join(lines) + "\n")


@pytest.fixture
async def haproxy(tmp_path: Path) -> AsyncIterator[Haproxy]:
    made = Haproxy(tmp_path)
    (tmp_path / "paths.map").touch()
    configure(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_what_is_told_after_a_reload_reaches_the_new_worker(haproxy: Haproxy) -> None:
    table = f"{haproxy.folder}/paths.map"
    seen = {await worker(haproxy)}
    for n in range(5):
        await haproxy.reload()
        seen.add(await worker(haproxy))
        assert (await haproxy.ask(f"show map {table}")).split() == [], "a new worker knows only the files"
        await haproxy.tell([f"add map {table} /{n} web", f"set server web/one addr 127.0.0.{n + 2} port 80"])
        await haproxy.payload(f"add map {table}", "/more web")
        assert (await haproxy.ask(f"show map {table}")).split()[1::3] == [f"/{n}", "/more"]
        assert f"127.0.0.{n + 2}" in await haproxy.ask("show servers state web")
    assert len(seen) == 6


async def test_a_configuration_that_cannot_be_read_leaves_the_one_before(haproxy: Haproxy) -> None:
    before = await worker(haproxy)
    configure(haproxy.folder, "    nonsense here")
    with pytest.raises(HaproxyError, match="nonsense"):
        await haproxy.reload()
    assert await worker(haproxy) == before


async def test_what_is_refused_is_said(haproxy: Haproxy) -> None:
    with pytest.raises(HaproxyError, match="No such server"):
        await haproxy.tell(["set server web/two state ready"])
    await haproxy.stop()
    with pytest.raises(HaproxyError, match="does not answer"):
        await haproxy.ask("show info")


async def worker(haproxy: Haproxy) -> str:
    answer = await haproxy.ask("show info")
    return next(line for line in answer.splitlines() if line.startswith("Pid: "))
