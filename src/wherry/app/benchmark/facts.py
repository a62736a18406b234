"""Facts: everything the checks look at, as it was found. No I/O: `gather` fills them in.

Objects of the API stay as the JSON they came as; what is found on this machine and by asking listeners is typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wherry.app.config import Config

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder. `mode`: permission bits."""

    path: str
    mode: int
    uid: int = 0
    gid: int = 0
    folder: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """A TLS listener, and whom it lets in: HTTP statuses, 0 where the connection was refused."""

    address: str
    verified: str = ""
    """Why its certificate is not vouched for by the cluster's CA; "" when it is."""
    nobody: int = 401
    """Without credentials."""
    stranger: int = 0
    """With an administrator's certificate of somebody else's CA."""
    bystander: int | None = 403
    """With the token of an account without rights; None: there was none to try."""
    weak: tuple[str, ...] = ()
    """Protocols and ciphers of old that it spoke."""
    plain: bool = False
    """Whether it answers HTTP without TLS."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`used`: how much of its life is over, from 0.0 to 1.0."""

    path: str
    used: float


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit log. `told`: a request in words -> the level at which the policy tells of it. `written`: whether the
    log holds anything."""

    told: Mapping[str, str]
    written: bool


@dataclass(frozen=True, slots=True)
class Plane:
    """The control plane of this machine."""

    unit: tuple[File, ...]
    """What starts the server process."""
    files: tuple[File, ...]
    """Everything under `<root>/server`, and cluster.json."""
    door: Door
    listeners: tuple[str, ...]
    """`address:port` on which the server process listens."""
    debugging: Mapping[str, int]
    """Path for debugging -> status for an administrator."""
    admission: Mapping[str, int]
    """Name of a plugin -> status for a dry run that it must refuse; 0 where that was not tried."""
    plugins: tuple[str, ...]
    """The plugins of the version that runs."""
    always_pulls: bool
    """Whether a pod that asks otherwise is made to pull."""
    may: Mapping[str, bool]
    """A question -> what SubjectAccessReview answered."""
    ghost: bool
    """Whether a well-signed token of an account that is not there is believed."""
    token_seconds: float
    """How long a token lives that was asked for as agents do, for 3607 s."""
    token_keys: tuple[str, ...]
    """Ids of the keys that verify tokens."""
    agents: Mapping[str, int]
    """Node -> status of its agent, asked through the API server."""
    plaintext: tuple[str, ...]
    """Secrets whose values were found in the store's files."""
    sought: int
    """How many were looked for."""
    body_seconds: float
    """Within which a request's body must be complete."""
    access: tuple[str, ...]
    """What the access file adds: "OIDC", "token webhook", ..."""
    identities: tuple[str, ...]
    """As whom the controllers act."""
    audit: Audit | None


@dataclass(frozen=True, slots=True)
class Node:
    """A node of this machine."""

    name: str
    hostname: str
    unit: tuple[File, ...]
    files: tuple[File, ...]
    """Keys, certificates, CNI configuration."""
    settings: tuple[File, ...]
    """cluster.json."""
    door: Door
    listeners: tuple[str, ...]
    """`address:port` of the agent process."""
    metrics: tuple[str, ...]
    """Those of them that give metrics to anybody, beside the agent's own port."""
    certificates: tuple[Certificate, ...]
    tables: tuple[str, ...]
    """nftables tables of its network namespace."""
    unlimited: tuple[str, ...]
    """Control groups of pods without a limit of processes."""
    unconfined: tuple[str, ...]
    """Control groups of pods in which a process runs without seccomp."""


@dataclass(frozen=True, slots=True)
class World:
    """The objects of the API."""

    namespaces: tuple[Object, ...] = ()
    pods: tuple[Object, ...] = ()
    service_accounts: tuple[Object, ...] = ()
    roles: tuple[Object, ...] = ()
    bindings: tuple[Object, ...] = ()
    cluster_roles: tuple[Object, ...] = ()
    cluster_bindings: tuple[Object, ...] = ()
    network_policies: tuple[Object, ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    """(namespace/name, type): their values are not kept."""
    services: tuple[Object, ...] = ()
    requests: tuple[Object, ...] = ()
    """CertificateSigningRequests."""
    hooks: tuple[Object, ...] = ()
    """Validating webhook configurations, and validating admission policies that are bound."""
    authorities: Mapping[str, bool] | None = None
    """Namespace -> whether its ConfigMap kube-root-ca.crt holds the cluster's CA."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`plane` and `world` are None on a machine that has joined another's cluster."""

    config: Config
    nodes: tuple[Node, ...]
    plane: Plane | None
    world: World | None
