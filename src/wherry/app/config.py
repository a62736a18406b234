"""What a cluster on this machine is: one typed value, kept in `<root>/cluster.json`, read by every command.

`wherry up` makes it from flags (or WHERRY_* variables, which click reads) and saves it; server, agents and all other
commands load it, so that flags need not be repeated. Paths and addresses that follow from it are properties here and
nowhere else.

The file also says which format the state under the root has, and which version saved it. A later format is refused. A
later version of the same format may have added settings: those that this one does not know are passed over.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from wherry.app import version
from wherry.host import files
from wherry.host.pairs import Pair, pair

DEFAULT_ROOT = Path("/var/lib/wherry")
RUN = Path("/run/wherry")
NODE_PREFIX = "wherry-"
FORMAT = 1
"""Of the state under a root. Raised when the release before could not work with it rightly (see docs/adr/0007), never
for an added setting that may be passed over."""


class ConfigError(Exception):
    """The configuration cannot work; the text says why and what to do."""


class Node(msgspec.Struct, frozen=True):
    """One node on this machine. `netns` "" is the host's own network namespace."""

    name: str
    index: int
    netns: str = ""
    address: str = ""
    """Fixed address of a node in a namespace; "" means the machine's own, which may change."""


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The audit log: on unless turned off. `policy` is a file with an audit.k8s.io/v1 Policy; "" tells every change.

    `size` in MiB, `days` and `files` bound what is kept. `on_failure`: "refuse" lets nobody change anything while
    records cannot be written.
    """

    enabled: bool = True
    policy: str = ""
    size: int = 100
    days: float = 30.0
    files: int = 10
    on_failure: Literal["continue", "refuse"] = "continue"
    webhook: str = ""
    """Where records are sent, too: an https:// URL."""
    webhook_ca: str = ""
    """File with the authorities that vouch for it; "": the system's."""
    webhook_config_file: str = ""
    """Instead: a kubeconfig that names the webhook, its authority, and the credentials that are shown to it."""
    webhook_mode: Literal["batch", "blocking"] = "batch"
    """"blocking": an answer waits until the webhook has its record."""
    webhook_backoff: float = 10.0
    """Seconds before a batch is sent again."""
    webhook_event_size: int = 0
    """Bytes of a record that is sent whole; a larger one goes without its bodies. 0: whatever its size."""


