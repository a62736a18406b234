"""`wherry encryption rotate`: a new key for what is encrypted at rest."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.cli.options import existing_server, need_root, root_option


@click.group()
def command() -> None:
    """Look after encryption at rest."""


@command.command()
@root_option
def rotate(root: Path) -> None:
    """Make a new key, encrypt everything with it, drop the old one. Works while the cluster runs."""
    from wherry.app.sealing import rotate

    need_root()
    rotate(existing_server(root))
    click.echo("Everything is encrypted with a new key; the old one is gone.")
