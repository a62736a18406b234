"""What commands print: tables and steps for people, JSON or YAML for programs, errors as one sentence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from wherry.app.config import ConfigError
from wherry.app.keeper import KeeperError
from wherry.app.rest import ApiRefused, ApiUnreachable
from wherry.app.steps import Failed, Step

MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}

output_option: Callable[[Any], Any] = click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True,
    help="What to print: text for people, json or yaml for programs.",
)  # fmt: skip


def explain(error: Exception) -> int:
    """Print the error as a sentence; returns the exit status. Anything unforeseen is raised again with WHERRY_DEBUG."""
    if os.environ.get("WHERRY_DEBUG"):
        raise error
    code = 1
    match error:
        case Failed():
            text, code = str(error), error.code
        case ConfigError():
            text, code = str(error), 2
        case KeeperError() | ApiRefused():
            text = str(error)
        case ApiUnreachable():
            text = f"{error}; start it with `wherry up`, or see `wherry status`"
        case PermissionError():
            text = f"{error.strerror}: {error.filename}; run it with sudo" if error.filename else "run it with sudo"
        case OSError():
            text = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}; see `wherry doctor`"
        case _:
            text = f"{type(error).__name__}: {error}; this is a bug in wherry: WHERRY_DEBUG=1 shows where"
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)
    return code


def data(value: Any, form: str) -> None:
    """Print for programs."""
    if form == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    import yaml

    click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, as wide as they need, the last one unpadded."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def mark(level: str) -> str:
    """A coloured sign for ok, warn, fail."""
    sign, colour = MARKS[level]
    return click.style(sign, fg=colour)


def show_step(step: Step) -> None:
    """Draw a step: its name while it runs (on a terminal), its time and outcome when it is done."""
    terminal = sys.stderr.isatty()
    if not step.done:
        if terminal:
            click.echo(f"  {step.name} ...", err=True, nl=False)
        return
    if terminal:
        click.echo("\r\x1b[K", err=True, nl=False)
    sign = mark("ok") if step.changed else click.style("=", dim=True)
    detail = f"  {click.style(step.detail, dim=True)}" if step.detail else ""
    click.echo(f"{sign} {step.name:<30} {step.seconds:6.2f} s{detail}", err=True)


def no_step(_: Step) -> None:
    """Draw nothing: for output to programs."""
