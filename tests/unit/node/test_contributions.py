"""What hooks contribute to sandboxes and containers: environment, network files, limits, privileges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakeapi import FakeAPI
from tests.unit.node.pods import container, pod
from wherry.aio.clock import LoopClock
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.types.core import ConfigMap, Pod, ResourceFieldSelector, Secret, Service
from wherry.machinery.codec import from_dict
from wherry.machinery.meta import ObjectMeta
from wherry.node import fieldrefs
from wherry.node.config import AgentConfig
from wherry.node.hooks import network, resources
from wherry.node.hooks.environment import Environment, expand, service_variables
from wherry.node.hooks.hook import HookFault, Machine, Scope, Starting
from wherry.node.hooks.security import Privileges
from wherry.node.runtime.interface import DNS, ContainerConfig, Image, SandboxConfig

HALF = {"cpu": "500m", "memory": "1Gi"}


class NoServices:
    """An empty namespace."""

    def of(self, namespace: str) -> tuple[Service, ...]:
        """See Services."""
        return ()


def scope(one: Pod, api: FakeAPI | None = None, root: Path = Path("/nowhere")) -> Scope:
    """A pod on node n1."""
    config = AgentConfig("n1", root, root, ("192.0.2.1",), resolv_conf=root / "resolv.conf")
    machine = Machine(2000, 8 << 30, {"cpu": 2000, "memory": 8 << 30})
    return Scope(one, config, api or FakeAPI(), LoopClock(), machine, NoServices(), ("10.244.0.2",))


def starting(one: Pod, user: str = "") -> Starting:
    """Its first container."""
    return Starting(one.spec.containers[0], "main", 0, Image("i", user=user))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)", "1"), ("$$(A)", "$(A)"), ("$(B)", "$(B)"), ("x$(A)$(A)", "x11"), ("$A", "$A"), ("$$$(A)", "$1"),
        ("$(", "$("),
    ],
)  # fmt: skip
def test_expansion(text: str, result: str) -> None:
    assert expand(text, {"A": "1"}) == result


async def test_environment_from_all_sources() -> None:
    api = FakeAPI()
    await api.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="cm", namespace="default"), data={"k": "v"}))
    await api.create(SECRET, Secret(metadata=ObjectMeta(name="s", namespace="default"), data={"p": b"w"}))
    one = pod(containers=[container(
        "c", command=["$(P_k)"], args=["$(NAME)"],
        envFrom=[{"configMapRef": {"name": "cm"}, "prefix": "P_"}, {"secretRef": {"name": "none", "optional": True}}],
        env=[
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}},
            {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "x", "optional": True}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "BOTH", "value": "$(NAME)/$(P_k)"},
        ],
    )])  # fmt: skip
    before = ContainerConfig("c", "i", command=one.spec.containers[0].command, args=one.spec.containers[0].args)
    made = await Environment().container(scope(one, api), starting(one), before)
    assert dict(made.env) == {"P_k": "v", "NAME": "p", "SECRET": "w", "CPU": "2", "BOTH": "p/v"}
    assert (made.command, made.args) == (("v",), ("p",))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "no", "key": "k"}}, 'secret "no" not found'),
        ({"configMapKeyRef": {"name": "cm", "key": "x"}}, "couldn't find key x in ConfigMap default/cm"),
    ],
)
async def test_missing_sources(source: dict[str, Any], message: str) -> None:
    api = FakeAPI()
    await api.create(CONFIGMAP, ConfigMap(metadata=ObjectMeta(name="cm", namespace="default")))
    one = pod(containers=[container("c", env=[{"name": "A", "valueFrom": source}])])
    with pytest.raises(HookFault, match=message):
        await Environment().container(scope(one, api), starting(one), ContainerConfig("c", "i"))


def test_service_variables() -> None:
    service = from_dict(
        Service,
        {"metadata": {"name": "my-db"}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "sql", "port": 3306}]}},
    )
    assert service_variables([service]) == {
        "MY_DB_SERVICE_HOST": "10.96.0.7", "MY_DB_SERVICE_PORT": "3306", "MY_DB_SERVICE_PORT_SQL": "3306",
        "MY_DB_PORT": "tcp://10.96.0.7:3306", "MY_DB_PORT_3306_TCP": "tcp://10.96.0.7:3306",
        "MY_DB_PORT_3306_TCP_PROTO": "tcp", "MY_DB_PORT_3306_TCP_PORT": "3306", "MY_DB_PORT_3306_TCP_ADDR": "10.96.0.7",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "divisor", "text"),
    [
        ("limits.cpu", "1", "1"), ("limits.cpu", "1m", "250"), ("requests.memory", "1Mi", "64"),
        ("limits.memory", "1", str(8 << 30)), ("requests.cpu", "1", "0"),
    ],
)  # fmt: skip
def test_resource_fields(resource: str, divisor: str, text: str) -> None:
    one = pod(containers=[container("c", resources={"limits": {"cpu": "250m"}, "requests": {"memory": "64Mi"}})])
    ref = from_dict(ResourceFieldSelector, {"resource": resource, "divisor": divisor})
    allocatable = {"cpu": 2000, "memory": 8 << 30}
    assert fieldrefs.resource_value(one, one.spec.containers[0], ref, allocatable) == text


def test_dns(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.53\nsearch example.org\noptions edns0\n")
    cluster = DNS(
        ("10.96.0.10",),
        ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"),
        ("ndots:5",),
    )
    host = DNS(("192.0.2.53",), ("example.org",), ("edns0",))

    def of(**spec: Any) -> DNS:
        return network.dns(scope(pod(**spec), root=tmp_path))

    assert of() == cluster
    assert of(dnsPolicy="Default") == host
    assert of(hostNetwork=True) == host
    assert of(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet") == cluster
    own = {"nameservers": ["1.1.1.1"], "searches": ["a"], "options": [{"name": "ndots", "value": "2"}, {"name": "x"}]}
    assert of(dnsPolicy="None", dnsConfig=own) == DNS(("1.1.1.1",), ("a",), ("ndots:2", "x"))
    assert of(dnsConfig=own).options == ("ndots:2", "x")


def test_hosts_file() -> None:
    one = pod(hostname="web", subdomain="sub", hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a", "b"]}])
    lines = network.hosts_file(scope(one)).splitlines()
    assert lines[:2] == ["# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost"]
    assert "10.244.0.2\tweb.sub.default.svc.cluster.local\tweb" in lines
    assert lines[-1] == "10.0.0.1\ta\tb"


@pytest.mark.parametrize(
    ("given", "shares", "quota", "memory", "score"),
    [
        ({}, 2, 0, 0, 1000),
        ({"limits": HALF, "requests": HALF}, 512, 50_000, 1 << 30, -997),
        ({"requests": {"memory": "4Gi"}}, 2, 0, 0, 500),
        ({"requests": {"cpu": "1m"}, "limits": {"cpu": "1m"}}, 2, 1000, 0, 999),
    ],
)  # fmt: skip
def test_limits(given: dict[str, Any], shares: int, quota: int, memory: int, score: int) -> None:
    one = pod(containers=[container("c", resources=given)])
    found = resources.limits(one, one.spec.containers[0], Machine(2000, 8 << 30))
    assert (found.cpu_shares, found.cpu_quota, found.memory, found.oom_score_adj) == (shares, quota, memory, score)


async def test_privileges_of_the_container_go_before_the_pods() -> None:
    own = {"runAsUser": 7, "capabilities": {"add": ["NET_ADMIN"]}, "allowPrivilegeEscalation": False}
    one = pod(
        containers=[container("c", securityContext=own)],
        securityContext={"runAsUser": 5, "runAsGroup": 6, "fsGroup": 8, "supplementalGroups": [9],
                         "seccompProfile": {"type": "RuntimeDefault"}, "sysctls": [{"name": "a.b", "value": "1"}]},
    )  # fmt: skip
    made = (await Privileges().container(scope(one), starting(one), ContainerConfig("c", "i"))).security
    assert (made.user, made.group, made.supplemental, made.no_new_privileges) == (7, 6, (9, 8), True)
    assert (made.add_capabilities, made.seccomp.kind) == (("NET_ADMIN",), "RuntimeDefault")
    assert Privileges().sandbox(scope(one), SandboxConfig("p", "default", "u")).sysctls == {"a.b": "1"}


@pytest.mark.parametrize(
    ("image", "user", "message"),
    [
        ("", None, "container has runAsNonRoot and image will run as root"),
        ("0:1000", None, "container has runAsNonRoot and image will run as root"),
        ("00", None, "container has runAsNonRoot and image will run as root"),
        ("4294967296", None, "container has runAsNonRoot and image will run as root"),
        ("2147483648", None, "container has runAsNonRoot and image will run as root"),
        ("\u0667", None, "image has non-numeric user (\u0667), cannot verify user is non-root"),
        ("www-data", None, "image has non-numeric user (www-data), cannot verify user is non-root"),
        ("5", 0, "container's runAsUser breaks non-root policy"),
    ],
)
async def test_non_root_is_checked_against_what_will_really_run(image: str, user: int | None, message: str) -> None:
    context = {"runAsNonRoot": True} | ({} if user is None else {"runAsUser": user})
    one = pod(containers=[container("c", securityContext=context)])
    with pytest.raises(HookFault) as refused:
        await Privileges().container(scope(one), starting(one, image), ContainerConfig("c", "i"))
    assert message in str(refused.value)
    numeric = replace(starting(one), image=Image("i", user="1000:1000"))
    if user is None:
        made = await Privileges().container(scope(one), numeric, ContainerConfig("c", "i"))
        assert made.security.user == 1000


@pytest.mark.parametrize("profile", [{"type": "Localhost"}, {"type": "Localhost", "localhostProfile": ""}])
async def test_an_empty_profile_is_none_to_run_with(profile: dict[str, Any]) -> None:
    """CVE-2023-2431: it would mean no profile at all."""
    for context in ({"seccompProfile": profile}, {}):
        one = pod(containers=[container("c", securityContext=context)], securityContext={"seccompProfile": profile})
        with pytest.raises(HookFault, match="localhostProfile must be set if seccompProfile type is Localhost"):
            await Privileges().container(scope(one), starting(one), ContainerConfig("c", "i"))
