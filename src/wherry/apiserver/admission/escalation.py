"""RBAC escalation: nobody grants what they do not have, unless they may `escalate` or `bind`.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from wherry.api.types.rbac import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.authn.user import MASTERS
from wherry.apiserver.authz.rules import Attributes, show, uncovered
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_GROUP = "rbac.authorization.k8s.io"
_EVERYTHING = (
    PolicyRule(verbs=("*",), api_groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), non_resource_urls=("*",)),
)


def _role(api: Api, ctx: Context[Any], role: Role | ClusterRole, old: Role | ClusterRole | None) -> None:
    if MASTERS in ctx.user.groups or _may(api, ctx, "escalate", ctx.resource.plural, ctx.name):
        return
    if isinstance(role, ClusterRole) and role.aggregation_rule is not None:
        before = old.aggregation_rule if isinstance(old, ClusterRole) else None
        if role.aggregation_rule != before:
            _require(api, ctx, _EVERYTHING)
    if old is None or role.rules != old.rules:
        _require(api, ctx, role.rules)


def _binding(
    api: Api, ctx: Context[Any], binding: RoleBinding | ClusterRoleBinding,
    old: RoleBinding | ClusterRoleBinding | None,
) -> None:  # fmt: skip
    if MASTERS in ctx.user.groups:
        return
    if old is not None and binding.subjects == old.subjects and binding.role_ref == old.role_ref:
        return
    ref = binding.role_ref
    if _may(api, ctx, "bind", "roles" if ref.kind == "Role" else "clusterroles", ref.name):
        return
    _require(api, ctx, api.authorizer.rbac.rules_of(ref, ctx.namespace))


def _may(api: Api, ctx: Context[Any], verb: str, plural: str, name: str) -> bool:
    asked = Attributes(ctx.user, verb, _GROUP, plural, namespace=ctx.namespace, name=name)
    return api.authorizer.allowed(asked)


def _require(api: Api, ctx: Context[Any], wanted: Iterable[PolicyRule]) -> None:
    held = tuple(api.authorizer.rbac.rules_for(ctx.user, ctx.namespace))
    missing = uncovered(held, wanted)
    if missing:
        groups = " ".join(f'"{group}"' for group in ctx.user.groups)
        listed = "\n".join(sorted({show(rule) for rule in missing}))
        raise forbidden(
            ctx,
            f'user "{ctx.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently '
            f"held:\n{listed}",
        )


PLUGINS = (
    Plugin("RoleEscalation", validate=_role, resources=frozenset({f"roles.{_GROUP}", f"clusterroles.{_GROUP}"})),
    Plugin(
        "BindingEscalation",
        validate=_binding,
        resources=frozenset({f"rolebindings.{_GROUP}", f"clusterrolebindings.{_GROUP}"}),
    ),
)
