"""rbac.authorization.k8s.io/v1 ClusterRole: what the API adds to its schema (`wherry.api.types.rbac`)."""

from __future__ import annotations

from wherry.api.checks import Errors, selector
from wherry.api.declare import declare
from wherry.api.rbac.rules import check_rules
from wherry.api.types.rbac import ClusterRole
from wherry.machinery.validation import required


def validate(new: ClusterRole, old: ClusterRole | None) -> Errors:
    """Rules that allow something."""
    yield from check_rules(new.rules, namespaced=False)
    aggregation = new.aggregation_rule
    if aggregation is None:
        return
    at = "aggregationRule.clusterRoleSelectors"
    if not aggregation.cluster_role_selectors:
        yield required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for index, own in enumerate(aggregation.cluster_role_selectors):
        yield from selector(f"{at}[{index}]", own)


CLUSTERROLE = declare(ClusterRole, validate=validate)
