"""AgentConfig: what one node's agent is told at start, and where it keeps things. No logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wherry.api.types.core import Taint

VERSION = "v1.37.2+wherry"
EVICTION_HARD: Mapping[str, str] = {
    "memory.available": "100Mi",
    "nodefs.available": "10%",
    "nodefs.inodesFree": "5%",
    "imagefs.available": "15%",
    "imagefs.inodesFree": "5%",
    "pid.available": "0",
}


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One node. Paths are absolute; `addresses` are its IPs, the first is its InternalIP and hostIP."""

    name: str
    root: Path
    """<state root>/nodes/<name>"""
    run: Path
    """Sockets and pid files of this node."""
    addresses: tuple[str, ...]
    hostname: str = ""
    version: str = VERSION
    """What the agent says it is, as kubeletVersion."""
    cluster_dns: tuple[str, ...] = ("10.96.0.10",)
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    max_pods: int = 110
    port: int = 10250
    cgroup_root: str = ""
    """Parent of all pods' groups, "" for /wherry/<name>."""
    log_bytes: int = 10 << 20
    """A container's log is rotated when it is larger."""
    log_files: int = 5
    image_high: int = 85
    """Percent of disk use at which unused images are removed ..."""
    image_low: int = 80
    """... until it is below this."""
    eviction_hard: Mapping[str, str] = field(default_factory=lambda: EVICTION_HARD)
    """Signal -> what must be left of it, an amount or a percentage, or pods are evicted."""
    heartbeat: float = 10.0
    status_every: float = 300.0
    """Seconds between node status reports when nothing changes."""
    refresh: float = 30.0
    """Seconds between looks at the sources of configMap, secret and projected volumes."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None

    @property
    def pods(self) -> Path:
        """Pods' folders: <pods>/<uid>/{volumes,subpaths,containers}."""
        return self.root / "pods"

    @property
    def logs(self) -> Path:
        """Container logs: <logs>/<namespace>_<name>_<uid>/<container>/<restart>.log"""
        return self.root / "logs" / "pods"

    @property
    def cgroups(self) -> str:
        """The group all pods' groups are in."""
        return self.cgroup_root or f"/wherry/{self.name}"
