"""`python -m tests.guarantees [ROW...]`: every fault of every row (or of those whose id begins with ROW), seen or not.

First all tests are run as the product is, and must pass; then each with one fault at a time, in an environment of its
own, and must fail. Host tests are run only by root. Prints a table; exit status 1 unless every fault was seen.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

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
        argv = [str(folder / "bin" / "python"), "-m", "tests.guarantees.session", str(result), *one.tests]
        env = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": scratch, "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {**dict(one.environ), "PATH": f"{folder / 'bin'}:{env['PATH']}"}
        with (
            output.open("wb") as file,
            subprocess.Popen(argv, cwd=ROOT, env=env, stdout=file, stderr=file, start_new_session=True) as child,
        ):
            try:
                child.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                return judge(None)
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
    arguments = parser.parse_args()
    chosen = [row for row in ROWS if not arguments.rows or row.id.startswith(tuple(arguments.rows))]
    wanted = [*sound(chosen), *tries(chosen)]
    host = [one for one in wanted if one.host]
    if host and (arguments.no_host or os.geteuid() != 0):
        print(f"left out: {len(host)} that need root", file=sys.stderr)
        host = []
    with ThreadPoolExecutor(max(arguments.jobs, 1)) as many, ThreadPoolExecutor(1) as single:
        verdicts = [
            *many.map(lambda one: report(one, arguments.limit), (one for one in wanted if not one.host)),
            *single.map(lambda one: report(one, 4 * arguments.limit), host),
        ]
    failed = sum(verdict.word not in ("seen", "passed") for verdict in verdicts)
    faults = sum(one.fault is not None for one in wanted)
    tests = {test for one in wanted for test in one.tests}
    print(f"{len(chosen)} rows, {len(tests)} tests, {faults} faults; {failed} not as they have to be")
    return int(failed > 0 or not verdicts)


def report(one: Try, limit: float) -> Verdict:
    """Run it, and print a line."""
    begun = time.monotonic()
    verdict = attempt(one, limit if one.fault is not None else 20 * limit)
    took = time.monotonic() - begun
    name = one.fault.name if one.fault is not None else f"{len(one.tests)} tests pass"
    print(f"{verdict.word:8} {took:5.1f} s  {one.row:28} {name}", flush=True)
    if one.fault is not None:
        print(f"{'':19}{one.tests[0]}", flush=True)
    if verdict.reason:
        print(f"{'':19}{verdict.reason}", flush=True)
    return verdict


if __name__ == "__main__":
    raise SystemExit(main())
