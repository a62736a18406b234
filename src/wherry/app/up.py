"""`wherry up`: from a bare machine to Ready nodes and a working kubectl, in named steps. Run twice, it changes nothing.

Owns the order of things, not the things: checks, keys, namespaces, processes, waiting, kubeconfig. Every step is
idempotent, so whatever was interrupted is finished by running it again.
"""

from __future__ import annotations

import datetime
import hashlib
import os
import select
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wherry.aio.clock import Clock
from wherry.app import addresses, doctor, keeper, runtimes, tree, version
from wherry.app import config as configuration
from wherry.app.config import Config
from wherry.app.namespaces import make_namespace
from wherry.app.rest import ApiRefused, ApiUnreachable, Rest
from wherry.app.steps import Failed, Steps
from wherry.app.supervise import Unit
from wherry.app.upgrade import journal
from wherry.host import files, kubeconfig, links
from wherry.host.keys import Pki
from wherry.host.pairs import pair

SERVER_SECONDS = 30.0
READY_SECONDS = 60.0
POLL = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `up` has done. `changed` is False when everything was there already."""

    config: Config
    kubeconfig: Path | None
    changed: bool


def up(config: Config, clock: Clock, steps: Steps, env: Mapping[str, str]) -> Outcome:
    """Bring the cluster up. Raises Failed."""
    config.validate()
    check_server(config)
    check_change(configuration.load(config.state), config)
    check_version(config)
    begun = clock.now()
    check_machine(config, clock, steps)
    with steps.step("make keys") as step:
        step.changed = make_folders_and_keys(config, clock)
    with steps.step("make node namespaces") as step:
        step.changed = _namespaces(config)
        step.detail = _counted(config)
    with steps.step("point the nodes at image registries") as step:
        step.changed = runtimes.keep_registries(config)
        step.detail = ", ".join(sorted(config.registries)) or "none but their own addresses"
    with steps.step("start the server and agents") as step:
        started = keeper.choose(config.run, config.logs / "supervisor.log").apply(units(config))
        step.changed = bool(started)
    with steps.step("wait for the API") as step:
        step.changed = bool(started)
        wait_for_server(config, clock)
        step.detail = config.api_url()
    with steps.step("wait for Ready nodes") as step:
        step.changed = bool(started)
        fresh = {node.name for node in config.machines() if agent_unit(node.name) in started}
        step.detail = ", ".join(wait_for_nodes(config, clock, dict.fromkeys(fresh, begun)))
    journal.end(config)
    with steps.step("merge the kubeconfig") as step:
        path, step.changed = _kubeconfig(config, env)
        step.detail = f"{path}, context {kubeconfig.NAME}"
    return Outcome(config, path, any(step.changed for step in steps.taken))


def check_machine(config: Config, clock: Clock, steps: Steps) -> None:
    """The step that says whether this machine can carry what is asked. Raises Failed."""
    with steps.step("check this machine") as step:
        warnings = doctor.ensure(config, clock)
        step.detail, step.changed = f"fit; warnings: {len(warnings)}, see `wherry doctor`" if warnings else "fit", False


def check_server(config: Config) -> None:
    """Refuse now what the server would refuse when it starts. Raises ConfigError."""
    if config.tracing:
        from wherry.app import tracing

        tracing.read(config.tracing)
    if config.audit == configuration.Audit() and config.pod_security == configuration.PodSecurity():
        return
    from wherry.app import auditing, podsecurity

    auditing.settings(config)
    podsecurity.settings(config)


def check_change(before: Config | None, after: Config) -> None:
    """Nodes keep their names and their pods: refuse what would leave some behind. Raises Failed."""
    if before is None or before.nodes == after.nodes:
        return
    if 1 in (before.nodes, after.nodes):
        raise Failed(
            f"the cluster at {before.root} has {_counted(before)}, and a machine's only node has another name than the"
            " first of several",
            f"leave out --nodes, or run `wherry delete` before `wherry up --nodes {after.nodes}`",
            code=2,
        )
    kept = {node.name for node in after.machines()}
    running = [n.name for n in before.machines() if n.name not in kept and tree.shims(before.node_run(n.name))]
    if running:
        raise Failed(f"pods run on {', '.join(running)}", "run `wherry down` before starting with fewer nodes", code=2)


def check_version(config: Config) -> None:
    """Refuse to replace what runs with another version all at once, or to skip one. Raises Failed."""
    own = version.wherry()
    keep = keeper.choose(config.run, config.logs / "supervisor.log")
    for unit in keep.kept().values():
        if unit.release != own and keep.pid(unit.name) is not None:
            raise Failed(
                f"{unit.name} runs wherry {unit.release}, and this is {own}",
                "replace it in place with `wherry upgrade`, or stop the cluster first with `wherry down`",
            )
    written = configuration.head(config.state)
    before = written.version if written is not None else ""
    if version.too_far(before, own):
        raise Failed(
            f"the cluster at {config.root} was last run by wherry {before}, and this is {own}",
            "go through the versions between, one minor version at a time",
        )


def _counted(config: Config) -> str:
    return "1 node" if config.nodes == 1 else f"{config.nodes} nodes"


def make_folders_and_keys(config: Config, clock: Clock) -> bool:
    """Folders, configuration, keys, and the kubeconfig files of admin and agents; returns whether anything changed."""
    for folder in (config.state, config.server, config.logs, config.run):
        files.private_folder(folder)
    changed = configuration.save(config)
    return make_keys(config, clock) or changed


def make_keys(config: Config, clock: Clock) -> bool:
    """Keys, and the kubeconfig files of admin and agents; returns whether anything changed."""
    changed = False
    pki = Pki(config.pki, clock)
    changed |= pki.ensure(addresses.server_names(config), addresses.server_addresses(config))
    changed |= write_kubeconfig(config.admin_kubeconfig, config.api_url(), pki.ca.certificate_pem(), pki.admin)
    for node in config.machines():
        folder = config.node_root(node.name) / "pki"
        changed |= pki.ensure_node(folder, node.name, addresses.node_addresses(config, node.name))
        changed |= write_kubeconfig(
            folder / "kubeconfig", config.api_url(node), pki.ca.certificate_pem(), pair(folder, "client")
        )
        files.private_folder(config.node_run(node.name))
    return changed


def write_kubeconfig(path: Path, server: str, authority: bytes, own: Any) -> bool:
    """A kubeconfig file of its own for one identity."""
    return files.write_if_changed(path, kubeconfig.render(kubeconfig.content(server, authority, own)))


def units(config: Config) -> tuple[Unit, ...]:
    """The processes of this machine. An upgraded package makes other units, so `wherry up` restarts them; so do other
    settings of the server."""
    root = ("--root", config.root)

    def unit(name: str, order: int, *arguments: str) -> Unit:
        command = keeper.command(*arguments)
        log, own = str(config.logs / f"{name}.log"), version.wherry()
        if name == "server":
            own += served(config)
        return Unit(name, command, log, order=order, grace=10, version=own, ahead=name == "server")

    servers = () if config.join else (unit("server", 0, "server", *root),)
    agents = (unit(agent_unit(node.name), 2, "agent", *root, "--node", node.name) for node in config.machines())
    return (*servers, *(_watchdogs(config)), *agents)


def _watchdogs(config: Config) -> tuple[Unit, ...]:
    """It starts before the agents and ends after them, since they rely on it."""
    if not config.watched:
        return ()
    command = (sys.executable, "-I", "-m", "wherry.app.watchdog", str(config.run))
    return (Unit("watchdog", command, str(config.logs / "watchdog.log"), order=1, version=version.wherry()),)


def served(config: Config) -> str:
    """A short mark of what the audit log, the PodSecurity defaults, ACME and traces are, to stand behind the version;
    "" for the defaults."""
    usual = (configuration.Audit(), configuration.PodSecurity(), configuration.Acme(), "")
    present = (config.audit, config.pod_security, config.acme, config.tracing)
    if present == usual:
        return ""
    own = hashlib.sha256(msgspec.json.encode(present))
    audit = config.audit
    for path in (audit.policy, audit.webhook_ca, audit.webhook_config_file, config.acme.ca, config.tracing):
        with suppress(OSError):
            own.update(Path(path).read_bytes() if path else b"")
    return f" settings {own.hexdigest()[:8]}"


def agent_unit(node: str) -> str:
    """The name of a node's agent among the units."""
    return f"agent-{node}"


