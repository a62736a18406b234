"""`wherry node remove`: take a machine that joined out of the cluster."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.cli.options import existing_server, need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step


@click.group()
def command() -> None:
    """Look after the nodes that joined."""


@command.command()
@root_option
@click.argument("name")
@click.option("--timeout", type=click.FloatRange(0), default=120.0, show_default=True, help="Seconds its pods have.")
@click.option("--force", is_flag=True, help="Do not wait for its pods: for a machine that is lost.")
@output_option
def remove(root: Path, name: str, timeout: float, force: bool, output: str) -> None:
    """Move the pods of node NAME elsewhere, take back its certificates, and remove it."""
    from wherry.app.removal import remove
    from wherry.app.steps import Steps

    need_root()
    clock = SystemClock()
    steps = Steps(clock, show_step if output == "text" else no_step)
    remove(existing_server(root), name, clock, steps, timeout=timeout, force=force)
    if output == "text":
        click.echo(f"Node {name} is removed. Run `wherry delete` on its machine to end what is left there.")
    else:
        data({"changed": True, "steps": [step.as_dict() for step in steps.taken]}, output)
