"""`wherry delete`: everything `wherry up` and the cluster have made on this machine goes, and nothing else.

Idempotent, and works on half-made and half-deleted clusters: each step looks for what is there. At the end it looks
again and says what could not be removed.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from wherry.app import config as configuration
from wherry.app import down, tree
from wherry.app.config import Config, ConfigError
from wherry.app.steps import Failed, Steps
from wherry.host import kubeconfig

GRACE = 2


def present(root: Path) -> Config | None:
    """The configuration of whatever is left of a cluster under `root`; None when nothing is."""
    try:
        config = configuration.load(root)
    except ConfigError:
        config = None
    if config is None:
        config = Config(root=str(root))
        if not (root.exists() or config.run.exists()):
            return None
    return config


def delete(config: Config, steps: Steps, env: Mapping[str, str]) -> None:
    """Remove the cluster. Raises Failed when something stays."""
    down.down(config, steps, GRACE)
    with steps.step("remove control groups"):
        tree.remove_groups(tree.groups(config.cgroup()))
    with steps.step("restore the kubeconfig") as step:
        step.detail = ", ".join(str(path) for path in _kubeconfigs(config, env)) or "had no entry"
    with steps.step("remove files"):
        for folder in (config.run, config.state):
            if folder.exists():
                _remove(folder)
    left = leftovers(config)
    if left:
        raise Failed(f"these stayed behind: {', '.join(left)}", "end what uses them and run `wherry delete` again")


def leftovers(config: Config) -> list[str]:
    """What of this cluster is still on the machine."""
    found = [f"mount {point}" for point in tree.mounts((config.state, config.run))]
    found += [f"shim {shim.pid}" for shim in tree.shims(config.run)]
    found += [f"control group {group}" for group in tree.groups(config.cgroup())]
    found += [f"folder {folder}" for folder in (config.state, config.run) if folder.exists()]
    return found


def _kubeconfigs(config: Config, env: Mapping[str, str]) -> list[Path]:
    who = kubeconfig.caller(env)
    note = config.server / "kubeconfigs"
    known = [Path(line) for line in note.read_text().splitlines()] if note.exists() else []
    changed = []
    mine = [] if config.join else [kubeconfig.location(env, who)]
    for path in dict.fromkeys([*known, *mine]):
        try:
            if path.exists() and kubeconfig.remove(path, who):
                changed.append(path)
        except kubeconfig.KubeconfigError:
            continue
    return changed


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise Failed(f"{error.filename or folder} cannot be removed: {error.strerror}", "see what uses it") from error
