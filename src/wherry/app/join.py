"""`wherry join`: this machine becomes a node of a cluster whose server is on another machine.

In this order: what is here already, the cluster (`discovery.py`), the name, whether this machine can carry a node, the
node's certificates by request, and only then anything on disk; the agent is started and waited for. Run again, it
changes nothing and needs no token; a node that was removed, or whose certificate has ended, gets a new one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import asdict, replace

from wherry.aio.clock import Clock
from wherry.app import config as configuration
from wherry.app import discovery, keeper, runtimes
from wherry.app.config import Config, ConfigError
from wherry.app.discovery import Invitation
from wherry.app.enrol import enrol
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest
from wherry.app.steps import Failed, Steps
from wherry.app.up import agent_unit, check_machine, check_version, stranger, units, wait_for_nodes
from wherry.app.upgrade import journal
from wherry.host import enrolment, files

REFUSED = 2.0
_PAPERS = ("ca.crt", "client.pem", "server.pem")


def join(config: Config, invited: Invitation, clock: Clock, steps: Steps) -> Config:
    """Join as `config.hostname`; the configuration that is kept. Raises Failed, ConfigError."""
    if configuration.node_name(config.hostname) != config.hostname:
        raise ConfigError(
            f"--name {config.hostname!r} is no node name; use lower-case letters, digits, - and ., 63 of them at most"
        )
    config = _as_before(replace(config, join=invited.address))
    if _is_node(config, clock):
        check_machine(config, clock, steps)
        return start(config, clock, steps)
    with tempfile.TemporaryDirectory(prefix="wherry-join-") as name:
        folder = Path(name)
        with steps.step("find the cluster") as step:
            rest, shared = discovery.find(invited, folder / "ca.crt")
            config = replace(config, **asdict(shared))
            config.validate()
            _refuse_clash(rest, config.hostname)
            step.detail = config.api_url()
        check_machine(config, clock, steps)
        with steps.step("get the node's certificates"):
            enrol(rest, config, folder, clock)
        _keep(config, folder)
    return start(config, clock, steps)


def start(config: Config, clock: Clock, steps: Steps) -> Config:
    """Have the agent of a joined machine running, and its node Ready. Raises Failed."""
    check_version(config)
    begun = clock.now()
    (node,) = config.machines()
    files.private_folder(config.node_run(node.name))
    with steps.step("point the node at image registries") as step:
        step.changed = runtimes.keep_registries(config)
        step.detail = ", ".join(sorted(config.registries)) or "none but their own addresses"
    with steps.step("start the agent") as step:
        started = keeper.choose(config.run, config.logs / "supervisor.log").apply(units(config))
        step.changed = bool(started)
    with steps.step("wait for the Ready node") as step:
        step.changed = bool(started)
        since = {node.name: begun} if agent_unit(node.name) in started else {}
        step.detail = ", ".join(wait_for_nodes(config, clock, since, watch=_known(config, clock)))
    journal.end(config)
    return config


def _known(config: Config, clock: Clock) -> Callable[[], None]:
    """What raises Failed, called again and again, once the cluster has refused this machine for REFUSED seconds."""
    rest, began = Rest(config), float("inf")

    def look() -> None:
        nonlocal began
        try:
            rest.get(f"/api/v1/nodes/{config.hostname}")
        except ApiRefused as error:
            if error.status == 401:
                began = min(began, clock.monotonic())
                if clock.monotonic() - began >= REFUSED:
                    raise stranger(config) from error
                return
        except ApiUnreachable:
            pass
        began = float("inf")

    return look


def _as_before(config: Config) -> Config:
    """The configuration there was, if this machine joined that cluster before; as given if it is new. Raises Failed."""
    before = configuration.load(config.state)
    if before is None:
        return config
    if not before.join:
        raise Failed(f"there is a cluster at {before.root} already", "`wherry delete` removes it")
    if (before.join, before.hostname) != (config.join, config.hostname):
        raise Failed(
            f"this machine is node {before.hostname} of the cluster at {before.join} already",
            "run `wherry delete` first",
        )
    return replace(before, registries=config.registries or before.registries)


def _is_node(config: Config, clock: Clock) -> bool:
    """Whether this machine has a certificate that the cluster takes. Raises Failed where nobody answers."""
    held = enrolment.held(config.node_pair(config.hostname, "client").certificate)
    if held is None or held.end <= clock.now():
        return False
    try:
        Rest(config).get(f"/api/v1/nodes/{config.hostname}")
    except ApiRefused as error:
        return error.status != 401
    except ApiUnreachable as error:
        raise Failed(str(error), "see whether the server runs and its port can be reached from here") from error
    return True


def _refuse_clash(rest: Rest, name: str) -> None:
    try:
        rest.get(f"/api/v1/nodes/{name}")
    except ApiRefused as error:
        if error.status == 404:
            return
        raise
    raise Failed(
        f"a node named {name} is already there",
        f"give another with --name, or remove that one with `wherry node remove {name}` on the server's machine",
    )


def _keep(config: Config, folder: Path) -> None:
    """What makes this machine a node, on disk: its papers, and last the configuration that says so."""
    target = config.node_root(config.hostname) / "pki"
    for made in (config.state, config.logs, config.run, target):
        files.private_folder(made)
    for name in _PAPERS:
        files.write(target / name, (folder / name).read_bytes())
    configuration.save(config)
