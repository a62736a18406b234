"""Sections 5.3 to 5.6: networks, Secrets, images, namespaces. Pure."""

from __future__ import annotations

from collections import Counter

from wherry.app.benchmark.check import ELSEWHERE, Check, Verdict, away, bad, either, good, look, of_world
from wherry.app.benchmark.facts import Facts, Object, World
from wherry.app.benchmark.pods import containers, place, security, spaces, users

POLICY_TABLE = "ip wherry_policy"
SHIPPED = frozenset({("default", "kubernetes")})
"""Services that every cluster has."""


def _kept(facts: Facts) -> Verdict:
    if facts.world is None:
        return away(ELSEWHERE)
    if not facts.world.network_policies:
        return look("there is no NetworkPolicy: nothing is to be kept")
    return either(
        (f"{node.name}: there is no table {POLICY_TABLE}" for node in facts.nodes if POLICY_TABLE not in node.tables),
        f"{len(facts.world.network_policies)} NetworkPolicies; table {POLICY_TABLE} is on every node here",
    )


def _closed(world: World) -> Verdict:
    having = {one["metadata"]["namespace"] for one in world.network_policies}
    names = [one["metadata"]["name"] for one in spaces(world)]
    return either(
        (f"namespace {name} has no NetworkPolicy" for name in names if name not in having),
        f"with NetworkPolicies: {', '.join(names)}",
    )


def _in_variables(world: World) -> Verdict:
    return either(
        (f"pod {place(pod)} has a Secret in its environment" for pod in users(world) if _reads_secrets(pod)),
        "no pod has Secrets in its environment",
    )


def _reads_secrets(pod: Object) -> bool:
    return any(
        any("secretKeyRef" in (one.get("valueFrom") or {}) for one in container.get("env") or ())
        or any("secretRef" in one for one in container.get("envFrom") or ())
        for container in containers(pod)
    )


def _external(world: World) -> Verdict:
    kinds = Counter(kind or "Opaque" for _, kind in world.secrets)
    return look("kept in this cluster: " + (", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "no Secrets"))


def _provenance(world: World) -> Verdict:
    found = [one["metadata"]["name"] for one in world.hooks]
    return good(f"judging admission: {', '.join(found)}") if found else bad("nothing judges images before they run")


def _boundaries(world: World) -> Verdict:
    count = Counter(pod["metadata"].get("namespace", "") for pod in users(world))
    return look(
        *(f"namespace {one['metadata']['name']}: {count[one['metadata']['name']]} pods" for one in spaces(world))
    )


def _profiles(world: World) -> Verdict:
    return either(
        (f"pod {place(pod)} asks for no seccomp profile" for pod in users(world) if not _profiled(pod)),
        "every pod asks for a seccomp profile",
    )


def _profiled(pod: Object) -> bool:
    whole = pod["spec"].get("securityContext") or {}
    profiles = [one.get("seccompProfile", whole.get("seccompProfile")) or {} for one in map(security, containers(pod))]
    return all(one.get("type") in ("RuntimeDefault", "Localhost") for one in profiles)


def _contexts(world: World) -> Verdict:
    return either(
        (f"pod {place(pod)}: a container without securityContext" for pod in users(world)
         if not all(map(security, containers(pod)))),
        "every container has a securityContext",
    )  # fmt: skip


def _default_unused(world: World) -> Verdict:
    pods = (f"pod {place(pod)}" for pod in users(world) if pod["metadata"].get("namespace") == "default")
    services = (
        f"Service {place(one)}" for one in world.services
        if one["metadata"].get("namespace") == "default" and ("default", one["metadata"]["name"]) not in SHIPPED
    )  # fmt: skip
    return either((*pods, *services), "nothing runs in the namespace default")


CHECKS: tuple[Check, ...] = (
    Check("5.3.1", "NetworkPolicies are kept",
          _kept, "agents put packet rules back within seconds; see `wherry logs`", person=True),
    Check("5.3.2", "Every namespace has NetworkPolicies", of_world(_closed),
          "begin with one that lets nothing in (docs/network-policies.md)", person=True),
    Check("5.4.1", "Secrets are files, not variables", of_world(_in_variables), "mount the Secret as a volume",
          person=True),
    Check("5.4.2", "Secrets may be kept elsewhere", of_world(_external),
          "decide whether a store of its own should keep them", person=True),
    Check("5.5.1", "Images are judged before they run", of_world(_provenance),
          "a validating webhook or a ValidatingAdmissionPolicy may ask for registries or signatures", person=True),
    Check("5.6.1", "Namespaces part what does not belong together", of_world(_boundaries),
          "give teams and applications namespaces of their own", person=True),
    Check("5.6.2", "Pods ask for a seccomp profile", of_world(_profiles),
          "securityContext.seccompProfile.type: RuntimeDefault", person=True),
    Check("5.6.3", "Containers say what they may do", of_world(_contexts), "set securityContext", person=True),
    Check("5.6.4", "The namespace default is not used", of_world(_default_unused),
          "move what runs there to namespaces of its own", person=True),
)  # fmt: skip
