"""`wherry server`: the control plane, in the foreground. `wherry up` has it kept running."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import structs

from wherry.cli.options import existing_server, need_root, root_option


@click.command()
@root_option
@click.option(
    "--only",
    type=click.Choice(["api", "controllers", "scheduler"]),
    multiple=True,
    help="Run only this part; may be repeated.",
)
@click.option(
    "--config",
    "access",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Who may come in beside the cluster's own users: OIDC, webhooks, proxies (see docs/access.md).",
)
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def command(root: Path, only: tuple[str, ...], access: Path | None, verbose: bool) -> None:
    """Run the API server, the controllers and the scheduler."""
    from wherry.app.server import main

    need_root()
    config = existing_server(root)
    if access is not None:
        config = structs.replace(config, access=str(access.resolve()))
    main(config, frozenset(only), verbose=verbose)
