"""Gathering facts: the only part of the benchmark that looks at anything. Changes nothing.

Asks the API as the administrator (dry runs only), every listener as various visitors, and reads files, /proc, control
groups and packet rules of this machine. On a machine that has joined a cluster there are only its node's facts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from wherry.aio.clock import Clock
from wherry.app import keeper, tree, up
from wherry.app.benchmark import doors, objects, questions
from wherry.app.benchmark.doors import Way
from wherry.app.benchmark.facts import Audit, Certificate, Facts, File, Node, Plane
from wherry.app.config import Config
from wherry.app.config import Node as Machine
from wherry.app.config import path as settings_file
from wherry.app.rest import Rest
from wherry.host import keys, netns, nft
from wherry.host.listening import listening

DEBUGGING = ("/debug/pprof/", "/debug/flags/v", "/logs/")


def gather(config: Config, clock: Clock) -> Facts:
    """Everything. Raises ApiUnreachable when the control plane is here and does not answer, PermissionError."""
    if config.join:
        return Facts(config, tuple(_node(config, one, clock, "") for one in config.machines()), None, None)
    rest = Rest(config)
    rest.text("/readyz")
    token = questions.token(rest, "kube-public")
    plane = _plane(config, rest, clock)
    nodes = tuple(_node(config, one, clock, token) for one in config.machines())
    return Facts(config, nodes, plane, objects.world(rest, config))


def _plane(config: Config, rest: Rest, clock: Clock) -> Plane:
    keep = keeper.choose(config.run, config.logs / "supervisor.log")
    way = Way("127.0.0.1", config.port, "localhost", config.authority, "/api/v1/namespaces")
    token = questions.token(rest, "kube-system")
    found, sought = questions.plaintext(rest, config)
    return Plane(
        unit=tuple(_files([keep.file("server")])),
        files=tuple(_files([settings_file(config.state), config.server, *config.server.rglob("*")])),
        door=doors.try_door(way, clock, questions.token(rest, "kube-public")),
        listeners=_listeners(keep.pid("server")),
        debugging={path: questions.status(rest, path) for path in DEBUGGING},
        admission=questions.dry_runs(rest, config),
        plugins=questions.plugins(rest),
        always_pulls=questions.always_pulls(rest),
        may=questions.may(rest, config.machines()[0].name),
        ghost=questions.ghost(config, token, clock),
        token_seconds=questions.life(token),
        token_keys=tuple(str(key.get("kid", "")) for key in rest.get("/openid/v1/jwks")["keys"]),
        agents=questions.agents(rest),
        plaintext=found,
        sought=sought,
        body_seconds=questions.body_seconds(),
        access=questions.access(config, clock),
        identities=questions.identities(),
        audit=_audit(config),
    )


def _audit(config: Config) -> Audit | None:
    if not config.audit.enabled:
        return None
    written = any(one.is_file() and one.stat().st_size for one in config.audit_logs.rglob("*"))
    return Audit(questions.told(config), written)


def _node(config: Config, machine: Machine, clock: Clock, token: str) -> Node:
    keep = keeper.choose(config.run, config.logs / "supervisor.log")
    unit = up.agent_unit(machine.name)
    root = config.node_root(machine.name)
    folder = root / "pki"
    pairs = {config.node_pair(machine.name, "client").certificate, config.node_pair(machine.name, "server").certificate}
    ports = _listeners(keep.pid(unit))
    groups = _pods(config, machine)
    with netns.entered(machine.netns) if machine.netns else contextlib.nullcontext():
        door = doors.try_door(
            Way("127.0.0.1", config.agent_port, machine.name, config.authority, "/pods"), clock, token
        )
        return Node(
            name=machine.name,
            hostname=config.hostname or _hostname(),
            unit=tuple(_files([keep.file(unit)])),
            files=tuple(_files([folder, *folder.rglob("*"), *(root / "cni").rglob("*")])),
            settings=tuple(_files([settings_file(config.state)])),
            door=door,
            listeners=ports,
            metrics=tuple(_open_metrics(ports, config.agent_port)),
            certificates=tuple(Certificate(str(one), keys.used(one, clock)) for one in sorted(pairs) if one.exists()),
            tables=_tables(),
            unlimited=tuple(_unlimited(groups)),
            unconfined=tuple(_unconfined(groups)),
        )


def _hostname() -> str:
    return Path("/proc/sys/kernel/hostname").read_text().strip()


def _files(paths: Iterable[Path]) -> Iterator[File]:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            seen = path.lstat()
            if not path.is_symlink():
                yield File(str(path), seen.st_mode & 0o7777, seen.st_uid, seen.st_gid, folder=path.is_dir())


def _listeners(pid: int | None) -> tuple[str, ...]:
    return () if pid is None else tuple(f"{address}:{port}" for address, port in listening(pid))


def _open_metrics(ports: Iterable[str], own: int) -> Iterator[str]:
    for one in ports:
        address, _, port = one.rpartition(":")
        if int(port) == own:
            continue
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        status, body = doors.plain_status(reached, int(port), "/metrics")
        if status == 200 and "# TYPE" in body and not reached.startswith("127."):
            yield one


def _tables() -> tuple[str, ...]:
    try:
        return tuple(line.removeprefix("table ").strip() for line in nft.run("list tables\n").splitlines() if line)
    except (nft.NftError, nft.NftMissing):
        return ()


def _pods(config: Config, machine: Machine) -> list[Path]:
    """The control groups of a node's pods, in every hierarchy. Slices of systemd are the first node's."""
    names = [config.cgroup(machine.name), *(["wherry.slice"] if machine.index == 0 else [])]
    found = (folder for name in names for folder in tree.groups(name))
    return [folder for folder in found if folder.name.startswith(("pod", "wherry-pod"))]


def _unlimited(groups: Iterable[Path]) -> Iterator[str]:
    for group in groups:
        limit = group / "pids.max"
        if limit.exists() and limit.read_text().strip() == "max":
            yield group.name


def _unconfined(groups: Iterable[Path]) -> Iterator[str]:
    found = (group.name for group in groups for pid in _processes(group) if _seccomp(pid) == "0")
    yield from dict.fromkeys(found)


def _processes(group: Path) -> Iterator[str]:
    for members in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            yield from members.read_text().split()


def _seccomp(pid: str) -> str:
    """The mode in which the kernel filters a process's calls: "0" for not at all, "" when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("Seccomp:"):
                return line.split()[1]
    return ""
