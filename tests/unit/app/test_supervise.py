"""The supervisor with real processes: starts, adopts, restarts at once, stops in order, backs off."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
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

    def become(self, *argv: str) -> None:
        """Ask the supervisor to go on as another program."""
        (self.run / "supervisor.json").write_text(json.dumps({"argv": argv}))
        self.kill(signal.SIGHUP)

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(500):
            if condition():
                return
            _pause()
        raise AssertionError((self.run / "supervisor.log").read_text())

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


def later(running: Running) -> tuple[str, ...]:
    """Another command line of the same program, as another version would have."""
    return (sys.executable, "-I", "-X", "utf8", "-m", "wherry.app.supervise", str(running.run))


def children(process: daemons.Process) -> list[int]:
    """Its children, zombies too."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_another_version_takes_over_in_the_same_process_and_keeps_the_children(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.unit("b", "exec sleep 60")
    running.start()
    assert running.process is not None
    a, b = running.pid("a"), running.pid("b")
    running.become(*later(running))
    for _ in range(50):
        running.kill(signal.SIGHUP)  # none of them may end it, whatever it is doing
    running.until(lambda: daemons.words(running.process or a) == later(running))
    assert daemons.read_pid(running.run / "supervisor.pid") == running.process
    a.signal(signal.SIGKILL)
    second = running.pid("a", other_than=a)
    assert running.pid("b") == b
    running.until(lambda: set(children(running.process or a)) == {second.pid, b.pid})


def test_a_unit_that_ends_while_another_version_takes_over_is_started_again(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.start()
    assert running.process is not None
    a = running.pid("a")
    running.process.signal(signal.SIGSTOP)
    (running.run / "supervisor.json").write_text(json.dumps({"argv": later(running)}))
    running.process.signal(signal.SIGHUP)
    a.signal(signal.SIGKILL)
    running.process.signal(signal.SIGCONT)
    second = running.pid("a", other_than=a)
    running.until(lambda: children(running.process or a) == [second.pid])
    assert daemons.words(running.process) == later(running)


@pytest.mark.parametrize("argv", [("/nowhere/python", "-m", "x"), ()])
def test_a_version_that_cannot_be_run_changes_nothing(running: Running, argv: tuple[str, ...]) -> None:
    running.unit("a", "exec sleep 60")
    running.start()
    first = running.pid("a")
    running.become(*argv)
    running.unit("b", "exec sleep 60")
    running.kill(signal.SIGHUP)
    running.pid("b")
    assert running.pid("a") == first


def test_a_unit_that_runs_as_something_else_is_replaced_at_adoption(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.unit("b", "exec sleep 60")
    running.start()
    a, b = running.pid("a"), running.pid("b")
    running.kill()
    running.unit("a", "exec sleep 61")
    running.start()
    running.pid("a", other_than=a)
    assert not a.alive()
    assert running.pid("b") == b


def test_a_unit_whose_file_becomes_unreadable_goes_on(running: Running) -> None:
    running.unit("a", "exec sleep 60")
    running.start()
    first = running.pid("a")
    (running.run / "units" / "a.json").write_text("[]")
    running.unit("b", "exec sleep 60")
    running.kill(signal.SIGHUP)
    running.pid("b")
    assert running.pid("a") == first


def test_fields_of_later_versions_are_passed_over() -> None:
    unit = Unit("a", ("true",), "log", version="1.2.0")
    assert supervise.decode(json.dumps({**json.loads(unit.encode()), "colour": "green"})) == unit


def test_the_mark_is_the_same_in_every_version() -> None:
    unit = Unit("server", ("/usr/bin/python3", "-I", "-m", "wherry.cli.main", "server"), "log", 0, 10, "0.1.0")
    assert unit.mark == "0.1.0:7396cfdb"
    assert unit._replace(log="other", order=1, grace=5).mark == unit.mark
    assert len({unit.mark, unit._replace(version="0.1.1").mark, unit._replace(argv=("x",)).mark}) == 3


SERVES = """
import signal, sys, time
from pathlib import Path
from wherry.app import ahead
out = Path(sys.argv[1])
out.open("a").write(f"{sys.argv[2]} loads\\n")
time.sleep(0.5)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
if ahead.asked():
    if not ahead.turn():
        out.open("a").write(f"{sys.argv[2]} without a word\\n")
        sys.exit(1)
out.open("a").write(f"{sys.argv[2]} serves\\n")
signal.sigwait([signal.SIGTERM])
out.open("a").write(f"{sys.argv[2]} ends\\n")
"""


def serve(running: Running, name: str) -> Path:
    """Ask for a unit that tells in a file what it does, as a version of this name."""
    out = running.run / "told"
    out.touch()
    argv = (sys.executable, "-c", SERVES, str(out), name)
    unit = Unit("a", argv, str(running.run / "a.log"), grace=5, version=name, ahead=True)
    (running.run / "units" / "a.json").write_text(unit.encode())
    return out


def test_what_takes_a_place_loads_before_that_is_empty(running: Running) -> None:
    out = serve(running, "1")
    running.start()
    first = running.pid("a")
    running.until(lambda: out.read_text() == "1 loads\n1 serves\n")
    serve(running, "2")
    running.kill(signal.SIGHUP)
    over = "1 loads\n1 serves\n2 loads\n1 ends\n2 serves\n"
    running.until(lambda: out.read_text() == over)
    second = running.pid("a", other_than=first)
    assert second.started - first.started > 0
    assert daemons.environment(second, supervise.MARK) == supervise.read_units(running.run)["a"].mark
    second.signal(signal.SIGKILL)
    running.until(lambda: out.read_text() == f"{over}2 loads\n2 serves\n")


def test_what_has_loaded_and_does_not_get_the_word_ends(running: Running) -> None:
    out = serve(running, "1")
    running.start()
    first = running.pid("a")
    running.until(lambda: out.read_text() == "1 loads\n1 serves\n")
    serve(running, "2")
    running.kill(signal.SIGHUP)
    assert running.process is not None
    mother = running.process
    running.until(lambda: len(children(mother)) == 2)
    running.kill()
    running.until(lambda: "2 without a word\n" in out.read_text())
    assert first.alive()
    running.start()
    running.until(lambda: out.read_text().endswith("1 ends\n2 loads\n2 serves\n"))


def test_what_does_not_load_ahead_is_started_in_the_usual_way(running: Running) -> None:
    out = serve(running, "1")
    running.start()
    running.until(lambda: out.read_text() == "1 loads\n1 serves\n")
    argv = ("sh", "-c", f"echo >> {out} $WHERRY_AHEAD tried; [ -z $WHERRY_AHEAD ] && exec sleep 60")
    unit = Unit("a", argv, str(running.run / "a.log"), ahead=True)
    (running.run / "units" / "a.json").write_text(unit.encode())
    running.kill(signal.SIGHUP)
    running.until(lambda: out.read_text() == "1 loads\n1 serves\n3 tried\n1 ends\ntried\n")
