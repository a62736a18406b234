"""`wherry status`: processes, nodes and pods, and the true cause of what does not work."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.cli.options import existing, root_option
from wherry.cli.output import data, mark, output_option, table


@click.command()
@root_option
@output_option
def command(root: Path, output: str) -> None:
    """Show the cluster's state; exit status 1 when something is wrong."""
    from wherry.app.status import status

    found = status(existing(root), SystemClock())
    if output != "text":
        data(found.as_dict(), output)
        sys.exit(not found.healthy)
    for process in found.processes:
        click.echo(f"{mark('ok' if process.pid else 'fail')} {process.name:<24} {process.detail}")
    if found.upgrading:
        click.echo(f"{mark('warn')} {'upgrade':<24} to {found.upgrading}, not finished; run `wherry upgrade` again")
    click.echo(f"{mark('ok' if found.api == 'ok' else 'fail')} {'API':<24} {found.api}")
    for node in found.nodes:
        click.echo(f"{mark('fail' if node.cause else 'ok')} {'node ' + node.name:<24} {node.cause or node.detail}")
    troubled = [pod for pod in found.pods if pod.cause]
    if found.pods:
        click.echo(f"{mark('warn' if troubled else 'ok')} {'pods':<24} {found.running} of {found.total} running")
    if troubled:
        click.echo()
        table(("POD", "STATE", "CAUSE"), [(f"{pod.namespace}/{pod.name}", pod.state, pod.cause) for pod in troubled])
    sys.exit(not found.healthy)
