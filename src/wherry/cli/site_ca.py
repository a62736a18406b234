"""`wherry site-ca`: the certificate to trust, so that browsers know this cluster's sites."""

from __future__ import annotations

from pathlib import Path

import click

from wherry.cli.options import existing, need_root, root_option


@click.command()
@root_option
def command(root: Path) -> None:
    """Print the certificate of the authority that vouches for local sites (see docs/ingress.md)."""
    from wherry.app.steps import Failed

    need_root()
    certificate = existing(root).pki / "site-ca.crt"
    try:
        text = certificate.read_text()
    except FileNotFoundError as error:
        raise Failed("this cluster has no authority for sites yet", "run `wherry up`") from error
    click.echo(text, nl=False)