def _namespaces(config: Config) -> bool:
    try:
        return sum(make_namespace(node) for node in config.machines()) > 0
    except links.LinkError as error:
        raise Failed(f"the nodes' namespaces cannot be made: {error}", "run `wherry doctor`") from error


def nothing() -> None:
    """Nothing to look after."""


def wait_for_server(config: Config, clock: Clock, watch: Callable[[], None] = nothing) -> None:
    """Until the API is ready; `watch` is called again and again meanwhile. Raises Failed, with the server's last words,
    and what `watch` raises."""
    rest = Rest(config, timeout=5)
    until = clock.monotonic() + SERVER_SECONDS
    while True:
        try:
            rest.text("/readyz")
        except (ApiUnreachable, ApiRefused) as error:
            if clock.monotonic() > until:
                log = config.logs / "server.log"
                raise Failed(
                    f"the server is not ready after {SERVER_SECONDS:.0f} s ({error}); it last said: {last_words(log)}",
                    f"see {log}, or `wherry logs server`",
                ) from error
            watch()
            pause(POLL)
        else:
            return


def wait_for_nodes(
    config: Config, clock: Clock, since: Mapping[str, float], only: str = "", watch: Callable[[], None] = nothing
) -> list[str]:
    """Until every node of this machine (or `only` one) is Ready, and those in `since` have said so after that time
    (epoch seconds): what an agent said before it was stopped does not count. `watch` is called again and again
    meanwhile. Returns their names. Raises Failed, naming the others, and what `watch` raises."""
    rest = Rest(config)
    wanted = {node.name for node in config.machines() if only in ("", node.name)}
    until = clock.monotonic() + READY_SECONDS
    while True:
        states = node_states(rest, since)
        waiting = {name: states.get(name, "has not registered") for name in wanted if states.get(name) != ""}
        if not waiting:
            return sorted(wanted)
        if clock.monotonic() > until:
            name, why = min(waiting.items())
            log = config.logs / f"agent-{name}.log"
            raise Failed(
                f"node {name} is not Ready after {READY_SECONDS:.0f} s ({why}); its agent last said: {last_words(log)}",
                f"see {log}, or `wherry logs agent`",
            )
        watch()
        pause(POLL)


