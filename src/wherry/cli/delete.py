"""`wherry delete`: stop everything and leave the machine as it was before `wherry up`."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.cli.options import need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step


@click.command()
@root_option
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@output_option
def command(root: Path, yes: bool, output: str) -> None:
    """Remove the cluster with all its data: containers, volumes, links, rules, files, kubeconfig entries."""
    import os

    from wherry.app.delete import delete, present
    from wherry.app.steps import Steps

    need_root()
    config = present(root.absolute())
    if config is None:
        click.echo(f"There is no cluster at {root}; nothing to delete.")
        return
    if not yes and output == "text":
        click.confirm(f"Delete the cluster at {root} with all its data?", abort=True, err=True)
    steps = Steps(SystemClock(), show_step if output == "text" else no_step)
    delete(config, steps, os.environ)
    if output == "text":
        click.echo("The cluster is gone; this machine is as it was.")
    else:
        data({"changed": True, "steps": [step.as_dict() for step in steps.taken]}, output)
