"""What there is before an upgrade: what runs on this machine and as which version, and what the rest of the cluster
says it is."""

from __future__ import annotations

import shutil

from wherry.app import config as configuration
from wherry.app import keeper, version
from wherry.app.config import Config
from wherry.app.keeper import Keeper
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest
from wherry.app.steps import Failed
from wherry.app.up import units
from wherry.app.upgrade.plan import Found
from wherry.store import database

_FORMAT_AT = 60
"""Where a SQLite file has its user_version, four bytes. https://sqlite.org/fileformat2.html"""


def look(config: Config, keep: Keeper) -> Found:
    """Look at everything once. The API need not answer: what it would tell is then left out."""
    wanted = units(config)
    kept = keep.kept()
    known = configuration.head(config.state)
    others, server = _elsewhere(config)
    program = keep.program()
    return Found(
        kept=kept,
        wanted=wanted,
        current=frozenset(unit.name for unit in wanted if keeper.runs(keep, unit)),
        running=frozenset(name for name in kept if keep.pid(name) is not None),
        program=program,
        program_wanted=keeper.supervisor_program(config.run) if isinstance(keep, keeper.Supervised) else (),
        recorded=known.version if known is not None else "",
        others=others,
        server=server,
        store=_size(config),
        store_format=_format(config),
        store_known=database.FORMAT,
        free=shutil.disk_usage(config.state).free,
    )


def _elsewhere(config: Config) -> tuple[dict[str, str], str]:
    """Node -> version, of other machines' nodes; and of the server, where it is not here."""
    rest = Rest(config, timeout=5)
    try:
        server = version.of_report(rest.get("/version")["gitVersion"]) if config.join else ""
        items = [] if config.join else rest.items("/api/v1/nodes")
    except (ApiRefused, ApiUnreachable) as error:
        if config.join:
            raise Failed(f"the server's version is not known: {error}", "see that it runs, and try again") from error
        return {}, ""
    own = {node.name for node in config.machines()}
    reports = {one["metadata"]["name"]: one.get("status", {}).get("nodeInfo", {}) for one in items}
    return {
        name: version.of_report(info.get("kubeletVersion", "")) for name, info in reports.items() if name not in own
    }, server


def _size(config: Config) -> int:
    """Bytes of the store, 0 where there is none."""
    return sum(path.stat().st_size for path in config.server.glob(f"{config.database.name}*"))


def _format(config: Config) -> int:
    """The format of the store, as its file says; 0 where there is none."""
    try:
        with config.database.open("rb") as file:
            file.seek(_FORMAT_AT)
            return int.from_bytes(file.read(4))
    except FileNotFoundError:
        return 0
