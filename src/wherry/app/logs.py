"""Where the logs of this cluster's processes are."""

from __future__ import annotations

from pathlib import Path

from wherry.app.config import Config
from wherry.app.steps import Failed


def files(config: Config, what: str) -> tuple[Path, ...]:
    """The log files of `what`: server, supervisor, agent[/NODE], containerd[/NODE]; () when it is none of these.

    Raises Failed when there is no such log.
    """
    kind, _, node = what.partition("/")
    names = [node] if node else [machine.name for machine in config.machines()]
    match kind:
        case "server" | "supervisor":
            found = [config.logs / f"{kind}.log"]
        case "agent":
            found = [config.logs / f"agent-{name}.log" for name in names]
        case "containerd":
            found = [config.node_root(name) / "containerd" / "containerd.log" for name in names]
        case _:
            return ()
    present = tuple(path for path in found if path.exists())
    if not present:
        raise Failed(f"there is no log {found[0]}", "it has never run; see `wherry status`")
    return present
