"""`wherry doctor`: what this machine can and cannot carry, with remedies. Exit status 1 when something is wrong."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.app import config as configuration
from wherry.app.config import Config
from wherry.cli.options import root_option
from wherry.cli.output import data, mark, output_option


@click.command()
@root_option
@output_option
def command(root: Path, output: str) -> None:
    """Check this machine: programs, kernel, ports, networks, disk, clock."""
    from wherry.app.doctor import examine

    try:
        config = configuration.load(root.absolute()) or Config(root=str(root.absolute()))
    except PermissionError:
        config = Config(root=str(root.absolute()))
    findings = examine(config, SystemClock())
    if output == "text":
        for finding in findings:
            remedy = f"\n    {click.style('remedy:', bold=True)} {finding.remedy}" if finding.remedy else ""
            click.echo(f"{mark(finding.level)} {finding.name:<24} {finding.cause}{remedy}")
    else:
        data([asdict(finding) for finding in findings], output)
    sys.exit(any(finding.level == "fail" for finding in findings))
