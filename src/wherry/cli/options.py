"""Options that several commands share, and the configuration they add up to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from wherry.app import config as configuration
from wherry.app.config import Config
from wherry.app.steps import Failed

root_option: Callable[[Any], Any] = click.option(
    "--root", type=click.Path(path_type=Path, file_okay=False), default=configuration.DEFAULT_ROOT, show_default=True,
    envvar="WHERRY_ROOT", help="Folder with all state of the cluster.",
)  # fmt: skip


def existing(root: Path) -> Config:
    """The configuration of the cluster under `root`. Raises Failed when there is none."""
    try:
        config = configuration.load(root.absolute())
    except PermissionError as error:
        raise Failed(f"{root} is private to root", "run it with sudo") from error
    if config is None:
        raise Failed(f"there is no cluster at {root}", "make one with `wherry up`")
    return config


def existing_server(root: Path) -> Config:
    """The configuration of the cluster whose server is here. Raises Failed when there is none."""
    config = existing(root)
    if config.join:
        raise Failed(f"this machine is a node of the cluster at {config.join}", "run it on the server's machine")
    return config


def need_root() -> None:
    """Raises Failed for anybody but root."""
    if os.geteuid() != 0:
        raise Failed("only root may do this", "run it with sudo")
