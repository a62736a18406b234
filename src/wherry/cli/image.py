"""`wherry image load|build|list`: images without a registry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from wherry.cli.options import existing, need_root, root_option
from wherry.cli.output import data, output_option, table


@click.group()
def command() -> None:
    """Load, build and list the nodes' images."""


@command.command()
@root_option
@click.argument("archives", nargs=-1, required=True, type=click.Path(path_type=Path))
def load(root: Path, archives: tuple[Path, ...]) -> None:
    """Load Docker or OCI archives into every node."""
    from wherry.app import images

    need_root()
    for name in images.load(existing(root), archives):
        click.echo(name)


@command.command()
@root_option
@click.option("--tag", "-t", required=True, help="Name of the image, such as web:1.")
@click.option("--file", "-f", type=click.Path(path_type=Path), help="The Containerfile, if it is elsewhere.")
@click.option("--build-arg", "arguments", multiple=True, help="NAME=VALUE for the build; may be repeated.")
@click.argument("folder", type=click.Path(path_type=Path))
def build(root: Path, tag: str, file: Path | None, arguments: tuple[str, ...], folder: Path) -> None:
    """Build the Containerfile of FOLDER with buildah and load the image into every node."""
    from wherry.app import images

    need_root()
    for name in images.build(existing(root), folder, tag, file=file, arguments=arguments):
        click.echo(name)


@command.command("list")
@root_option
@output_option
def list_(root: Path, output: str) -> None:
    """List the images of every node."""
    from wherry.app import images

    need_root()
    found = images.held(existing(root))
    if output != "text":
        data([asdict(image) for image in found], output)
        return
    rows = [(name, f"{image.size / 1e6:.1f} MB", ", ".join(image.nodes)) for image in found for name in image.names]
    table(("IMAGE", "SIZE", "NODES"), rows)
