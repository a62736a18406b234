"""What a node takes and what it refuses, with upstream's reasons."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.unit.node.pods import container, pod
from wherry.api.types.core import Pod
from wherry.node.admission import Node, refusal

NODE = Node({"cpu": 1000, "memory": 1 << 30}, max_pods=2)


def asks(uid: str = "x", phase: str = "", **requests: str) -> Pod:
    """A pod that asks for so much."""
    one = pod(containers=[container("c", resources={"requests": requests})])
    return msgspec.structs.replace(
        one,
        metadata=msgspec.structs.replace(one.metadata, uid=uid),
        status=msgspec.structs.replace(one.status, phase=phase),
    )


def reason(one: Pod, *others: Pod, node: Node = NODE) -> str:
    """Why it is refused, or ""."""
    found = refusal(one, others, node)
    return found.reason if found else ""


def test_room_is_what_others_that_are_not_over_leave() -> None:
    assert reason(asks(cpu="1")) == ""
    assert reason(asks(cpu="1"), asks("o", cpu="1m")) == "OutOfcpu"
    assert reason(asks(cpu="1"), asks("o", "Succeeded", cpu="1m")) == ""
    assert reason(asks(memory="2Gi")) == "OutOfmemory"
    assert reason(asks(), asks("a"), asks("b")) == "OutOfpods"
    found = refusal(asks(cpu="600m"), (asks("o", cpu="500m"),), NODE)
    assert found is not None
    assert found.message == "Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000"


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("net.ipv4.tcp_syncookies", {}, ""),
        ("net/ipv4/tcp_syncookies", {}, ""),
        ("kernel.msgmax", {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
        ("net.ipv4.tcp_syncookies", {"hostNetwork": True},
         'forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled'),
        ("kernel.shm_rmid_forced", {"hostIPC": True},
         'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled'),
    ],
)  # fmt: skip
def test_sysctls(name: str, spec: dict[str, Any], message: str) -> None:
    one = pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)
    found = refusal(one, (), NODE)
    assert (found.message if found else "") == message
    assert found is None or found.reason == "SysctlForbidden"


def test_pressure_lets_through_whom_it_must() -> None:
    low = Node(NODE.allocatable, 2, ("MemoryPressure",))
    assert reason(asks(), node=low) == "Evicted"
    assert reason(asks(cpu="1m"), node=low) == ""
    assert reason(asks(cpu="1m"), node=Node(NODE.allocatable, 2, ("DiskPressure",))) == "Evicted"
    assert reason(pod(priority=2_000_001_000), node=low) == ""


def test_what_the_machine_cannot_do() -> None:
    assert reason(pod(os={"name": "windows"})) == "PodOSNotSupported"
    strict = pod(securityContext={"supplementalGroupsPolicy": "Strict"})
    assert reason(strict, node=Node(NODE.allocatable, 2, strict_groups=False)) == "SupplementalGroupsPolicyNotSupported"
    assert reason(strict) == ""


def test_host_ports_are_taken_once() -> None:
    def on(uid: str, port: int, ip: str = "", protocol: str = "TCP", phase: str = "") -> Pod:
        ports = [{"containerPort": 80, "hostPort": port, "hostIP": ip, "protocol": protocol}]
        one = pod(containers=[container("c", ports=ports)])
        return msgspec.structs.replace(
            one,
            metadata=msgspec.structs.replace(one.metadata, uid=uid),
            status=msgspec.structs.replace(one.status, phase=phase),
        )

    assert reason(on("a", 8080), on("b", 8080)) == "NodePorts"
    assert reason(on("a", 8080, "10.0.0.1"), on("b", 8080)) == "NodePorts"
    assert reason(on("a", 8080, "10.0.0.1"), on("b", 8080, "10.0.0.2")) == ""
    assert reason(on("a", 8080), on("b", 8080, protocol="UDP")) == ""
    assert reason(on("a", 8080), on("b", 8081)) == ""
    assert reason(on("a", 8080), on("b", 8080, phase="Failed")) == ""
