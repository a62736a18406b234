"""Namespaces, host name, resolv.conf, /etc/hosts and host ports of a pod. The wiring itself is done by the CNI plugins,
called by the runtime with this node's own configuration.

https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wherry.api.types.core import PodSpec
from wherry.node.config import AgentConfig
from wherry.node.hooks.hook import Hook, Scope, Starting
from wherry.node.runtime.interface import DNS, ContainerConfig, Mode, Mount, Namespaces, PortMapping, SandboxConfig

MAX_SERVERS = 3
HOSTS_HEADER = "# Kubernetes-managed hosts file"


def namespaces(spec: PodSpec, target: str = "") -> Namespaces:
    """Which namespaces the pod's containers share."""
    pid: Mode = "node" if spec.host_pid else "pod" if spec.share_process_namespace else "container"
    if target and pid == "container":
        pid = "target"
    return Namespaces(
        network="node" if spec.host_network else "pod", pid=pid, ipc="node" if spec.host_ipc else "pod",
        target=target if pid == "target" else "",
    )  # fmt: skip


def hostname(scope: Scope) -> str:
    """The pod's host name."""
    spec = scope.pod.spec
    if spec.hostname_override is not None:
        return spec.hostname_override
    if spec.host_network:
        return scope.config.hostname or scope.config.name
    name = (spec.hostname or scope.pod.metadata.name)[:63].rstrip("-.")
    domain = fqdn(scope)
    return domain if spec.set_hostname_as_fqdn and domain else name


def fqdn(scope: Scope) -> str:
    """The name under which a pod with a subdomain is known in the cluster, or ""."""
    spec, meta = scope.pod.spec, scope.pod.metadata
    if not spec.subdomain:
        return ""
    name = spec.hostname or meta.name
    return f"{name}.{spec.subdomain}.{meta.namespace}.svc.{scope.config.cluster_domain}"


def host_dns(resolv_conf: Path) -> DNS:
    """The machine's own resolv.conf. A missing file is an empty one."""
    try:
        lines = resolv_conf.read_text().splitlines()
    except OSError:
        return DNS()
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] in ("nameserver", "search", "domain", "options"):
            kept = found.get(words[0], ()) if words[0] == "nameserver" else ()
            found[words[0]] = (*kept, *words[1:])
    return DNS(found.get("nameserver", ())[:MAX_SERVERS], found.get("search", ()), found.get("options", ()))


def dns(scope: Scope) -> DNS:
    """What the pod's resolv.conf says, by its policy and its own additions."""
    spec, config = scope.pod.spec, scope.config
    policy = spec.dns_policy or "ClusterFirst"
    own = spec.dns_config
    if policy == "None":
        base = DNS()
    elif policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.host_network):
        base = _cluster_dns(config, scope.pod.metadata.namespace)
    else:
        base = host_dns(config.resolv_conf)
    if own is None:
        return base
    options = {one.partition(":")[0]: one for one in base.options}
    options |= {one.name: f"{one.name}:{one.value}" if one.value is not None else one.name for one in own.options}
    return DNS(
        tuple(dict.fromkeys((*base.servers, *own.nameservers)))[:MAX_SERVERS],
        tuple(dict.fromkeys((*base.searches, *own.searches))),
        tuple(options.values()),
    )


def _cluster_dns(config: AgentConfig, namespace: str) -> DNS:
    host = host_dns(config.resolv_conf)
    domain = config.cluster_domain
    searches = (f"{namespace}.svc.{domain}", f"svc.{domain}", domain, *host.searches)
    return DNS(config.cluster_dns, tuple(dict.fromkeys(searches)), ("ndots:5",))


def hosts_file(scope: Scope) -> str:
    """The text of /etc/hosts."""
    spec = scope.pod.spec
    if spec.host_network:
        try:
            base = f"{HOSTS_HEADER} (host network).\n{Path('/etc/hosts').read_text()}"
        except OSError:
            base = f"{HOSTS_HEADER} (host network).\n"
    else:
        lines = [
            f"{HOSTS_HEADER}.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::\tip6-localnet", "fe00::\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters",
        ]  # fmt: skip
        names = "\t".join(name for name in (fqdn(scope), hostname(scope).partition(".")[0]) if name)
        lines += [f"{ip}\t{names}" for ip in scope.ips]
        base = "\n".join(lines) + "\n"
    if spec.host_aliases:
        base += "\n# Entries added by HostAliases.\n"
        base += "".join(f"{alias.ip}\t{chr(9).join(alias.hostnames)}\n" for alias in spec.host_aliases)
    return base


class Network(Hook):
    """Owns the pod's hosts file."""

    def sandbox(self, scope: Scope, config: SandboxConfig) -> SandboxConfig:
        """Host name, DNS, namespaces, host ports."""
        spec = scope.pod.spec
        sidecars = (one for one in spec.init_containers if one.restart_policy == "Always")
        ports = tuple(
            PortMapping(port.protocol or "TCP", port.container_port, port.host_port, port.host_ip)
            for one in (*spec.containers, *sidecars)
            for port in one.ports
            if port.host_port and not spec.host_network
        )
        return replace(
            config, hostname="" if spec.host_network else hostname(scope), dns=dns(scope), ports=ports,
            namespaces=namespaces(spec),
        )  # fmt: skip

    async def container(self, scope: Scope, starting: Starting, config: ContainerConfig) -> ContainerConfig:
        """Namespaces and /etc/hosts, unless the container brings its own."""
        config = replace(config, namespaces=namespaces(scope.pod.spec, starting.target))
        if any(mount.mount_path.rstrip("/") == "/etc/hosts" for mount in starting.spec.volume_mounts):
            return config
        path = scope.folder / "etc-hosts"
        if not path.exists():
            path.write_text(hosts_file(scope))
            path.chmod(0o644)
        return replace(config, mounts=(*config.mounts, Mount("/etc/hosts", str(path))))
