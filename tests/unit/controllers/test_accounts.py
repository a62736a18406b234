"""Every controller's account is the one that upstream's role is bound to, or one of wherry's own."""

from __future__ import annotations

from wherry.api.types.rbac import ClusterRoleBinding, RoleBinding
from wherry.apiserver.bootstrap import rbac_objects
from wherry.controllers import accounts
from wherry.controllers.accounts import NAMESPACE, account_of
from wherry.controllers.registry import controllers
from wherry.controllers.settings import Settings

ALL = [controller.name for controller in controllers(Settings(ca="PEM"))]
ROLE = "system:controller:"
OWN = {"wherry-gateway", "wherry-ingress", "wherry-local-storage", "wherry-service-addresses"}
"""Of what upstream has no controller for, or does in its API server."""


def test_accounts_are_those_that_roles_are_bound_to() -> None:
    bound = {
        (subject.namespace, subject.name): binding.role_ref.name
        for _, binding in rbac_objects()
        if isinstance(binding, (ClusterRoleBinding, RoleBinding)) and binding.role_ref.name.startswith(ROLE)
        for subject in binding.subjects
        if subject.kind == "ServiceAccount"
    }
    for name in ALL:
        account = account_of(name)
        if account not in OWN:
            assert bound[NAMESPACE, account] == f"{ROLE}{account}", name


def test_every_name_given_is_a_controllers() -> None:
    assert set(accounts._NAMES) <= set(ALL)
    assert {account_of(name) for name in ALL} >= OWN
