"""`wherry version`."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.cli.options import root_option
from wherry.cli.output import data, output_option


@click.command()
@root_option
@output_option
def command(root: Path, output: str) -> None:
    """Versions of wherry, of the API it serves, of kubectl, and of the parts that run on this machine."""
    from wherry.app.version import versions

    found = versions()
    running = _running(root.absolute())
    if output != "text":
        data({**found, "running": running}, output)
        return
    for name, version in found.items():
        click.echo(f"{name:<12}{version}")
    if running:
        click.echo("running here:")
    for name, version in running.items():
        click.echo(f"  {name:<24}{version}")


def _running(root: Path) -> dict[str, str]:
    """Part -> version, of what this user may see."""
    from wherry.app import config as configuration

    try:
        config = configuration.load(root)
    except (PermissionError, configuration.ConfigError):
        return {}
    if config is None:
        return {}
    from wherry.app.status import process_states

    return {part.name: part.version or "unknown" for part in process_states(config) if part.pid}
