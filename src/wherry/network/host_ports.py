"""Host ports: `ports[].hostPort` of a node's pods as fronts of the proxy, in the same maps as node ports. Pure.

Upstream leaves them to the portmap plugin; here they need neither the plugin nor iptables, and survive as rules do.
"""

from __future__ import annotations

from wherry.api.core.pod_state import is_terminal
from wherry.api.types.core import Pod
from wherry.network.services import Entry, Front, Target, address, port_number

_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp", "": "tcp"}
_ANY = ("", "0.0.0.0", "::")  # noqa: S104, RUF100 - what users write for "every address"


def fronts(pod: Pod) -> dict[Front, Entry]:
    """Where the pod's host ports lead. Empty for pods without, on the host's network, without address, or ended."""
    ip = address(pod.status.pod_ip)
    if not ip or pod.spec.host_network or is_terminal(pod):
        return {}
    result: dict[Front, Entry] = {}
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for port in container.ports:
            protocol = _PROTOCOLS.get(port.protocol)
            host_ip = "" if port.host_ip in _ANY else address(port.host_ip)
            if protocol is None or not (port_number(port.host_port) and port_number(port.container_port)):
                continue
            if host_ip or port.host_ip in _ANY:
                result[Front(protocol, host_ip, port.host_port)] = Entry((Target(ip, port.container_port),))
    return result
