"""containerd's registry files: written as it reads them, and gone when a registry is forgotten. When it is started
anew, with a program that stands in for it."""

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from wherry.aio.clock import SystemClock
from wherry.host import containerd
from wherry.host.containerd import Settings


def test_registries_are_kept_and_forgotten(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "root", tmp_path / "run", tmp_path / "cni")
    assert not containerd.keep_registries(settings, {})
    both = {"lan:5000": "http://10.0.0.1:5000", "docker.io": "https://mirror.example"}
    assert containerd.keep_registries(settings, both)
    assert not containerd.keep_registries(settings, both)
    found = tomllib.loads((settings.certs / "lan:5000" / "hosts.toml").read_text())
    assert found == {
        "server": "http://10.0.0.1:5000",
        "host": {"http://10.0.0.1:5000": {"capabilities": ["pull", "resolve"]}},
    }
    assert containerd.keep_registries(settings, {"docker.io": "https://mirror.example"})
    assert [folder.name for folder in settings.certs.iterdir()] == ["docker.io"]


STAND_IN = """\
#!{python} -IS
import signal, socket, sys
if sys.argv[1] == "--version":
    print("containerd github.com/containerd/containerd v2.1.0 abc")
    sys.exit()
address = next(line.split('"')[1] for line in open(sys.argv[2]) if line.startswith("address"))
server = socket.socket(socket.AF_UNIX)
server.bind(address)
server.listen()
signal.sigwait([signal.SIGTERM])
"""


@pytest.mark.looptime(False)
async def test_one_with_another_configuration_or_program_is_started_anew(tmp_path: Path) -> None:
    program = tmp_path / "containerd"
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    settings = Settings(tmp_path / "root", tmp_path / "run", tmp_path / "cni", program=str(program))
    first = containerd.Supervisor(settings, SystemClock())
    try:
        pid = await first.start()
        assert await containerd.Supervisor(settings, SystemClock()).start() == pid
        later = containerd.Supervisor(replace(settings, restrict_oom=True), SystemClock())
        changed = await later.start()
        assert changed != pid
        assert await later.start() == changed
    finally:
        await first.stop()
    assert first.running() is None
