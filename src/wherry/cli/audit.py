"""`wherry audit verify`: has anybody changed the audit log?"""

from __future__ import annotations

from pathlib import Path

import click

from wherry.cli.options import existing_server, need_root, root_option


@click.group()
def command() -> None:
    """Look after the audit log."""


@command.command()
@root_option
def verify(root: Path) -> None:
    """Check that no record was changed, removed or inserted; prints the head of the chain.

    A log whose end was cut off and whose `audit.head` was replaced, too, still verifies: keep a head elsewhere and
    compare, or send records to a webhook.
    """
    from wherry.apiserver.audit.chain import Tampered
    from wherry.app.auditing import check
    from wherry.app.steps import Failed

    need_root()
    try:
        head = check(existing_server(root), click.echo)
    except Tampered as error:
        raise Failed(
            f"the audit log has been tampered with: {error}", "compare it with a copy kept elsewhere"
        ) from error
    click.echo(f"The log is whole. Head: {head}")
