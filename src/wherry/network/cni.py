"""CNI: the configuration with which containerd wires pods, and where the plugins are.

Pods are wired by `ptp`, not by `bridge`: each pod has its own veth with the node as its router, so every packet between
two pods passes the node's routing, and with it service translation, hairpin and network policies, whether or not the
kernel has br_netfilter (on a bridge, answers between two pods of one node would go past the translation). host-local
hands out addresses of the node's subnet; host ports are rules of `proxy`, so the plugins need no iptables. Masquerading
is the proxy's as well.

https://www.cni.dev/docs/spec/
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path

import msgspec

from wherry.host import files

FILE = "10-wherry.conflist"
_FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
NEEDED = ("ptp", "host-local", "loopback")


def conflist(subnet: IPv4Network, mtu: int, leases: Path) -> bytes:
    """A node's network `wherry`: `subnet` is its part of the pod network, `leases` the folder of given addresses."""
    plugin = {
        "type": "ptp",
        "ipMasq": False,
        "mtu": mtu,
        "ipam": {
            "type": "host-local",
            "dataDir": str(leases),
            "ranges": [[{"subnet": str(subnet)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return msgspec.json.encode({"cniVersion": "0.4.0", "name": "wherry", "plugins": [plugin]})


def write(folder: Path, subnet: IPv4Network, mtu: int) -> bool:
    """Put the configuration into `folder`, whole or not at all; whether it changed anything. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    leases = folder.parent / "cni-leases"
    content = conflist(subnet, mtu, leases)
    file = folder / FILE
    if file.exists() and file.read_bytes() == content:
        return False
    files.write(file, content)
    return True


def plugin_folder(folders: tuple[str, ...] = _FOLDERS) -> Path | None:
    """The first folder with every plugin needed; None when they are not installed."""
    for folder in map(Path, folders):
        if all(os.access(folder / name, os.X_OK) for name in NEEDED):
            return folder
    return None
