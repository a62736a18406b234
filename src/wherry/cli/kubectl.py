"""`wherry kubectl ...`: the bundled kubectl against this cluster."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wherry.app import config as configuration
from wherry.app.config import DEFAULT_ROOT


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": [], "allow_interspersed_args": False}
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run kubectl against this cluster; everything after `kubectl` is kubectl's own. WHERRY_ROOT names another root."""
    from wherry.app import kubectl
    from wherry.cli.options import existing_server

    root = Path(os.environ.get("WHERRY_ROOT", str(DEFAULT_ROOT)))
    if os.access(configuration.path(root), os.R_OK):
        argv, env = kubectl.command(existing_server(root), arguments, os.environ)
    else:
        argv, env = [kubectl.program(), "--context", "wherry", *arguments], dict(os.environ)
    os.execve(argv[0], argv, env)
