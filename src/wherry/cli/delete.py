"""`wherry delete`: stop everything and leave the machine as it was before `wherry up`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wherry.aio.clock import SystemClock
from wherry.cli.options import need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step

if TYPE_CHECKING:
    from wherry.app.config import Config


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
        click.confirm(f"Delete {_what(config)} at {root} with all its data?", abort=True, err=True)
    steps = Steps(SystemClock(), show_step if output == "text" else no_step)
    delete(config, steps, os.environ)
    if output == "text":
        click.echo(_farewell(config))
    else:
        data({"changed": True, "steps": [step.as_dict() for step in steps.taken]}, output)


def _what(config: Config) -> str:
    return f"what makes this machine node {config.hostname} of {config.join}" if config.join else "the cluster"


def _farewell(config: Config) -> str:
    if not config.join:
        return "The cluster is gone; this machine is as it was."
    name = config.hostname
    return (
        f"This machine is as it was. The cluster still lists node {name}, unless it has been removed: "
        f"`wherry node remove {name} --force` on the server's machine."
    )