class PodSecurity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked of pods where a namespace says nothing: `LEVEL` or `LEVEL:VERSION`; and who is asked nothing."""

    enforce: str = "privileged"
    audit: str = "privileged"
    warn: str = "privileged"
    exempt_namespaces: tuple[str, ...] = ()
    exempt_users: tuple[str, ...] = ()
    exempt_runtime_classes: tuple[str, ...] = ()


class Acme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Certificates of public names from an ACME authority: on where there is an `email`, whose owner accepts the
    authority's terms of service. `directory` "" is Let's Encrypt. `ca`: file of those who vouch for the authority's
    own server; "": the usual ones.
    """

    email: str = ""
    directory: str = ""
    ca: str = ""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cluster. `root` holds all state; everything else has a default."""

    root: str = str(DEFAULT_ROOT)
    nodes: int = 1
    listen: str = "0.0.0.0"
    """All addresses: the API is for pods and other machines too, and asks everybody for credentials."""
    port: int = 6443
    agent_port: int = 10250
    hostname: str = ""
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    dns_address: str = "10.96.0.10"
    cluster_domain: str = "cluster.local"
    node_cidr: str = "10.89.0.0/24"
    node_ports: tuple[int, int] = (30000, 32767)
    access: str = ""
    """File that lets others in: OIDC, webhooks, proxies (see `wherry.app.access`); "" for none."""
    tracing: str = ""
    """File with a TracingConfiguration (see `wherry.app.tracing`); "" for no traces."""
    registries: dict[str, str] = {}
    """Image registry (`host[:port]`) -> the URL where nodes find it instead; http:// is allowed."""

    join: str = ""
    """`HOST:PORT` of the API where this machine is a node of another machine's cluster; "" when the server is here."""

    acme: Acme = Acme()
    audit: Audit = Audit()
    pod_security: PodSecurity = PodSecurity()
    encrypt: tuple[str, ...] = ("secrets",)
    """Resources whose values are encrypted at rest: `secrets`, `deployments.apps`, `*`."""

    @property
    def state(self) -> Path:
        """The root as a path."""
        return Path(self.root)

    @property
    def server(self) -> Path:
        """What the control plane keeps."""
        return self.state / "server"

    @property
    def pki(self) -> Path:
        """The control plane's keys."""
        return self.server / "pki"

    @property
    def audit_logs(self) -> Path:
        """The audit log's files."""
        return self.server / "audit"

    @property
    def database(self) -> Path:
        """The store."""
        return self.server / "state.db"

    @property
    def run(self) -> Path:
        """Sockets and pid files; gone after a reboot. One folder per root."""
        if self.state == DEFAULT_ROOT:
            return RUN
        return RUN.with_name(f"wherry-{hashlib.sha256(self.root.encode()).hexdigest()[:8]}")

    def cgroup(self, name: str = "") -> str:
        """The control group of a node's pods, or of all of this cluster's. One tree per root."""
        return f"/{self.run.name}/{name}".rstrip("/")

    @property
    def logs(self) -> Path:
        """Logs of the wherry processes."""
        return self.state / "logs"

    @property
    def kubernetes_address(self) -> str:
        """The address of the Service `kubernetes`: the first of the Service network."""
        return str(ipaddress.ip_network(self.service_cidr)[1])

    @property
    def bridge_address(self) -> str:
        """The host's address on the bridge between nodes."""
        return str(ipaddress.ip_network(self.node_cidr)[1])

    @property
    def admin_kubeconfig(self) -> Path:
        """Credentials of kubernetes-admin, for commands on this machine."""
        return self.server / "admin.kubeconfig"

    def node_root(self, name: str) -> Path:
        """A node's state."""
        return self.state / "nodes" / name

    @property
    def authority(self) -> Path:
        """The cluster CA's certificate, as this machine has it."""
        if self.join:
            return self.node_root(self.machines()[0].name) / "pki" / "ca.crt"
        return self.pki / "ca.crt"

    def node_pair(self, name: str, what: Literal["client", "server"]) -> Pair:
        """A node's certificate and key. A joined node keeps both in one file, which is replaced at once."""
        folder = self.node_root(name) / "pki"
        return Pair(folder / f"{what}.pem", folder / f"{what}.pem") if self.join else pair(folder, what)

    def node_run(self, name: str) -> Path:
        """A node's sockets and pid files."""
        return self.run / name

    @property
    def watched(self) -> bool:
        """Whether a watchdog stands by the agents of this machine: where stateful pods may come to be replaced on
        another node. A server with one node needs none: where it is lost, so is the server."""
        return bool(self.join) or self.nodes > 1

    def machines(self) -> tuple[Node, ...]:
        """The nodes of this machine: the first in the host's namespace, each other in its own."""
        host = self.hostname or node_name(socket.gethostname())
        if self.nodes == 1:
            return (Node(host, 0),)
        network = ipaddress.ip_network(self.node_cidr)
        first = Node(f"{NODE_PREFIX}1", 0, address=str(network[1]))
        others = (
            Node(f"{NODE_PREFIX}{n}", n - 1, netns=f"{self.run.name}-{n}", address=str(network[n]))
            for n in range(2, self.nodes + 1)
        )
        return (first, *others)

    def machine(self, name: str) -> Node:
        """The node of that name. Raises ConfigError."""
        for node in self.machines():
            if node.name == name:
                return node
        raise ConfigError(f"there is no node {name!r} here; the nodes are {', '.join(n.name for n in self.machines())}")

    def api_url(self, node: Node | None = None) -> str:
        """Where a node (or, without one, this machine's user) reaches the API: an address that does not change."""
        if self.join:
            return f"https://{self.join}"
        host = self.bridge_address if node is not None and node.netns else "127.0.0.1"
        return f"https://{host}:{self.port}"

    def validate(self) -> None:
        """Raises ConfigError when the values cannot work together."""
        networks = {
            "pod-cidr": network(self.pod_cidr),
            "service-cidr": network(self.service_cidr),
            "node-cidr": network(self.node_cidr),
        }
        named = list(networks.items())
        for position, (name, one) in enumerate(named):
            for other_name, other in named[position + 1 :]:
                if one.overlaps(other):
                    raise ConfigError(f"--{name} {one} and --{other_name} {other} overlap; choose separate networks")
        if ipaddress.ip_address(self.dns_address) not in networks["service-cidr"]:
            raise ConfigError(f"the DNS address {self.dns_address} is not in --service-cidr {self.service_cidr}")
        if not 1 <= self.nodes <= 50:
            raise ConfigError(f"--nodes {self.nodes} is not between 1 and 50; one machine carries at most 50 nodes")
        for host, url in self.registries.items():
            registry(f"{host}={url}")
        check_acme(self.acme)
        if not self.state.is_absolute():
            raise ConfigError(f"--root {self.root} is not an absolute path; give one that starts with /")


