"""HAProxy as a process: started in master-worker mode, asked through its sockets, given a new configuration in place.

It outlives whoever started it; the next agent finds it by its pid file. Its listening sockets may be given to it: the
configuration names them as `BIND` does, with an address for when they are not. A new configuration starts a new worker
on the same listening sockets, while the old one finishes what it has: no connection is refused or cut. Commands go
through the master, which knows who the worker is now: the worker's own socket is inherited as well, and the old one
still answers there for a while after a reload.
https://docs.haproxy.org/2.6/management.html
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wherry.host import daemons, processes

PROGRAM = "haproxy"
BIND = "WHERRY_LISTENER_{}"
"""The variable for a listening socket that is given, by its number; in the configuration `${WHERRY_LISTENER_0-:80}`."""
_LONGEST = 97
"""What HAProxy binds is named with its process at first: less than the 107 bytes that the kernel allows."""
_SECONDS = 5.0
_TOGETHER = 60
"""Commands sent in one line."""
_WORKER = re.compile(r"^# workers\n([0-9]+) ", re.MULTILINE)
_SUCCESS = re.compile(r"^(Success|New certificate|Transaction|Committing|Loading succeeded|\s*$)")


class HaproxyError(Exception):
    """HAProxy did not start, or refused what it was told; the text is its own."""


class Unanswered(HaproxyError):
    """It does not answer at all."""


def installed() -> bool:
    """Whether there is a program to run."""
    return shutil.which(PROGRAM) is not None


@dataclass(frozen=True, slots=True)
class Haproxy:
    """One HAProxy. All files are in `folder`: haproxy.cfg, master.sock, haproxy.pid, haproxy.log."""

    folder: Path

    @property
    def _pid_file(self) -> Path:
        return self.folder / "haproxy.pid"

    @property
    def _master(self) -> Path:
        return self.folder / "master.sock"

    def running(self) -> bool:
        """Whether it runs."""
        return daemons.read_pid(self._pid_file) is not None

    async def ended(self) -> None:
        """Return when it has ended; at once when it does not run."""
        process = daemons.read_pid(self._pid_file)
        if process is not None:
            await processes.ended(process.pid)

    async def start(self, listeners: Sequence[socket.socket] = ()) -> None:
        """Start it and wait until it serves. Raises HaproxyError."""
        await self.check()
        program = shutil.which(PROGRAM)
        assert program is not None
        argv = [program, "-W", "-S", f"{self._master},mode,600", "-f", str(self.folder / "haproxy.cfg")]
        numbers = [one.fileno() for one in listeners]
        env = {**os.environ, **{BIND.format(n): f"fd@{daemons.FIRST + n}" for n in range(len(numbers))}}
        log = self.folder / "haproxy.log"
        process = await asyncio.to_thread(daemons.start, argv, log, env=env, descriptors=numbers)
        daemons.write_pid(self._pid_file, process)
        for _ in range(100):
            if not process.alive():
                break
            if await self._worker():
                return
            await asyncio.sleep(0.05)
        said = (self.folder / "haproxy.log").read_text(errors="replace").strip().splitlines()[-3:]
        await self.stop()
        raise HaproxyError("; ".join(said) or "it ended at once")

    async def check(self) -> None:
        """Have the configuration read. Raises HaproxyError with what is wrong."""
        if len(os.fsencode(self._master)) > _LONGEST:
            what = f"{self._master} is too long for the name of a socket ({_LONGEST} bytes at most)"
            raise HaproxyError(f"{what}; make the cluster under a --root that is shorter")
        program = shutil.which(PROGRAM)
        if program is None:
            raise HaproxyError("haproxy is not installed; run: apt-get install haproxy")
        try:
            await processes.run([program, "-c", "-f", str(self.folder / "haproxy.cfg")])
        except processes.ProgramError as error:
            raise HaproxyError(str(error)) from None

    async def reload(self) -> None:
        """Take over the configuration as it is in the file now. Raises HaproxyError; the old one then goes on."""
        await self.check()
        before = await self._worker()
        await self._say("reload")
        for _ in range(250):
            if await self._worker() not in ("", before):
                return
            await asyncio.sleep(0.02)
        raise HaproxyError("the new configuration was not taken over within five seconds")

    async def _worker(self) -> str:
        """The pid of the worker that serves; "" while there is none that answers (the master starts anew to reload)."""
        try:
            found = _WORKER.search(await self._say("show proc"))
            if found is None or f"Pid: {found[1]}\n" not in await self.ask("show info"):
                return ""
        except HaproxyError:
            return ""
        return found[1]

    async def ask(self, command: str) -> str:
        """Runtime commands for the worker, one line with `;` between; the answer. Raises HaproxyError without one."""
        return await self._say(f"@1;{command}")

    async def tell(self, commands: Sequence[str]) -> None:
        """Runtime commands that answer nothing when all is well. Raises HaproxyError with the first complaint."""
        for start in range(0, len(commands), _TOGETHER):
            answer = await self.ask(";".join(commands[start : start + _TOGETHER]))
            complaint = next((line for line in answer.splitlines() if _complains(line)), "")
            if complaint:
                raise HaproxyError(complaint)

    async def payload(self, command: str, text: str = "") -> None:
        """A runtime command that says when all is well, perhaps with a payload of several lines. Raises HaproxyError
        when it is refused."""
        lines = "\n".join(line for line in text.splitlines() if line.strip())
        answer = await self.ask(f"{command} <<\n{lines}\n" if lines else command)
        if not _SUCCESS.match(answer.strip().splitlines()[-1] if answer.strip() else ""):
            raise HaproxyError(answer.strip())

    async def stop(self) -> None:
        """End it."""
        process = daemons.read_pid(self._pid_file)
        if process is not None:
            await asyncio.to_thread(daemons.stop, process, 2.0)
        self._pid_file.unlink(missing_ok=True)

    async def _say(self, command: str) -> str:
        try:
            async with asyncio.timeout(_SECONDS):
                reader, writer = await asyncio.open_unix_connection(str(self._master), limit=1 << 24)
                try:
                    writer.write(command.encode() + b"\n")
                    writer.write_eof()
                    return (await reader.read(-1)).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise Unanswered(f"haproxy does not answer: {str(error) or 'timed out'}") from None


def _complains(line: str) -> bool:
    """Address changes are confirmed in words; everything else that is said is a complaint."""
    text = line.strip()
    return bool(text) and not text.startswith(("IP changed", "port changed", "no need to change", "[6]"))
