"""`python -m tests.conformance COMMAND`: the conformance suite against a cluster of its own. As root.

run      run the specs that FOCUS and SKIP leave; fails when one listed in passing.txt does not pass
smoke    run the specs listed in smoke.txt
update   run, then write passing.txt and docs/conformance.md from what passed
accept   the same from the run before, without running anything
build    build the suite and its images
list     print the names of all conformance specs
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.conformance import outcomes, page, report, specs, suite
from tests.conformance.images import store
from tests.conformance.images.registry import RegistryError
from tests.conformance.outcomes import Outcome
from tests.conformance.run import Suite
from tests.conformance.specs import Selection, SelectionError

OUT = Path("build/conformance").absolute()
COMMANDS = ("run", "smoke", "update", "accept", "build", "list")


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    command = arguments[0] if len(arguments) == 1 else ""
    if command not in COMMANDS:
        sys.stderr.write(__doc__ or "")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that clusters are taken down
    try:
        return _do(command)
    except (suite.BuildError, SelectionError, RegistryError) as error:
        sys.stderr.write(f"{error}\n")
        return 2


def _do(command: str) -> int:
    programs = suite.build()
    known = specs.read(programs / "specs.txt")
    if command == "list":
        print(*sorted(known), sep="\n")
        return 0
    if command == "accept":
        _accept(outcomes.read(OUT / "outcomes.jsonl").values(), known)
        return 0
    if command == "build":
        store.build(programs)
        return 0
    if os.geteuid() != 0:
        sys.stderr.write("only root can run a cluster: sudo make conformance\n")
        return 2
    names = specs.read(specs.SMOKE) if command == "smoke" else frozenset()
    selected = Selection(os.environ.get("FOCUS", ""), os.environ.get("SKIP", ""), names).of(known)
    procs = int(os.environ.get("PROCS") or 2 * (os.cpu_count() or 1) + 1)
    begun = time.monotonic()
    found = Suite(programs, procs, OUT).run(selected)
    return _verdict(found, known, time.monotonic() - begun, update=command == "update")


def _verdict(found: list[Outcome], known: frozenset[str], seconds: float, *, update: bool) -> int:
    text = report.table(found) + f"\n{len(found)} specs in {seconds / 60:.1f} minutes\n"
    (OUT / "table.txt").write_text(text)
    (OUT / "junit.xml").write_text(report.junit(found))
    print(text)
    if update:
        _accept(found, known)
        return 0
    lost = report.regressions(found, specs.read(specs.PASSING))
    if lost:
        print(f"{len(lost)} specs that passed before do not pass now (see {OUT}/failures):", *lost, sep="\n  ")
        return 1
    print("Every spec of this run that is listed in tests/conformance/passing.txt passed.")
    return 0


def _accept(found: Iterable[Outcome], known: frozenset[str]) -> None:
    """Write down what passed; specs that did not run stay as they were."""
    ran = {outcome.name: outcome.passed for outcome in found}
    before = (name for name in specs.read(specs.PASSING) if name not in ran)
    passing = known & {*before, *(name for name, passed in ran.items() if passed)}
    specs.write(specs.PASSING, passing)
    page.write(suite.version(), known, passing)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
