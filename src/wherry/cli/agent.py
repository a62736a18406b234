"""`wherry agent`: one node's agent, in the foreground. `wherry up` has one kept running per node."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.cli.options import existing, need_root, root_option


@click.command()
@root_option
@click.option("--node", help="The node's name.  [default: the first]")
@click.option("--verbose", "-v", is_flag=True, help="Log more.")
def command(root: Path, node: str | None, verbose: bool) -> None:
    """Run a node's agent: its containerd, its pods, its packet rules, its DNS."""
    from wherry.app import early

    need_root()
    config = existing(root)
    machine = config.machine(node or config.machines()[0].name)
    answering = early.begin(config, machine)

    from wherry.app.agent import main  # takes a second to load

    main(config, machine, verbose=verbose, early=answering)
