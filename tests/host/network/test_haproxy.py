"""A real HAProxy: a reload is over when the new worker serves, and what it is told then reaches that one."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wherry.host import daemons, sockets
from wherry.host.haproxy import BIND, Haproxy, HaproxyError

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


async def test_who_comes_while_it_is_killed_and_started_again_waits(tmp_path: Path) -> None:
    """Its listening sockets are kept. A reload, and a check of the configuration, do not need them."""
    made, note = Haproxy(tmp_path), tmp_path / "listeners.json"
    (tmp_path / "paths.map").touch()
    configure(tmp_path)
    lines = (tmp_path / "haproxy.cfg").read_text()
    port = int(lines.split("bind 127.0.0.1:")[1].split()[0])
    lines = lines.replace(f"bind 127.0.0.1:{port}", f'bind "${{{BIND.format(0)}-127.0.0.1:{port}}}"')
    (tmp_path / "haproxy.cfg").write_text(
        lines.replace("backend web", "    http-request return status 200\nbackend web")
    )

    async def start() -> None:
        (listener,) = sockets.listeners(note, "127.0.0.1", (port,))
        await made.start([listener])
        listener.close()

    await start()
    try:
        await made.reload()
        assert await status(port) == 200
        process = daemons.read_pid(tmp_path / "haproxy.pid")
        assert process is not None
        process.signal(signal.SIGKILL)
        await made.ended()
        assert not made.running()
        waiting = asyncio.ensure_future(status(port))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await start()
        assert await waiting == 200
    finally:
        await made.stop()
        sockets.release(note)


async def status(port: int) -> int:
    """Of an answer on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def worker(haproxy: Haproxy) -> str:
    answer = await haproxy.ask("show info")
    return next(line for line in answer.splitlines() if line.startswith("Pid: "))
