"""The watchdog: what it kills, and when; with files as an agent writes them, and real processes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from wherry.app import watchdog
from wherry.app.watchdog import Order, Watchdog
from wherry.host import boot, daemons, group_kill

GROUPS = ("/wherry/n1/podu", "/wherry/n1/podv")


@pytest.mark.parametrize(
    ("order", "now", "killed"),
    [
        (Order("b", 100.0, GROUPS), 99.9, ()),
        (Order("b", 100.0, GROUPS), 100.0, GROUPS),
        (Order("b", 100.0, GROUPS), 1e6, GROUPS),
        (Order("b", None, GROUPS), 1e6, ()),
        (Order("another", 100.0, GROUPS), 1e6, ()),
        (Order("b", 100.0, ()), 1e6, ()),
    ],
)
def test_what_is_due(order: Order, now: float, killed: tuple[str, ...]) -> None:
    assert watchdog.due(order, "b", now) == killed


def node(run: Path, deadline: float | None, pods: dict[str, str]) -> Path:
    folder = run / "n1"
    folder.mkdir(exist_ok=True)
    body: dict[str, object] = {"boot": boot.boot_id(), "deadline": deadline, "pods": pods, "answered": 0.0, "ended": []}
    (folder / "new").write_text(json.dumps(body))
    (folder / "new").replace(folder / "fence.json")
    return folder / "fence.json"


class Killer:
    """Counts, instead of killing: groups are the machine's."""

    def __init__(self) -> None:
        self.killed: list[str] = []

    def __call__(self, group: str) -> int:
        self.killed.append(group)
        return 1


def test_it_kills_again_until_it_is_put_off(tmp_path: Path) -> None:
    killer = Killer()
    killed, dog = killer.killed, Watchdog(tmp_path, killer)
    dog.look(10.0)
    node(tmp_path, 100.0, {"u": GROUPS[0]})
    dog.look(99.0)
    assert killed == []
    dog.look(100.0)
    dog.look(101.0)
    assert killed == [GROUPS[0]] * 2
    node(tmp_path, 200.0, {"u": GROUPS[0], "v": GROUPS[1]})
    dog.look(102.0)
    assert len(killed) == 2
    dog.look(201.0)
    assert killed[2:] == list(GROUPS)


def test_a_file_that_cannot_be_read_leaves_what_was_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killer = Killer()
    killed, dog = killer.killed, Watchdog(tmp_path, killer)
    path = node(tmp_path, 100.0, {"u": GROUPS[0]})
    dog.look(50.0)
    for text in ("", "{", "[]", "{}", '{"boot": "b", "deadline": "x", "pods": {}}', '{"boot": 1, "deadline": 1}'):
        path.write_text(text)
        os.utime(path, ns=(1, hash(text) % 10**15))
        dog.look(100.0)
    assert killed == [GROUPS[0]] * 6
    assert str(path) in capsys.readouterr().err


def test_it_shows_that_it_lives_and_ends_when_told(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-m", "wherry.app.watchdog", str(tmp_path)]
    process = daemons.start(argv, tmp_path / "log")
    beat = tmp_path / watchdog.BEAT
    for _ in range(500):
        if beat.exists():
            break
        process.wait(0.02)
    assert boot.elapsed() - float(beat.read_text()) < 10
    process.signal(signal.SIGTERM)
    assert process.wait(5)
    daemons.reap(process)


@pytest.mark.parametrize("group", ["", "/", "/..", "/a/../b"])
def test_what_is_no_group_of_a_pod_is_never_killed(tmp_path: Path, group: str) -> None:
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (tmp_path / "freezer").mkdir()
    (tmp_path / "freezer" / "cgroup.procs").write_text(f"{os.getpid()}\n")
    assert group_kill.kill(group, tmp_path) == 0


def test_version_2_kills_the_whole_group_at_once(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    pod = tmp_path / "wherry" / "pod"
    (pod / "container").mkdir(parents=True)
    for folder in (pod, pod / "container"):
        (folder / "cgroup.procs").touch()
    assert group_kill.kill("/wherry/pod", tmp_path) == 0
    (pod / "container" / "cgroup.procs").write_text("2000000001\n2000000002\n")
    assert group_kill.kill("/wherry/pod", tmp_path) == 2
    assert (pod / "cgroup.kill").read_text() == "1"
