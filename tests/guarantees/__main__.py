"""`python -m tests.guarantees [ROW...]`: every fault of every row (or of those whose id begins with ROW), seen or not.

First all tests are run as the product is, and must pass; then each with one fault at a time, in an environment of its
own, and must fail. Host tests are run only by root. Prints a table; exit status 1 unless every fault was seen.
With --record, an interrupted run goes on where it was, if neither product nor tests have changed since.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.guarantees.record import Line, Name, Record, state
from tests.guarantees.row import ROOT, Fault, Row
from tests.guarantees.rows import ROWS
from tests.guarantees.seeding import environment
from tests.guarantees.session import Outcome
from tests.guarantees.verdict import Verdict, judge, judge_sound


class Try(msgspec.Struct, frozen=True):
    """Tests under one fault; None: as the product is, where they must pass."""

    row: str
    tests: tuple[str, ...]
    fault: Fault | None
    environ: tuple[tuple[str, str], ...] = ()
    host: bool = False

    @property
    def name(self) -> Name:
        """What a record knows it by."""
        return self.tests, None if self.fault is None else self.fault.name, self.environ


def tries(rows: Sequence[Row]) -> Iterator[Try]:
    """Every proof of these rows, one fault at a time."""
    for row in rows:
        for proof in row.proofs:
            for fault in proof.faults:
                yield Try(row.id, (proof.test,), fault, proof.environ, proof.host)


def sound(rows: Sequence[Row]) -> Iterator[Try]:
    """All tests of these rows without a fault, together where they may be."""
    found: dict[tuple[bool, tuple[tuple[str, str], ...]], dict[str, None]] = {}
    for proof in (proof for row in rows for proof in row.proofs):
        found.setdefault((proof.host, proof.environ), {})[proof.test] = None
    for (host, environ), tests in found.items():
        yield Try("(no fault)", tuple(tests), None, environ, host)


def attempt(one: Try, limit: float) -> Verdict:
    """Run it, for `limit` seconds at most."""
    with environment(one.fault) as folder, tempfile.TemporaryDirectory() as scratch:
        result, output = Path(scratch, "result"), Path(scratch, "output")
        until = "all" if one.fault is None else "first"
        argv = [str(folder / "bin" / "python"), "-m", "tests.guarantees.session", str(result), until, *one.tests]
        env = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": scratch, **dict(one.environ)}
        env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # else each try compiles all libraries anew
        with (
            output.open("wb") as file,
            subprocess.Popen(argv, cwd=ROOT, env=env, stdout=file, stderr=file, start_new_session=True) as child,
        ):
            try:
                child.wait(limit)
            except subprocess.TimeoutExpired:
                return judge(None)
            finally:  # also what a test that failed has left running
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
        if not result.is_file():
            return Verdict("BROKEN", output.read_text(errors="replace")[-2000:])
        outcome = msgspec.json.decode(result.read_bytes(), type=Outcome)
    return judge(outcome) if one.fault is not None else judge_sound(outcome)


def main() -> int:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.guarantees", description=__doc__)
    parser.add_argument("rows", nargs="*", help="only rows whose id begins so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds for one test under one fault")
    parser.add_argument("--no-host", action="store_true", help="leave out the tests that need root")
    parser.add_argument("--host-only", action="store_true", help="leave out the tests that need no root")
    parser.add_argument("--faults-only", action="store_true", help="the tests without a fault have passed elsewhere")
    parser.add_argument("--record", type=Path, help="a file of what was found: what is in it is not run again")
    arguments = parser.parse_args()
    chosen = [row for row in ROWS if not arguments.rows or row.id.startswith(tuple(arguments.rows))]
    wanted = [*(() if arguments.faults_only else sound(chosen)), *tries(chosen)]
    left = host_left_out(arguments.no_host, wanted)
    wanted = [one for one in wanted if not (one.host and left) and (one.host or not arguments.host_only)]
    record = Record(arguments.record, state() if arguments.record else "")
    verdicts = run(wanted, record, arguments.jobs, arguments.limit)
    failed = sum(verdict.word not in ("seen", "passed") for verdict in verdicts)
    faults = sum(one.fault is not None for one in wanted)
    tests = {test for one in wanted for test in one.tests}
    print(f"{len(chosen)} rows, {len(tests)} tests, {faults} faults; {failed} not as they have to be")
    return int(failed > 0 or not verdicts)


def host_left_out(asked: bool, wanted: Sequence[Try]) -> bool:
    """Must tests that need root be left out? Says so."""
    host = sum(one.host for one in wanted)
    left = host > 0 and (asked or os.geteuid() != 0)
    if left:
        print(f"left out: {host} that need root", file=sys.stderr)
    return left


def run(wanted: Sequence[Try], record: Record, jobs: int, limit: float) -> list[Verdict]:
    """What the record does not know, the quickest first; those that touch the machine one at a time, after the rest."""
    known = [verdict for one in wanted if (verdict := record.known(one.name)) is not None]
    open_ = sorted((one for one in wanted if record.known(one.name) is None), key=lambda one: record.took(one.name))
    if known:
        print(f"{len(known)} known already, on {record.now}", flush=True)
    begun = iter(range(1, len(open_) + 1))

    def each(limit: float) -> Callable[[Try], Verdict]:
        return lambda one: report(one, limit, record, f"{next(begun)}/{len(open_)}")

    with ThreadPoolExecutor(max(jobs, 1)) as many, ThreadPoolExecutor(1) as single:
        return [
            *known,
            *many.map(each(limit), (one for one in open_ if not one.host)),
            *single.map(each(4 * limit), (one for one in open_ if one.host)),
        ]


def report(one: Try, limit: float, record: Record, number: str) -> Verdict:
    """Run it, keep what it found and print a line."""
    begun = time.monotonic()
    verdict = attempt(one, limit if one.fault is not None else 20 * limit)
    took = time.monotonic() - begun
    ended = datetime.now(UTC)
    tests, fault, environ = one.name
    stamp = ended.isoformat(timespec="seconds")
    record.keep(Line(record.now, stamp, one.row, tests, fault, environ, verdict.word, verdict.reason, round(took, 1)))
    name = fault or f"{len(tests)} tests pass"
    print(f"{ended:%H:%M:%S} {number:>7} {verdict.word:8} {took:5.1f} s  {one.row:28} {name}", flush=True)
    if fault is not None:
        print(f"{'':36}{tests[0]}", flush=True)
    if verdict.reason:
        print(f"{'':36}{verdict.reason}", flush=True)
    return verdict


if __name__ == "__main__":
    raise SystemExit(main())
