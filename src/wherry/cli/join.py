"""`wherry join`: make this machine a node of another machine's cluster."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.app import config as configuration
from wherry.app.config import Config
from wherry.cli.options import need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step


@click.command()
@click.argument("address")
@root_option
@click.option("--token", required=True, help="The token that `wherry token create` printed.")
@click.option("--ca-hash", "pin", required=True, metavar="sha256:...", help="The hash of the cluster's CA, from there.")
@click.option("--name", help="The node's name.  [default: this machine's]")
@output_option
def command(address: str, root: Path, token: str, pin: str, name: str | None, output: str) -> None:
    """Make this machine a node of the cluster whose API is at ADDRESS (host, or host:port)."""
    from wherry.app.discovery import invitation
    from wherry.app.join import join
    from wherry.app.steps import Steps

    need_root()
    clock = SystemClock()
    steps = Steps(clock, show_step if output == "text" else no_step)
    begun = clock.monotonic()
    hostname = configuration.node_name(socket.gethostname()) if name is None else name
    config = join(Config(root=str(root.absolute()), hostname=hostname), invitation(address, token, pin), clock, steps)
    changed = any(step.changed for step in steps.taken)
    seconds = clock.monotonic() - begun
    if output != "text":
        answer = {
            "changed": changed,
            "seconds": round(seconds, 3),
            "api": config.api_url(),
            "node": config.hostname,
            "steps": [step.as_dict() for step in steps.taken],
        }
        data(answer, output)
        return
    state = "is a node" if changed else "is a node already, nothing changed"
    click.echo(f"This machine {state} of {config.join}: {config.hostname} ({seconds:.1f} s).")