def stranger(config: Config) -> Failed:
    """The cluster does not know this joined machine any more."""
    return Failed(
        f"the cluster at {config.join} does not let node {config.hostname} in: it was removed there, or its "
        "certificate has ended",
        "run `wherry join` again, or `wherry delete`",
    )


def node_states(rest: Rest, since: Mapping[str, float]) -> dict[str, str]:
    """Node name -> "" when Ready, else why not. An API that does not answer knows no nodes."""
    try:
        items = rest.items("/api/v1/nodes")
        leases = rest.items("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases") if since else []
    except (ApiUnreachable, ApiRefused):
        return {}
    renewed = {lease["metadata"]["name"]: _renewed(lease) for lease in leases}
    states = {}
    for item in items:
        name = item["metadata"]["name"]
        conditions = item.get("status", {}).get("conditions", ())
        ready: dict[str, str] = next((c for c in conditions if c.get("type") == "Ready"), {})
        if ready.get("status") != "True":
            states[name] = str(ready.get("message") or "no status yet")
        else:
            late = renewed.get(name, 0.0) < since.get(name, 0.0)
            states[name] = "its agent has not reported since it was started" if late else ""
    return states


def _renewed(lease: dict[str, Any]) -> float:
    """When a lease was renewed, epoch seconds."""
    text = lease.get("spec", {}).get("renewTime", "")
    return datetime.datetime.fromisoformat(text).timestamp() if text else 0.0


def last_words(log: Path) -> str:
    """The last line of a log file."""
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "nothing"
    return lines[-1] if lines else "nothing"


def pause(seconds: float) -> None:
    """Wait in a command, which has no event loop."""
    select.select([], [], [], seconds)


def _kubeconfig(config: Config, env: Mapping[str, str]) -> tuple[Path, bool]:
    who = kubeconfig.caller(env)
    path = kubeconfig.location(env, who)
    pki = config.pki
    ours = kubeconfig.content(config.api_url(), (pki / "ca.crt").read_bytes(), pair(pki, "admin"))
    try:
        changed = kubeconfig.install(path, ours, who)
    except kubeconfig.KubeconfigError as error:
        raise Failed(*str(error).split("; ", 1)) from error
    except OSError as error:
        raise Failed(f"{path} cannot be written: {error.strerror}", "set KUBECONFIG to another file") from error
    changed |= _remember(config, path)
    return path, changed


def _remember(config: Config, path: Path) -> bool:
    """Note which kubeconfig files we have written to, for `wherry delete`."""
    note = config.server / "kubeconfigs"
    known = note.read_text().splitlines() if note.exists() else []
    if str(path) in known:
        return False
    files.write(note, "".join(f"{line}\n" for line in (*known, os.fspath(path))))
    return True
