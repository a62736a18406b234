"""Daemons: found by pid and start time, stopped with grace, logs rotated. Real processes, no waiting beyond theirs."""

import os
import signal
import stat
from pathlib import Path

from wherry.host import daemons


def test_a_daemon_is_found_by_its_pid_file_and_stopped(tmp_path: Path) -> None:
    process = daemons.start(["sleep", "60"], tmp_path / "log")
    daemons.write_pid(tmp_path / "pid", process)
    assert daemons.read_pid(tmp_path / "pid") == process
    assert os.getsid(process.pid) == process.pid
    assert daemons.stop(process, 5)
    assert not process.alive()
    assert daemons.read_pid(tmp_path / "pid") is None


def test_a_reused_pid_is_never_signalled(tmp_path: Path) -> None:
    process = daemons.start(["sleep", "60"], tmp_path / "log")
    other = daemons.Process(process.pid, process.started - 1)
    assert not other.alive()
    assert not other.signal(signal.SIGKILL)
    assert process.alive()
    daemons.stop(process, 5)


def test_who_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = daemons.start(["sh", "-c", "trap '' TERM; echo ready; exec 1>&-; while :; do sleep 1; done"], log)
    while log.read_bytes() != b"ready\n":
        process.wait(0.01)
    assert not daemons.stop(process, 0.05)
    assert not process.alive()


def test_output_goes_to_a_private_file(tmp_path: Path) -> None:
    process = daemons.start(["sh", "-c", "echo out; echo err >&2"], tmp_path / "log")
    assert process.wait(10)
    daemons.reap(process)
    assert (tmp_path / "log").read_text() == "out\nerr\n"
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_large_log_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for content in ("one", "two", "three"):
        log.write_text(content)
        assert daemons.rotate(log, limit=2)
    assert log.read_text() == ""
    assert (tmp_path / "log.1").read_text() == "three"
    assert (tmp_path / "log.2").read_text() == "two"
    assert not (tmp_path / "log.3").exists()
    assert not daemons.rotate(log, limit=2)


def test_a_bad_pid_file_names_nobody(tmp_path: Path) -> None:
    assert daemons.read_pid(tmp_path / "none") is None
    (tmp_path / "pid").write_text("x")
    assert daemons.read_pid(tmp_path / "pid") is None


def test_descriptors_are_handed_over_in_order(tmp_path: Path) -> None:
    files = [(tmp_path / name).open("w") for name in ("one", "two")]
    process = daemons.start(
        ["sh", "-c", "echo 1 >&3; echo 2 >&4"], tmp_path / "log", descriptors=[file.fileno() for file in files]
    )
    for file in files:
        file.close()
    assert process.wait(10)
    daemons.reap(process)
    assert [(tmp_path / name).read_text() for name in ("one", "two")] == ["1\n", "2\n"]
