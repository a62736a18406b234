"""Section 5.2: what pods are let do, by the Pod Security Standard of their namespace, and what those here do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wherry.app.benchmark.check import ELSEWHERE, Check, Verdict, away, either
from wherry.app.benchmark.facts import Facts, Object, World

ENFORCE = "pod-security.kubernetes.io/enforce"
LEVELS = ("privileged", "baseline", "restricted")
OURS = frozenset({"kube-system", "kube-public", "kube-node-lease"})
"""Namespaces of the cluster's own parts."""
Trait = Callable[[Object], bool]


def place(pod: Object) -> str:
    """namespace/name."""
    return f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"


def containers(pod: Object) -> Iterator[Mapping[str, Any]]:
    """Containers of every kind."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod["spec"].get(kind) or ()


def users(world: World) -> tuple[Object, ...]:
    """Pods that are not the cluster's own parts and not over."""
    return tuple(
        pod for pod in world.pods
        if pod["metadata"].get("namespace") not in OURS
        and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
    )  # fmt: skip


def spaces(world: World) -> tuple[Object, ...]:
    """Namespaces that are not the cluster's own."""
    return tuple(one for one in world.namespaces if one["metadata"]["name"] not in OURS)


def level(facts: Facts, namespace: Object) -> int:
    """Which standard is enforced in a namespace, as an index of LEVELS."""
    labels = namespace["metadata"].get("labels") or {}
    asked = labels.get(ENFORCE) or facts.config.pod_security.enforce.partition(":")[0]
    if namespace["metadata"]["name"] in facts.config.pod_security.exempt_namespaces:
        asked = "privileged"
    return LEVELS.index(asked) if asked in LEVELS else len(LEVELS) - 1


def security(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """A container's securityContext."""
    return container.get("securityContext") or {}


def _of_pod(field: str) -> Trait:
    return lambda pod: bool(pod["spec"].get(field))


def _any(trait: Callable[[Mapping[str, Any]], bool]) -> Trait:
    return lambda pod: any(map(trait, containers(pod)))


def _as_root(pod: Object) -> bool:
    whole = pod["spec"].get("securityContext") or {}
    return any(
        not one.get("runAsNonRoot", whole.get("runAsNonRoot")) and not one.get("runAsUser", whole.get("runAsUser"))
        for one in map(security, containers(pod))
    )


def _keeps(capability: str) -> Trait:
    def kept(container: Mapping[str, Any]) -> bool:
        named = security(container).get("capabilities") or {}
        dropped = {one.upper().removeprefix("CAP_") for one in named.get("drop") or ()}
        added = {one.upper().removeprefix("CAP_") for one in named.get("add") or ()}
        return bool(added & {"ALL", capability}) or not dropped & {"ALL", capability}

    return _any(kept)


def _adds(container: Mapping[str, Any]) -> bool:
    named = security(container).get("capabilities") or {}
    return bool(named.get("add")) or "ALL" not in (named.get("drop") or ())


def _host_process(pod: Object) -> bool:
    contexts = [pod["spec"].get("securityContext") or {}, *map(security, containers(pod))]
    return any((one.get("windowsOptions") or {}).get("hostProcess") for one in contexts)


def _host_path(pod: Object) -> bool:
    return any("hostPath" in volume for volume in pod["spec"].get("volumes") or ())


def _host_port(container: Mapping[str, Any]) -> bool:
    return any(port.get("hostPort") for port in container.get("ports") or ())


def _minimal(least: int, what: str, trait: Trait) -> Callable[[Facts], Verdict]:
    """Namespaces must enforce at least LEVELS[least], and no pod must have the trait."""

    def verdict(facts: Facts) -> Verdict:
        if facts.world is None:
            return away(ELSEWHERE)
        open_ = (
            f"namespace {one['metadata']['name']} lets it ({LEVELS[level(facts, one)]})"
            for one in spaces(facts.world) if level(facts, one) < least
        )  # fmt: skip
        pods = (f"pod {place(pod)} {what}" for pod in users(facts.world) if trait(pod))
        return either((*pods, *open_), f"no pod {what}, and every namespace is {LEVELS[least]} at least")

    return verdict


def _controlled(facts: Facts) -> Verdict:
    if facts.world is None:
        return away(ELSEWHERE)
    if facts.world.hooks:
        return either((), f"judging admission: {', '.join(one['metadata']['name'] for one in facts.world.hooks)}")
    return either(
        (f"namespace {one['metadata']['name']} is privileged" for one in spaces(facts.world) if not level(facts, one)),
        "every namespace enforces a Pod Security Standard",
    )


BASELINE = f"label the namespace {ENFORCE}=baseline, or `wherry up --pod-security-enforce baseline` for all"
RESTRICTED = f"label the namespace {ENFORCE}=restricted, or `wherry up --pod-security-enforce restricted` for all"
CHECKS: tuple[Check, ...] = (
    Check("5.2.1", "Something judges what pods may do", _controlled, BASELINE, person=True),
    Check("5.2.2", "No privileged containers",
          _minimal(1, "is privileged", _any(lambda one: bool(security(one).get("privileged")))), BASELINE, person=True),
    Check("5.2.3", "No processes of the node in sight", _minimal(1, "shares hostPID", _of_pod("hostPID")), BASELINE,
          person=True),
    Check("5.2.4", "No memory shared with the node", _minimal(1, "shares hostIPC", _of_pod("hostIPC")), BASELINE,
          person=True),
    Check("5.2.5", "No network of the node", _minimal(1, "shares hostNetwork", _of_pod("hostNetwork")), BASELINE,
          person=True),
    Check("5.2.6", "No process gains privileges",
          _minimal(2, "lets processes gain privileges",
                   _any(lambda one: security(one).get("allowPrivilegeEscalation") is not False)),
          RESTRICTED, person=True),
    Check("5.2.7", "Nothing runs as root", _minimal(2, "may run as root", _as_root), RESTRICTED, person=True),
    Check("5.2.8", "No raw packets", _minimal(2, "keeps NET_RAW", _keeps("NET_RAW")), RESTRICTED, person=True),
    Check("5.2.9", "No capabilities", _minimal(2, "has capabilities", _any(_adds)), RESTRICTED, person=True),
    Check("5.2.10", "No Windows containers of the host", _minimal(1, "is a HostProcess", _host_process), BASELINE,
          person=True),
    Check("5.2.11", "No folders of the node", _minimal(1, "mounts a hostPath", _host_path), BASELINE, person=True),
    Check("5.2.12", "No ports of the node", _minimal(1, "takes a hostPort", _any(_host_port)), BASELINE, person=True),
)  # fmt: skip
