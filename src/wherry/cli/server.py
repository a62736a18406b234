"""`wherry server`: the control plane, in the foreground. `wherry up` has it kept running."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.cli.options import existing, need_root, root_option


@click.command()
@root_option
@click.option(
    "--only",
    type=click.Choice(["api", "controllers", "scheduler"]),
    multiple=True,
    help="Run only this part; may be repeated.",
)
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def command(root: Path, only: tuple[str, ...], verbose: bool) -> None:
    """Run the API server, the controllers and the scheduler."""
    from wherry.app.server import main

    need_root()
    main(existing(root), frozenset(only), verbose=verbose)
