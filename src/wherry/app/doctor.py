"""`wherry doctor`: what this machine can and cannot carry, for the cluster that is or would be here."""

from __future__ import annotations

from pathlib import Path

from wherry.aio.clock import Clock
from wherry.app.config import Config
from wherry.app.steps import Failed
from wherry.host import checks, daemons
from wherry.host.checks import Finding

OWN_LINKS = ("lo", "wherry-", "wn-", "cni", "veth", "wherry")


def examine(config: Config, clock: Clock) -> tuple[Finding, ...]:
    """Every finding, in order."""
    networks = [("pod-cidr", config.pod_cidr), ("service-cidr", config.service_cidr)]
    if not config.join:
        networks.append(("node-cidr", config.node_cidr))
    subject = checks.Subject(
        root=config.state,
        ports=(config.agent_port,) if config.join else (config.port, config.agent_port),
        networks=tuple(networks),
        own_pids=_own_pids(config),
        own_links=OWN_LINKS,
        clock=clock,
        authority=config.authority,
    )
    return checks.run(subject)


def ensure(config: Config, clock: Clock) -> tuple[Finding, ...]:
    """The warnings. Raises Failed when something would keep the cluster from working."""
    findings = examine(config, clock)
    for finding in findings:
        if finding.level == "fail":
            raise Failed(f"{finding.name}: {finding.cause}", finding.remedy)
    return tuple(finding for finding in findings if finding.level == "warn")


def _own_pids(config: Config) -> frozenset[int]:
    found = (daemons.read_pid(path) for path in config.run.glob("*.pid"))
    pids = {process.pid for process in found if process is not None}
    if not Path("/run/systemd/system").is_dir():
        return frozenset(pids)
    return frozenset(pids | _systemd_pids())


def _systemd_pids() -> set[int]:
    """Processes in the control groups of our services."""
    pids: set[int] = set()
    for procs in Path("/sys/fs/cgroup").glob("**/system.slice/wherry*-*.service/cgroup.procs"):
        pids.update(int(line) for line in procs.read_text().split())
    return pids
