"""Section 5.1: who may do what, from roles and bindings and what the API answers about them. Pure.

What every cluster has from its start (labelled kubernetes.io/bootstrapping) is not told again as far as it is for
parts of the system; whoever else is in such a binding is told, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wherry.app.benchmark.check import ELSEWHERE, Check, Verdict, away, either, of_world
from wherry.app.benchmark.facts import Facts, Object, World

BUILT_IN = "kubernetes.io/bootstrapping"
MASTERS = "system:masters"
READ = frozenset({"get", "list", "watch"})
PARTS = frozenset({("User", "system:kube-controller-manager"), ("User", "system:kube-scheduler")})
RBAC, ADMISSION = "rbac.authorization.k8s.io", "admissionregistration.k8s.io"
GROUPS = {
    "roles": RBAC, "clusterroles": RBAC, "certificatesigningrequests": "certificates.k8s.io",
    "validatingwebhookconfigurations": ADMISSION, "mutatingwebhookconfigurations": ADMISSION,
}  # fmt: skip
"""Of resources that are not in the core group."""
ALONE = "nobody beside the parts of the cluster"


def own(world: World) -> Iterator[tuple[Object, Object, tuple[Object, ...]]]:
    """(binding, role, subjects) of everything that somebody has made or added to."""
    cluster = {role["metadata"]["name"]: role for role in world.cluster_roles}
    local = {(role["metadata"]["namespace"], role["metadata"]["name"]): role for role in world.roles}
    for binding in (*world.cluster_bindings, *world.bindings):
        ref, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
        role = cluster.get(ref["name"]) if ref["kind"] == "ClusterRole" else local.get((namespace, ref["name"]))
        subjects = tuple(one for one in binding.get("subjects") or () if not _expected(binding, one))
        if role is not None and subjects:
            yield binding, role, subjects


def _built_in(one: Object) -> bool:
    return BUILT_IN in (one["metadata"].get("labels") or {})


def _expected(binding: Object, subject: Object) -> bool:
    """Whether this is a part of the system, or a group that the system itself puts users in."""
    if (subject["kind"], subject["name"]) in PARTS:
        return True
    part = str(subject["name"]).startswith("system:") or subject.get("namespace") == "kube-system"
    return part and _built_in(binding)


def holders(world: World, resource: str, verbs: Iterable[str]) -> Iterator[str]:
    """Who may do one of `verbs` to `resource` (`pods`, `nodes/proxy`), and by what."""
    wanted = frozenset(verbs)
    for binding, role, subjects in own(world):
        if any(_gives(rule, resource, wanted) for rule in role.get("rules") or ()):
            for subject in subjects:
                yield f"{_subject(subject)}, by {_place(binding)} to {binding['roleRef']['name']}"


def _gives(rule: Object, resource: str, verbs: frozenset[str]) -> bool:
    plural, slash, part = resource.partition("/")
    named = {"*", resource, *([f"*/{part}"] if slash else [])}
    return all((
        {"*", *verbs} & set(rule.get("verbs") or ()),
        {"*", GROUPS.get(plural, "")} & set(rule.get("apiGroups") or ()),
        named & set(rule.get("resources") or ()),
    ))  # fmt: skip


def _subject(subject: Object) -> str:
    namespace = subject.get("namespace", "")
    return f"{subject['kind']} {namespace}{'/' if namespace else ''}{subject['name']}"


def _place(binding: Object) -> str:
    meta = binding["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def _held(resource: str, *verbs: str) -> Callable[[Facts], Verdict]:
    return of_world(lambda world: either(holders(world, resource, verbs), ALONE))


def _administrators(world: World) -> Verdict:
    bound = [one for one in (*world.cluster_bindings, *world.bindings) if one["roleRef"]["name"] == "cluster-admin"]
    return either(
        (f"{_subject(subject)}, by {_place(one)}" for one in bound for subject in one.get("subjects") or ()
         if (subject["kind"], subject["name"]) != ("Group", MASTERS)),
        f"cluster-admin is for {MASTERS} alone",
    )  # fmt: skip


def _everybody(question: str, resource: str, *verbs: str) -> Callable[[Facts], Verdict]:
    """Nobody but the cluster's parts, and above all not everybody."""

    def verdict(facts: Facts) -> Verdict:
        if facts.plane is None or facts.world is None:
            return away(ELSEWHERE)
        asked = [f"{question}: yes"] if facts.plane.may.get(question, True) else []
        return either((*asked, *holders(facts.world, resource, verbs)), ALONE)

    return verdict


def _wildcards(world: World) -> Verdict:
    return either(
        (f"role {_place(role)}" for role in (*world.cluster_roles, *world.roles)
         if not _built_in(role) and role["metadata"]["name"] != "cluster-admin" and _wild(role)),
        "no role that was made here gives everything with *",
    )  # fmt: skip


