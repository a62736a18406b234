"""Units as systemd services; our own keeper end to end with real processes."""

from pathlib import Path

import pytest

from wherry.app import keeper
from wherry.app.keeper import Supervised, Systemd
from wherry.app.supervise import Unit
from wherry.host import daemons

SERVICE = """\
[Unit]
Description=wherry agent-n1
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 -I "a b" 100%%
Restart=always
RestartSec=100ms
KillMode=process
Delegate=yes
OOMScoreAdjust=-999
LimitNOFILE=1048576
TasksMax=infinity
TimeoutStopSec=10
StandardOutput=append:/var/lib/wherry/logs/agent-n1.log
StandardError=append:/var/lib/wherry/logs/agent-n1.log
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def unit(name: str, *argv: str, log: str = "") -> Unit:
    return Unit(name, argv, log or f"/var/lib/wherry/logs/{name}.log")


def test_a_unit_as_a_systemd_service() -> None:
    assert keeper.service(unit("agent-n1", "/usr/bin/python3", "-I", "a b", "100%")) == SERVICE


def test_systemd_starts_what_is_new_and_drops_what_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, ...]] = []
    running: set[str] = set()

    def control(_: Systemd, *arguments: str) -> str:
        calls.append(arguments)
        return "42" if arguments[0] == "show" and arguments[-1] in running else ""

    monkeypatch.setattr(Systemd, "_control", control)
    systemd = Systemd(tmp_path)
    assert systemd.apply([unit("server", "x"), unit("agent-a", "x")]) == {"server", "agent-a"}
    calls.clear()
    running.update({"wherry-server.service", "wherry-agent-a.service"})
    assert not systemd.apply([unit("server", "x"), unit("agent-a", "x")])
    assert ("start", "wherry-server.service") in calls
    calls.clear()
    assert systemd.apply([unit("server", "y")]) == {"server", "agent-a"}
    assert ("disable", "--now", "wherry-agent-a.service") in calls
    assert ("restart", "wherry-server.service") in calls
    assert [path.name for path in tmp_path.iterdir()] == ["wherry-server.service"]


def test_our_own_keeper_starts_keeps_and_stops(tmp_path: Path) -> None:
    run = tmp_path / "run"
    own = Supervised(run, tmp_path / "logs" / "supervisor.log")
    units = [unit("a", "sleep", "60", log=str(tmp_path / "a.log"))]
    assert own.apply(units) == {"a", "supervisor"}
    supervisor = _wait(run / "supervisor.pid")
    first = _wait(run / "a.pid")
    assert not own.apply(units)
    assert own.pid("a") == first.pid
    assert own.stop()
    assert not first.alive()
    assert not supervisor.alive()
    assert own.pid("a") is None
    assert not own.stop()


def _wait(path: Path) -> daemons.Process:
    import select

    for _ in range(500):
        process = daemons.read_pid(path)
        if process is not None:
            return process
        select.select([], [], [], 0.02)
    raise AssertionError(f"no process in {path}")
