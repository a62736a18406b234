"""docs/conformance.md: how much of the suite passes, written from passing.txt and the run that made it."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from pathlib import Path

from tests.conformance import specs
from tests.conformance.suite import MODULE

PAGE = MODULE.parents[1] / "docs" / "conformance.md"
INTRODUCTION = """\
# Conformance

Kubernetes {version}'s own conformance suite, unchanged, against `wherry up --nodes 2`: **{passed} of {total} specs pass
({percent:.1f} %)**. Written by `make conformance-update` on {date}, on {machine}.

| SIG | passed | of | percent |
|---|---:|---:|---:|
"""
REPRODUCE = """\

Reproduce it as root on Debian 12: `make conformance`. It builds the suite and its images (cached after the
first time), starts a cluster in a network namespace of its own, runs the specs, and fails when one that is listed in
`tests/conformance/passing.txt` does not pass. `make conformance FOCUS='sig-apps.*Job'` runs what matches; `SKIP=`
leaves out; `PROCS=` says how many specs run at a time. Results, logs and the objects of failed specs are in
`build/conformance/`.
"""
MISSING = """
## What does not pass yet

"""


def text(version: str, all_specs: Iterable[str], passing: Iterable[str], date: str, machine: str) -> str:
    """The page."""
    total, passed = frozenset(all_specs), frozenset(passing)
    passed &= total
    percent = 100 * len(passed) / len(total)
    out = INTRODUCTION.format(
        version=version, passed=len(passed), total=len(total), percent=percent, date=date, machine=machine
    )
    for sig in sorted({specs.sig(name) for name in total}):
        ours = [name for name in total if specs.sig(name) == sig]
        count = sum(name in passed for name in ours)
        out += f"| {sig} | {count} | {len(ours)} | {100 * count / len(ours):.1f} |\n"
    out += REPRODUCE
    if missing := sorted(total - passed):
        out += MISSING + "".join(f"- {name}\n" for name in missing)
    return out


def write(version: str, all_specs: Iterable[str], passing: Iterable[str]) -> None:
    """Write the page for today and this machine."""
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    PAGE.write_text(text(version, all_specs, passing, date, machine()))


def machine() -> str:
    """This machine in words: cores and memory, no names."""
    kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
    return f"{os.cpu_count()} cores and {kilobytes / 1024**2:.0f} GiB of memory"