def _wild(role: Object) -> bool:
    return any("*" in (rule.get(key) or ()) for rule in role.get("rules") or () for key in ("verbs", "resources"))


def _mounts(world: World, pod: Object) -> bool:
    """Whether a pod is given a token of its account."""
    asked = pod["spec"].get("automountServiceAccountToken")
    if asked is None:
        where = pod["metadata"].get("namespace", ""), pod["spec"].get("serviceAccountName", "default")
        accounts = {
            (one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in world.service_accounts
        }
        asked = accounts.get(where, {}).get("automountServiceAccountToken")
    return asked is not False


def _accounts(world: World) -> frozenset[tuple[str, str]]:
    """(namespace, name) of accounts to which something was bound."""
    subjects = (subject for _, _, subjects in own(world) for subject in subjects)
    return frozenset((one.get("namespace", ""), one["name"]) for one in subjects if one["kind"] == "ServiceAccount")


def _defaults(world: World) -> Verdict:
    bound = (
        f"rights are bound to {namespace}/default" for namespace, name in sorted(_accounts(world)) if name == "default"
    )
    used = (
        f"pod {_place(pod)} has a token of its namespace's default account" for pod in world.pods
        if pod["spec"].get("serviceAccountName", "default") == "default" and _mounts(world, pod)
    )  # fmt: skip
    return either((*bound, *used), "no pod has a token of a default account, and nothing is bound to one")


def _needless(world: World) -> Verdict:
    able = _accounts(world)
    return either(
        (f"pod {_place(pod)} has a token of an account without rights" for pod in world.pods
         if _mounts(world, pod)
         and (pod["metadata"].get("namespace", ""), pod["spec"].get("serviceAccountName", "default")) not in able),
        "every pod with a token has an account with rights",
    )  # fmt: skip


def _masters(world: World) -> Verdict:
    every = (one for one in (*world.cluster_bindings, *world.bindings) if one["metadata"]["name"] != "cluster-admin")
    return either(
        (f"{_place(one)} names {MASTERS}" for one in every for subject in one.get("subjects") or ()
         if subject["name"] == MASTERS),
        f"no binding but cluster-admin names {MASTERS}; <root>/server/admin.kubeconfig belongs to it",
    )  # fmt: skip


def _grow(world: World) -> Verdict:
    found = (
        *holders(world, "clusterroles", ("bind", "escalate")), *holders(world, "roles", ("bind", "escalate")),
        *holders(world, "users", ("impersonate",)), *holders(world, "groups", ("impersonate",)),
        *holders(world, "serviceaccounts", ("impersonate",)),
    )  # fmt: skip
    return either(dict.fromkeys(found), ALONE)


def _webhooks(world: World) -> Verdict:
    verbs = ("create", "update", "patch")
    kinds = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")
    return either(dict.fromkeys(one for kind in kinds for one in holders(world, kind, verbs)), ALONE)


NARROW = "bind a role that gives less, or remove the binding"
NO_TOKEN = "set automountServiceAccountToken: false on the account or the pod"
CHECKS: tuple[Check, ...] = (
    Check("5.1.1", "Few are administrators", of_world(_administrators), NARROW, person=True),
    Check("5.1.2", "Few read Secrets",
          _everybody("everybody who is known read Secrets", "secrets", *READ), NARROW, person=True),
    Check("5.1.3", "Roles say what they give", of_world(_wildcards), "name verbs and resources in the role",
          person=True),
    Check("5.1.4", "Few make pods", _everybody("everybody who is known make pods", "pods", "create"), NARROW,
          person=True),
    Check("5.1.5", "Default accounts are not used", of_world(_defaults),
          f"give the pod an account of its own; {NO_TOKEN}", person=True),
    Check("5.1.6", "Pods have tokens only where they need them", of_world(_needless), NO_TOKEN, person=True),
    Check("5.1.7", f"Nobody is in {MASTERS}", of_world(_masters),
          "keep admin.kubeconfig for emergencies, and let people in by roles", person=True),
    Check("5.1.8", "Few may give themselves rights", of_world(_grow), NARROW, person=True),
    Check("5.1.9", "Few make PersistentVolumes", _held("persistentvolumes", "create"), NARROW, person=True),
    Check("5.1.10", "Few reach nodes through the API", _held("nodes/proxy", "get", "create"), NARROW, person=True),
    Check("5.1.11", "Few approve certificates", _held("certificatesigningrequests/approval", "update", "patch"),
          NARROW, person=True),
    Check("5.1.12", "Few set webhooks", of_world(_webhooks), NARROW, person=True),
    Check("5.1.13", "Few make tokens of accounts", _held("serviceaccounts/token", "create"), NARROW, person=True),
)  # fmt: skip