def network(text: str) -> ipaddress.IPv4Network:
    """An IPv4 network in CIDR notation. Raises ConfigError."""
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not an IPv4 network: {error}; write it like 10.244.0.0/16") from error


def registry(text: str) -> tuple[str, str]:
    """`HOST[:PORT]=URL` as its two parts; "" for the URL of `HOST=`. Raises ConfigError."""
    host, equals, url = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z0-9.-]+(:\d+)?", host):
        raise ConfigError(f"{text!r} does not name a registry; write it like docker.io=https://mirror.example:5000")
    if url and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._/-]*)?", url):
        raise ConfigError(f"{url!r} is not a registry's URL; write it like http://mirror.example:5000")
    return host, url


def check_acme(acme: Acme) -> None:
    """Raises ConfigError."""
    if acme.email and not re.fullmatch(r"[^@\s<>,]+@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+", acme.email):
        raise ConfigError(f"--acme-email {acme.email} is not an e-mail address; write it like you@example.org")
    if acme.directory and not re.fullmatch(r"https://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?", acme.directory):
        raise ConfigError(f"--acme-directory {acme.directory} is not an https:// URL of an ACME directory")
    if not acme.email and acme != Acme():
        raise ConfigError("ACME needs --acme-email: the authority's terms of service are accepted by somebody")


def node_name(hostname: str) -> str:
    """A host name as a node name: lower case, only what a DNS name may hold."""
    name = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in hostname.lower()).strip("-.")
    return name[:63] or "node"


def path(root: Path) -> Path:
    """The file that keeps the configuration."""
    return root / "cluster.json"


class Head(msgspec.Struct, frozen=True):
    """What the file says about itself. `version`: of the wherry that saved it; "" from before it was noted."""

    format: int = 1
    version: str = ""


def head(root: Path) -> Head | None:
    """By what the state under `root` was written; None when there is none. Raises ConfigError."""
    try:
        return msgspec.json.decode(path(root).read_bytes(), type=Head)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise _damaged(root, error) from error


def load(root: Path) -> Config | None:
    """The configuration of the cluster under `root`; None when there is none. Raises ConfigError."""
    known = head(root)
    if known is None:
        return None
    if known.format > FORMAT:
        raise ConfigError(
            f"the state under {root} has format {known.format}, and wherry {version.wherry()} knows formats up to"
            f" {FORMAT}; use wherry {known.version or 'of a later version'}, or restore a backup"
        )
    try:
        kept = msgspec.json.decode(path(root).read_bytes())
        return _decode({name: value for name, value in kept.items() if name not in Head.__struct_fields__}, known)
    except msgspec.DecodeError as error:
        raise _damaged(root, error) from error


def _decode(kept: Mapping[str, Any], written: Head) -> Config:
    try:
        return msgspec.convert(kept, Config)
    except msgspec.ValidationError:
        if written.version in ("", version.wherry()):
            raise
        return msgspec.convert(_known(kept, Config), Config)


def _known(kept: Mapping[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Without the settings that this version does not know."""
    types = {one.name: one.type for one in msgspec.structs.fields(kind)}
    return {name: _setting(value, types[name]) for name, value in kept.items() if name in types}


def _setting(value: Any, kind: Any) -> Any:
    group = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return _known(value, kind) if group and isinstance(value, Mapping) else value


def _damaged(root: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path(root)} is damaged: {error}; restore it, or run `wherry delete`")


def save(config: Config) -> bool:
    """Keep the configuration, as this version's; returns whether it changed."""
    files.private_folder(config.state)
    content = msgspec.to_builtins(Head(FORMAT, version.wherry())) | msgspec.to_builtins(config)
    return files.write_if_changed(path(config.state), msgspec.json.format(msgspec.json.encode(content)) + b"\n")
