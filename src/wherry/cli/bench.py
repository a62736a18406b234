"""`wherry bench`: the CIS Kubernetes Benchmark on what runs here. Exit status 1 when a check fails."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.app.benchmark.check import Finding
from wherry.cli.options import existing, need_root, root_option
from wherry.cli.output import data, table

COLOURS = {"pass": "green", "fail": "red", "warn": "yellow", "manual": "cyan", "not applicable": "white"}


@click.command()
@root_option
@click.option(
    "-o", "--output", type=click.Choice(["text", "table", "json", "yaml"]), default="text", show_default=True,
    help="What to print: text with evidence and remedies, a table of statuses, json or yaml for programs.",
)  # fmt: skip
@click.option("--only", default="", metavar="SECTIONS", help="Sections of the benchmark, such as 1.2,4 or 5.1.3.")
def command(root: Path, output: str, only: str) -> None:
    """Hold this cluster against the CIS Kubernetes Benchmark.

    Every check is judged on what runs: files, listeners, answers, objects. Nothing is changed. `fail`: not as the
    benchmark wants it. `warn`: the same, where the benchmark leaves it to a person. `manual`: only a person can tell.
    """
    from wherry.app.benchmark import checks
    from wherry.app.benchmark.gather import gather

    try:
        chosen = checks.chosen([one.strip() for one in only.split(",") if one.strip()])
    except ValueError as error:
        raise click.UsageError(f"--only: {error}; write it like 1.2,4") from error
    need_root()
    findings = checks.judge(chosen, gather(existing(root), SystemClock()))
    if output in ("json", "yaml"):
        data([asdict(finding) | {"evidence": list(finding.evidence)} for finding in findings], output)
    elif output == "table":
        table(("ID", "STATUS", "CHECK"), [(one.id, one.status, one.title) for one in findings])
    else:
        _print(findings)
    sys.exit(any(finding.status == "fail" for finding in findings))


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        status = click.style(f"{finding.status:<14}", fg=COLOURS[finding.status])
        click.echo(f"{finding.id:<7} {status} {finding.title}")
        for line in finding.evidence:
            click.echo(f"{'':<23}{click.style(line, dim=True)}")
        if finding.remedy:
            click.echo(f"{'':<23}{click.style('remedy:', bold=True)} {finding.remedy}")
    count = Counter(finding.status for finding in findings)
    click.echo(f"\n{len(findings)} checks: " + ", ".join(f"{number} {status}" for status, number in count.items()))
