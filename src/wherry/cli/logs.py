"""`wherry logs`: the logs of the server, the agents, containerd, the supervisor, or of a pod."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wherry.cli.options import existing, root_option


@click.command()
@root_option
@click.option("--follow", "-f", is_flag=True, help="Go on printing what comes.")
@click.option("--lines", "-n", type=click.IntRange(0), default=100, show_default=True, help="How many last lines.")
@click.option("--namespace", default="default", show_default=True, help="The pod's namespace.")
@click.argument("what", default="server")
def command(root: Path, follow: bool, lines: int, namespace: str, what: str) -> None:
    """Print a log. WHAT is server, agent, agent/NODE, containerd, containerd/NODE, supervisor, or a pod's name."""
    from wherry.app import kubectl, logs

    config = existing(root)
    files = logs.files(config, what)
    if files:
        arguments = ["tail", "-n", str(lines), *(["-F"] if follow else []), *map(str, files)]
        os.execvp("tail", arguments)
    extra = ["--follow"] if follow else []
    argv, env = kubectl.command(
        config, ["logs", "-n", namespace, "--tail", str(lines), "--all-containers", *extra, what], os.environ
    )
    os.execve(argv[0], argv, env)
