"""Units as systemd services; our own keeper end to end with real processes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.app import keeper
from wherry.app.keeper import KeeperError, Supervised, Systemd
from wherry.app.supervise import Unit
from wherry.host import daemons

KEPT = {
    "name": "agent-n1",
    "argv": ["/usr/bin/python3", "-I", "a b", "100%"],
    "log": "/var/lib/wherry/logs/agent-n1.log",
    "order": 0,
    "grace": 10.0,
    "version": "1.2.0",
    "ahead": False,
}
SERVICE = f"""\
[Unit]
Description=wherry agent-n1 1.2.0
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/python3 -I "a b" 100%%
Environment=WHERRY_UNIT=1.2.0:537692fe
X-Wherry={json.dumps(KEPT)}
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
    made = unit("agent-n1", "/usr/bin/python3", "-I", "a b", "100%")._replace(version="1.2.0")
    assert keeper.service(made) == SERVICE


def test_systemd_keeps_the_unit_a_service_was_made_from(tmp_path: Path) -> None:
    made = unit("agent-n1", "a b", '"%\\')
    (tmp_path / "wherry-agent-n1.service").write_text(keeper.service(made))
    (tmp_path / "other.service").write_text("[Unit]\n")
    assert Systemd(tmp_path).kept() == {"agent-n1": made}


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


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Supervised]:
    """Our keeper over `<tmp_path>/run`; nothing of it goes on after the test."""
    it = Supervised(tmp_path / "run", tmp_path / "logs" / "supervisor.log")
    yield it
    it.stop()


def test_our_own_keeper_starts_keeps_and_stops(tmp_path: Path, own: Supervised) -> None:
    run = tmp_path / "run"
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


def test_one_systemd_unit_is_replaced_by_what_runs_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, daemons.Process] = {}
    calls: list[str] = []

    def control(_: Systemd, *arguments: str) -> str:
        name = arguments[-1]
        calls.append(" ".join(arguments))
        if arguments[0] == "restart":
            if name in started:
                daemons.stop(started[name], 1)
            text = (tmp_path / name).read_text()
            mark = next(line for line in text.splitlines() if line.startswith("Environment="))
            env = dict([mark.removeprefix("Environment=").split("=", 1)])
            started[name] = daemons.start(["/bin/sleep", "60"], tmp_path / "log", env=env)
        return str(started[name].pid) if arguments[0] == "show" and name in started else ""

    monkeypatch.setattr(Systemd, "_control", control)
    systemd, a = Systemd(tmp_path), unit("server", "/bin/sleep", "60")
    try:
        systemd.put(a)
        systemd.put(a)
        assert calls.count("restart wherry-server.service") == calls.count("daemon-reload") == 1
        systemd.put(a._replace(version="2"))
        assert calls.count("restart wherry-server.service") == calls.count("daemon-reload") == 2
        assert systemd.kept()["server"].version == "2"
    finally:
        for process in started.values():
            daemons.stop(process, 1)


def test_one_unit_is_replaced_and_the_others_left(tmp_path: Path, own: Supervised) -> None:
    run = tmp_path / "run"
    a, b = (unit(name, "sleep", "60", log=str(tmp_path / name)) for name in "ab")
    own.apply([a, b])
    first, other = _wait(run / "a.pid"), _wait(run / "b.pid")
    own.put(a)
    assert own.pid("a") == first.pid
    for changed in (a._replace(version="2"), a._replace(argv=("sleep", "61"))):
        own.put(changed)
        assert own.pid("a") != first.pid
        assert keeper.runs(own, changed)
        assert not keeper.runs(own, a)
    assert own.pid("b") == other.pid
    assert set(own.kept()) == {"a", "b"}


def test_what_was_asked_for_and_never_told_is_done_by_the_next(tmp_path: Path, own: Supervised) -> None:
    run = tmp_path / "run"
    a, b = (unit(name, "sleep", "60", log=str(tmp_path / name)) for name in "ab")
    own.apply([a, b])
    first, other = _wait(run / "a.pid"), _wait(run / "b.pid")
    later = a._replace(version="2")
    (run / "units" / "a.json").write_text(later.encode())  # and here the upgrade was killed
    assert not keeper.runs(own, later)
    assert keeper.runs(own, b)
    own.put(later)
    assert own.pid("a") != first.pid
    assert own.pid("b") == other.pid


def test_the_supervisor_itself_is_renewed_whether_it_runs_or_not(tmp_path: Path, own: Supervised) -> None:
    run = tmp_path / "run"
    a = unit("a", "sleep", "60", log=str(tmp_path / "a.log"))
    own.apply([a])
    first, supervisor = _wait(run / "a.pid"), _wait(run / "supervisor.pid")
    program = (*keeper.supervisor_program(run)[:1], "-I", "-X", "utf8", *keeper.supervisor_program(run)[2:])
    own.renew(program)
    assert (own.program(), _wait(run / "supervisor.pid")) == (program, supervisor)
    assert supervisor.signal(9)
    assert supervisor.wait(10)
    daemons.reap(supervisor)
    own.put(a)
    assert own.program() == program
    assert own.apply([a]) == {"supervisor"}
    assert own.program() == keeper.supervisor_program(run)
    assert own.pid("a") == first.pid


def test_a_supervisor_that_cannot_be_renewed_is_told(
    tmp_path: Path, own: Supervised, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "WAIT", 0.3)
    run = tmp_path / "run"
    a = unit("a", "sleep", "60", log=str(tmp_path / "a.log"))
    own.apply([a])
    first = _wait(run / "a.pid")
    with pytest.raises(KeeperError, match="does not run as /nowhere x; see"):
        own.renew(("/nowhere", "x"))
    monkeypatch.setattr(keeper, "WAIT", 10.0)
    own.renew(keeper.supervisor_program(run))
    assert own.pid("a") == first.pid


def _wait(path: Path) -> daemons.Process:
    import select

    for _ in range(500):
        process = daemons.read_pid(path)
        if process is not None:
            return process
        select.select([], [], [], 0.02)
    raise AssertionError(f"no process in {path}")
