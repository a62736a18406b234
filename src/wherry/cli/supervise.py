"""`wherry supervise`: keep the server and the agents running, where no systemd does. `wherry up` starts it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wherry.app import keeper
from wherry.cli.options import existing, need_root, root_option


@click.command()
@root_option
def command(root: Path) -> None:
    """Keep server and agents running (in the foreground)."""
    need_root()
    run = existing(root).run
    program = keeper.supervisor_program(run)
    os.execv(program[0], program)
