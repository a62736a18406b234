"""`wherry up`: make or start the cluster."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
import msgspec

from wherry.aio.clock import SystemClock
from wherry.app import config as configuration
from wherry.app.config import Config
from wherry.app.steps import Failed, Steps
from wherry.cli.options import need_root, root_option
from wherry.cli.output import data, no_step, output_option, show_step
from wherry.cli.server_options import server_options, with_flags


@click.command()
@root_option
@click.option("--nodes", type=int, help="How many nodes this machine plays.  [default: 1, or as before]")
@click.option("--listen", help="Address the API listens on.  [default: all]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API.  [default: 6443]")
@click.option(
    "--registry",
    "registries",
    multiple=True,
    metavar="HOST=URL",
    help="Where nodes find a registry: a mirror, or http:// for one without TLS; `HOST=` forgets it; repeatable.",
)
@click.option("--tracing", metavar="FILE", help='TracingConfiguration: where spans of requests go; "" for nowhere.')
@server_options
@output_option
def command(root: Path, registries: tuple[str, ...], output: str, **given: Any) -> None:
    """Make or start a cluster on this machine; run again, it changes nothing."""
    from wherry.app.up import up

    need_root()
    clock = SystemClock()
    steps = Steps(clock, show_step if output == "text" else no_step)
    begun = clock.monotonic()
    config = configuration.load(root.absolute()) or Config(root=str(root.absolute()))
    if config.join:
        _up_again(config, steps, output, flags=(*given.values(), *registries))
        return
    changes = {name: given[name] for name in ("nodes", "listen", "port") if given[name] is not None}
    if given["tracing"] is not None:
        changes["tracing"] = str(Path(given["tracing"]).absolute()) if given["tracing"] else ""
    known = config.registries | dict(configuration.registry(text) for text in registries)
    found = {host: url for host, url in known.items() if url}
    config = with_flags(msgspec.structs.replace(config, **changes, registries=found), given)
    outcome = up(config, clock, steps, os.environ)
    seconds = clock.monotonic() - begun
    if output != "text":
        answer = {
            "changed": outcome.changed,
            "seconds": round(seconds, 3),
            "api": config.api_url(),
            "kubeconfig": str(outcome.kubeconfig),
            "nodes": [node.name for node in config.machines()],
            "steps": [step.as_dict() for step in steps.taken],
        }
        data(answer, output)
        return
    state = "up" if outcome.changed else "up already, nothing changed"
    click.echo(f"The cluster is {state} ({seconds:.1f} s). Try: kubectl get nodes, or wherry status")


def _up_again(config: Config, steps: Steps, output: str, *, flags: tuple[object, ...]) -> None:
    """A machine that has joined a cluster: its agent is started."""
    from wherry.app.join import start

    if any(flag not in (None, ()) for flag in flags):
        raise Failed(
            f"this machine is a node of the cluster at {config.join}, and the flags are the server's",
            "leave them out",
            code=2,
        )
    start(config, SystemClock(), steps)
    changed = any(step.changed for step in steps.taken)
    if output != "text":
        data({"changed": changed, "node": config.hostname, "steps": [step.as_dict() for step in steps.taken]}, output)
        return
    state = "is up" if changed else "is up already, nothing changed"
    click.echo(f"Node {config.hostname} of {config.join} {state}.")
