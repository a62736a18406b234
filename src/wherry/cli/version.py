"""`wherry version`."""

from __future__ import annotations

import click

from wherry.cli.output import data, output_option


@click.command()
@output_option
def command(output: str) -> None:
    """Versions of wherry, of the API it serves, and of kubectl."""
    from wherry.app.version import versions

    found = versions()
    if output != "text":
        data(found, output)
        return
    for name, version in found.items():
        click.echo(f"{name:<12}{version}")
