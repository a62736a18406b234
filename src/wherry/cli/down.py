"""`wherry down`: stop everything; state and data stay."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.cli.options import existing, need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step


@click.command()
@root_option
@click.option("--grace", type=click.IntRange(0), default=30, show_default=True, help="Seconds containers have to end.")
@output_option
def command(root: Path, grace: int, output: str) -> None:
    """Stop the cluster with all containers; `wherry up` brings the same objects and data back."""
    from wherry.app.down import down
    from wherry.app.steps import Steps

    need_root()
    steps = Steps(SystemClock(), show_step if output == "text" else no_step)
    config = existing(root)
    changed = down(config, steps, grace)
    if output == "text":
        what = f"This machine's node {config.hostname}" if config.join else "The cluster"
        kept = "its data here" if config.join else "its objects and data"
        click.echo(f"{what} is down; {kept} are kept." if changed else "It was down already.", err=True)
    else:
        data({"changed": changed, "steps": [step.as_dict() for step in steps.taken]}, output)
