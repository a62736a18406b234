"""CNI configuration, resolvers, host ports, names of nodes' namespaces."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path

from wherry.api.types.core import Container, ContainerPort, Pod, PodSpec, PodStatus
from wherry.host import resolv
from wherry.network import cni, host_ports, nodes
from wherry.network.services import Entry, Front, Target


def test_cni_configuration_is_written_once(tmp_path: Path) -> None:
    folder = tmp_path / "cni"
    assert cni.write(folder, IPv4Network("10.244.1.0/24"), 1400)
    assert not cni.write(folder, IPv4Network("10.244.1.0/24"), 1400)
    written = json.loads((folder / cni.FILE).read_text())
    assert written["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]
    assert [file.name for file in folder.iterdir()] == [cni.FILE], "nothing half-written beside it"


def test_resolv_conf() -> None:
    servers = "# x\nnameserver 192.0.2.1 # one\nnameserver nonsense\nnameserver fe80::1%eth0\n"
    text = servers + "search a.org b.org\noptions ndots:2\n"
    assert resolv.parse(text) == resolv.Resolvers(("192.0.2.1", "fe80::1%eth0"), ("a.org", "b.org"), ("ndots:2",))


def test_host_ports() -> None:
    ports = (
        ContainerPort(container_port=80, host_port=8080),
        ContainerPort(container_port=53, host_port=53, protocol="UDP", host_ip="192.0.2.1"),
        ContainerPort(container_port=81),
        ContainerPort(container_port=82, host_port=82, host_ip="not an address"),
    )
    pod = Pod(
        spec=PodSpec(containers=(Container(name="c", ports=ports),)),
        status=PodStatus(phase="Running", pod_ip="10.244.1.5"),
    )
    assert host_ports.fronts(pod) == {
        Front("tcp", "", 8080): Entry((Target("10.244.1.5", 80),)),
        Front("udp", "192.0.2.1", 53): Entry((Target("10.244.1.5", 53),)),
    }


def test_names_of_namespaces() -> None:
    assert nodes.netns_of("wherry-2") == "wherry-2"
    assert nodes.netns_of("east") == "wherry-east"
