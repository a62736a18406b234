"""The supervisor with real processes: starts, adopts, restarts at once, stops in order, backs off."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.app import supervise
from wherry.app.supervise import Unit
from wherry.host import daemons


class Running:
    """A supervisor process over a run folder."""

    def __init__(self, run: Path) -> None:
        self.run = run
        (run / "units").mkdir(parents=True)
        self.process: daemons.Process | None = None

    def unit(self, name: str, script: str, order: int = 0) -> None:
        argv = ("sh", "-c", script)
        text = Unit(name, argv, str(self.run / f"{name}.log"), order, 5).encode()
        (self.run / "units" / f"{name}.json").write_text(text)

    def start(self) -> None:
        argv = [sys.executable, "-I", "-m", "wherry.app.supervise", str(self.run)]
        self.process = daemons.start(argv, self.run / "supervisor.log")
        while daemons.read_pid(self.run / "supervisor.pid") != self.process:
            _pause()

    def kill(self, number: int = signal.SIGKILL) -> None:
        assert self.process is not None
        self.process.signal(number)
        if number != signal.SIGHUP:
            assert self.process.wait(10)
            daemons.reap(self.process)

    def pid(self, name: str, other_than: daemons.Process | None = None) -> daemons.Process:
        """The unit's process, as soon as there is one."""
        for _ in range(500):
            process = daemons.read_pid(self.run / f"{name}.pid")
            if process is not None and process != other_than:
                return process
            _pause()
        raise AssertionError(f"{name} did not start: {(self.run / 'supervisor.log').read_text()}")


def _pause() -> None:
    import select

    select.select([], [], [], 0.02)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    it = Running(tmp_path)
    yield it
    if it.process is not None and it.process.alive():
        it.kill(signal.SIGTERM)
    for path in tmp_path.glob("*.pid"):
        process = daemons.read_pid(path)
        if process is not None:
            process.signal(signal.SIGKILL)


def test_a_killed_unit_comes_back_at_once(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.start()
    first = running.pid("a")
    first.signal(signal.SIGKILL)
    second = running.pid("a", other_than=first)
    assert second.started - first.started < 500  # clock ticks of 10 ms: no back-off for the first failure


def test_a_new_supervisor_adopts_what_runs(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.start()
    first = running.pid("a")
    running.kill()
    assert first.alive()
    running.start()
    running.unit("b", "exec sleep 60")
    running.kill(signal.SIGHUP)
    running.pid("b")
    assert running.pid("a") == first


def test_sigterm_stops_in_reverse_order(running: Running) -> None:
    out = running.run / "out"
    for name, order in (("server", 0), ("agent", 1)):
        running.unit(
            name, f"trap 'echo {name} >> {out}; exit' TERM; echo > {out}.{name}; while :; do sleep 0.05; done", order
        )
    running.start()
    while not all((running.run / f"out.{name}").exists() for name in ("server", "agent")):
        _pause()
    processes = [running.pid("server"), running.pid("agent")]
    running.kill(signal.SIGTERM)
    assert out.read_text().split() == ["agent", "server"]
    assert not any(process.alive() for process in processes)
    assert not list(running.run.glob("*.pid"))


def test_a_removed_unit_is_stopped_and_a_changed_one_restarted(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.unit("b", "exec sleep 60")
    running.unit("c", "exec sleep 60")
    running.start()
    a, b, c = (running.pid(name) for name in "abc")
    (running.run / "units" / "a.json").unlink()
    running.unit("b", "exec sleep 61")
    running.kill(signal.SIGHUP)
    running.pid("b", other_than=b)
    assert not a.alive()
    assert running.pid("c") == c


def test_a_second_supervisor_gives_way(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.start()
    running.pid("a")
    second = daemons.start([sys.executable, "-I", "-m", "wherry.app.supervise", str(running.run)], running.run / "log")
    assert second.wait(10)
    assert daemons.reap(second) == 1 << 8


def test_a_damaged_unit_file_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "a.json").write_text("{")
    (tmp_path / "units" / "b.json").write_text(Unit("b", ("true",), "log").encode())
    assert supervise.read_units(tmp_path) == {"b": Unit("b", ("true",), "log")}
    assert "a.json" in capsys.readouterr().err


def test_restarts_come_ever_more_slowly(tmp_path: Path) -> None:
    watched = supervise.Watched(Unit("a", ("true",), str(tmp_path / "log")), tmp_path)
    waits = []
    for _ in range(12):
        watched.ended(1.0)
        waits.append(watched.due - 1.0)
    assert [round(wait, 2) for wait in waits[:4]] == [0.0, 0.02, 0.04, 0.08]
    assert waits[-1] == supervise.CAP
