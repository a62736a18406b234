"""`wherry token create|list|delete`: what other machines join with."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.aio.clock import SystemClock
from wherry.cli.options import existing_server, need_root, root_option
from wherry.cli.output import data, output_option, table


@click.group()
def command() -> None:
    """Make, list and delete the tokens with which other machines join."""


@command.command()
@root_option
@click.option("--ttl", default="24h", show_default=True, help="How long it is good: 90m, 24h; 0 for ever.")
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--usage", "usages", multiple=True, type=click.Choice(["authentication", "signing"]),
    help="What it may be used for; repeatable.  [default: both, which `wherry join` needs]",
)  # fmt: skip
@click.option("--group", "groups", multiple=True, help="Group of who shows it; repeatable.  [default: new nodes]")
@output_option
def create(
    root: Path, ttl: str, description: str, usages: tuple[str, ...], groups: tuple[str, ...], output: str
) -> None:
    """Make a token and print the command with which another machine joins. It is shown this once."""
    from wherry.app import tokens
    from wherry.app.grants import NODE_BOOTSTRAPPERS

    need_root()
    config = existing_server(root)
    wanted = tokens.Wanted(tokens.lifetime(ttl), description, usages or tokens.USAGES, groups or (NODE_BOOTSTRAPPERS,))
    made = tokens.create(config, wanted, SystemClock())
    line = tokens.join_command(config, made)
    if output == "text":
        click.echo(line)
    else:
        data({"token": made, "seconds": wanted.seconds or None, "join": line}, output)


@command.command("list")
@root_option
@output_option
def list_(root: Path, output: str) -> None:
    """List the tokens, without their secrets."""
    from wherry.app import tokens
    from wherry.machinery.time import time_at

    need_root()
    now = SystemClock().now()
    rows = [
        {
            "id": one.id,
            "expires": str(time_at(one.end)) if one.end < float("inf") else "never",
            "left": _left(one.end - now),
            "usages": list(one.usages),
            "description": one.description,
            "groups": list(one.groups),
        }
        for one in tokens.listed(existing_server(root))
    ]
    if output != "text":
        data(rows, output)
        return
    cells = [
        (
            str(r["id"]),
            str(r["left"]),
            str(r["expires"]),
            ",".join(r["usages"]),
            str(r["description"]),
            ",".join(r["groups"]),
        )
        for r in rows
    ]
    table(("ID", "LEFT", "EXPIRES", "USAGES", "DESCRIPTION", "GROUPS"), cells)


def _left(seconds: float) -> str:
    if seconds == float("inf"):
        return "for ever"
    if seconds <= 0:
        return "expired"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours}h{minutes:02}m"


@command.command()
@root_option
@click.argument("tokens", nargs=-1, required=True)
@output_option
def delete(root: Path, tokens: tuple[str, ...], output: str) -> None:
    """Delete tokens, by id or whole: nobody joins with them any more."""
    from wherry.app import tokens as known

    need_root()
    gone = known.delete(existing_server(root), tokens)
    if output != "text":
        data({"deleted": list(gone)}, output)
        return
    for name in gone:
        click.echo(f"Token {name} is gone.")
