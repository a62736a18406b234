"""Each check of the Pod Security Standards, failed and passed by the smallest pod; and what namespaces' labels mean."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.api.types.core import Pod
from wherry.apiserver.admission.podsecurity.evaluate import BASELINE, RESTRICTED, details, evaluate
from wherry.apiserver.admission.podsecurity.plugin import prioritised
from wherry.apiserver.admission.podsecurity.policy import LATEST, PREFIX, Policy, Standard, policy_of
from wherry.machinery import codec
from wherry.machinery.meta import ObjectMeta, OwnerReference

Json = dict[str, Any]
HARDENED: Json = {
    "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}  # fmt: skip


def pod(container: Json | None = None, context: Json | None = None, *, kind: str = "containers", **spec: Any) -> Pod:
    """A pod that passes everything, with one container (of this kind) changed."""
    first: Json = {"name": "c", "image": "i", "securityContext": HARDENED}
    special = {**first, "name": "x", **(container or {})}
    special["securityContext"] = {**HARDENED, **(context or {})}
    made: Json = {"containers": [special]} if kind == "containers" else {"containers": [first], kind: [special]}
    return codec.from_dict(Pod, {"metadata": {"name": "p"}, "spec": {**made, **spec}})


def found(level: str, subject: Pod, minor: int = LATEST) -> str:
    return details(evaluate(Standard(level, minor), subject.metadata.annotations, subject.spec))


CONTAINERS: list[tuple[str, Json, Json, str]] = [
    ("baseline", {}, {"privileged": True}, 'privileged (container "x" must not set securityContext.privileged=true)'),
    ("baseline", {}, {"procMount": "Unmasked"},
     'procMount (container "x" must not set securityContext.procMount to "Unmasked")'),
    ("baseline", {}, {"appArmorProfile": {"type": "Unconfined"}},
     'forbidden AppArmor profile (container "x" must not set AppArmor profile type to "Unconfined")'),
    ("baseline", {}, {"seLinuxOptions": {"type": "spc_t", "user": "u"}},
     'seLinuxOptions (container "x" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)'),
    ("baseline", {}, {"seccompProfile": {"type": "Unconfined"}},
     'seccompProfile (container "x" must not set securityContext.seccompProfile.type to "Unconfined")'),
    ("baseline", {}, {"windowsOptions": {"hostProcess": True}},
     'hostProcess (container "x" must not set securityContext.windowsOptions.hostProcess=true)'),
    ("baseline", {"ports": [{"containerPort": 1, "hostPort": 80}]}, {}, 'hostPort (container "x" uses hostPort 80)'),
    ("baseline", {"livenessProbe": {"httpGet": {"port": 1, "host": "169.254.169.254"}}}, {},
     'probe or lifecycle host (container "x" uses probe or lifecycle host "169.254.169.254")'),
    ("baseline", {"lifecycle": {"preStop": {"tcpSocket": {"port": 1, "host": "db"}}}}, {},
     'probe or lifecycle host (container "x" uses probe or lifecycle host "db")'),
    ("baseline", {}, {"capabilities": {"add": ["SYS_ADMIN"]}},
     'non-default capabilities (container "x" must not include "SYS_ADMIN" in securityContext.capabilities.add)'),
    ("restricted", {}, {"allowPrivilegeEscalation": None},
     'allowPrivilegeEscalation != false (container "x" must set securityContext.allowPrivilegeEscalation=false)'),
    ("restricted", {}, {"capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}},
     'unrestricted capabilities (container "x" must not include "CHOWN" in securityContext.capabilities.add)'),
    ("restricted", {}, {"capabilities": None},
     'unrestricted capabilities (container "x" must set securityContext.capabilities.drop=["ALL"])'),
    ("restricted", {}, {"runAsNonRoot": None},
     'runAsNonRoot != true (pod or container "x" must set securityContext.runAsNonRoot=true)'),
    ("restricted", {}, {"runAsUser": 0}, 'runAsUser=0 (container "x" must not set runAsUser=0)'),
    ("restricted", {}, {"seccompProfile": None},
     'seccompProfile (pod or container "x" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
     '"Localhost")'),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(("level", "container", "context", "expected"), CONTAINERS)
def test_no_kind_of_container_escapes(kind: str, level: str, container: Json, context: Json, expected: str) -> None:
    bad = pod(container, context, kind=kind)
    assert found(level, bad) == expected
    if level == "restricted":
        assert found("baseline", bad) == ""
    else:
        assert found("restricted", bad) != ""


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hostNetwork": True, "hostPID": True}, "host namespaces (hostNetwork=true, hostPID=true)"),
        ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, 'hostPath volumes (volume "v")'),
        ({"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
         "forbidden sysctls (kernel.msgmax)"),
        ({"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
         'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
    ],
)  # fmt: skip
def test_the_pod_itself(spec: Json, expected: str) -> None:
    assert found("baseline", pod(**spec)) == expected


def test_a_hardened_pod_passes_everything_in_every_version() -> None:
    for minor in range(40):
        assert found("restricted", pod(), minor) == ""
        assert found("baseline", pod(), minor) == ""


def test_volumes_of_machines_are_restricted() -> None:
    bad = pod(volumes=[{"name": "a", "nfs": {"server": "s", "path": "/"}}, {"name": "b", "configMap": {"name": "m"}}])
    assert found("restricted", bad) == 'restricted volume types (volume "a" uses restricted volume type "nfs")'
    assert found("baseline", bad) == ""


def test_versions_know_only_what_they_knew() -> None:
    probed = pod({"livenessProbe": {"httpGet": {"port": 1, "host": "h"}}})
    assert (found("baseline", probed, 33), bool(found("baseline", probed, 34))) == ("", True)
    sysctl = pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]})
    assert (bool(found("baseline", sysctl, 31)), found("baseline", sysctl, 32)) == (True, "")
    rooted = pod(context={"runAsUser": 0}, hostUsers=False)
    assert (bool(found("restricted", rooted, 34)), found("restricted", rooted, 35)) == (True, "")


def test_every_rule_has_a_case() -> None:
    assert len({rule.name for rule in (*BASELINE, *RESTRICTED)}) == 19


def test_labels() -> None:
    def read(**labels: str) -> tuple[Policy, list[str]]:
        policy, errors = policy_of({f"{PREFIX}{k.replace('_', '-')}": v for k, v in labels.items()}, Policy())
        return policy, [f"{error.path}: {error.message}" for error in errors]

    assert read() == (Policy(), [])
    restricted = Standard("restricted", LATEST)
    assert read(enforce="restricted") == (Policy(enforce=restricted, warn=restricted), [])
    assert read(enforce="restricted", warn="privileged") == (Policy(enforce=restricted), [])
    old = Standard("baseline", 25)
    assert read(enforce="baseline", enforce_version="v1.25") == (Policy(enforce=old, warn=old), [])
    assert read(audit="baseline", audit_version="v1.25") == (Policy(audit=old), [])
    policy, errors = read(enforce="strict", enforce_version="1.2")
    assert policy == Policy(enforce=restricted), "what cannot be read is refused, not let through"
    assert errors == [
        'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, '
        "baseline, restricted",
        'metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
    ]
    assert read(warn="strict", audit="strict")[0] == Policy()
    assert read(enforce_version="v1.01")[1]
    assert not read(enforce_version="v1.99")[1]


def test_one_pod_of_each_owner_comes_first() -> None:
    def owned(name: str, owner: str) -> Pod:
        refs = (OwnerReference(kind="ReplicaSet", name=owner, uid=owner, controller=True),) if owner else ()
        return Pod(metadata=ObjectMeta(name=name, owner_references=refs))

    pods = [owned("a1", "a"), owned("a2", "a"), owned("alone", ""), owned("b1", "b"), owned("a3", "a")]
    assert [p.metadata.name for p in prioritised(pods)] == ["a1", "alone", "b1", "a2", "a3"]
