"""`python -m tests.guarantees [ROW...]`: every fault of every row (or of those whose id begins with ROW), seen or not.

Each test is run with one fault at a time, in an environment of its own; host tests only by root. Prints a table;
exit status 1 unless every fault was seen.
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

from tests.guarantees.row import ROOT, Fault, Proof, Row
from tests.guarantees.rows import ROWS
from tests.guarantees.seeding import environment
from tests.guarantees.session import Outcome
from tests.guarantees.verdict import Verdict, judge


class Try(msgspec.Struct, frozen=True):
    """One test under one fault; None: as the product is, where the test must pass."""

    row: str
    proof: Proof
    fault: Fault | None


def tries(rows: Sequence[Row], *, sound: bool) -> Iterator[Try]:
    """What is to be run. `sound`: every test also without a fault."""
    for row in rows:
        for proof in row.proofs:
            if proof.host and os.geteuid() != 0:
                print(f"{row.id}: {proof.test} needs root", file=sys.stderr)
                continue
            faults = (None, *proof.faults) if sound else proof.faults
            yield from (Try(row.id, proof, fault) for fault in faults)


def attempt(one: Try, limit: float) -> Verdict:
    """Run it, for `limit` seconds at most."""
    with environment(one.fault) as folder, tempfile.TemporaryDirectory() as scratch:
        result, output = Path(scratch, "result"), Path(scratch, "output")
        argv = [str(folder / "bin" / "python"), "-m", "tests.guarantees.session", str(result), one.proof.test]
        env = {
            **os.environ,
            "HYPOTHESIS_STORAGE_DIRECTORY": scratch,
            "PYTHONDONTWRITEBYTECODE": "1",
            **dict(one.proof.environ),
        }
        env["PATH"] = f"{folder / 'bin'}:{env['PATH']}"
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
        if one.fault is None:
            return Verdict("seen") if not outcome.failed else Verdict("BROKEN", output.read_text(errors="replace"))
        return judge(outcome)


def main() -> int:
    """Run them all."""
    parser = argparse.ArgumentParser(prog="python -m tests.guarantees", description=__doc__)
    parser.add_argument("rows", nargs="*", help="only rows whose id begins so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--limit", type=float, default=180.0, help="seconds for one test")
    parser.add_argument("--sound", action="store_true", help="run each test without a fault as well: it must pass")
    parser.add_argument("--no-host", action="store_true", help="leave out the tests that need root")
    arguments = parser.parse_args()
    chosen = [row for row in ROWS if not arguments.rows or row.id.startswith(tuple(arguments.rows))]
    wanted = list(tries(chosen, sound=arguments.sound))
    here = [one for one in wanted if not one.proof.host]
    host = [] if arguments.no_host else [one for one in wanted if one.proof.host]
    with ThreadPoolExecutor(max(arguments.jobs, 1)) as many, ThreadPoolExecutor(1) as single:
        verdicts = [
            *many.map(lambda one: report(one, arguments.limit), here),
            *single.map(lambda one: report(one, 4 * arguments.limit), host),
        ]
    seen = sum(verdict.word == "seen" for verdict in verdicts)
    print(f"{len(chosen)} rows, {len({one.proof.test for one in wanted})} tests, {len(verdicts)} faults, {seen} seen")
    return int(seen != len(verdicts) or not verdicts)


def report(one: Try, limit: float) -> Verdict:
    """Run it, and print a line."""
    begun = time.monotonic()
    verdict = attempt(one, limit)
    took = time.monotonic() - begun
    name = one.fault.name if one.fault is not None else "(no fault: passes)"
    print(f"{verdict.word:8} {took:5.1f} s  {one.row:28} {name}\n{'':19}{one.proof.test}", flush=True)
    if verdict.reason:
        print(f"{'':19}{verdict.reason}", flush=True)
    return verdict


if __name__ == "__main__":
    raise SystemExit(main())
