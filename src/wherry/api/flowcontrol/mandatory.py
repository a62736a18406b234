"""What priority and fairness cannot do without: the specs of `exempt` and `catch-all`, which nobody may change.

https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#mandatory-configuration-objects
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.api.types.flowcontrol import (
    ExemptPriorityLevelConfiguration,
    FlowDistinguisherMethod,
    FlowSchemaSpec,
    GroupSubject,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfigurationReference,
    PriorityLevelConfigurationSpec,
    ResourcePolicyRule,
    Subject,
)

EXEMPT = "exempt"
CATCH_ALL = "catch-all"
_ALL = ("*",)


def _everything(*groups: str) -> tuple[PolicyRulesWithSubjects, ...]:
    rule = ResourcePolicyRule(api_groups=_ALL, cluster_scope=True, namespaces=_ALL, resources=_ALL, verbs=_ALL)
    subjects = tuple(Subject(kind="Group", group=GroupSubject(name=group)) for group in groups)
    other = NonResourcePolicyRule(non_resource_urls=_ALL, verbs=_ALL)
    return (PolicyRulesWithSubjects(subjects=subjects, resource_rules=(rule,), non_resource_rules=(other,)),)


FLOW_SCHEMAS: Mapping[str, FlowSchemaSpec] = {
    EXEMPT: FlowSchemaSpec(
        matching_precedence=1,
        priority_level_configuration=PriorityLevelConfigurationReference(name=EXEMPT),
        rules=_everything("system:masters"),
    ),
    CATCH_ALL: FlowSchemaSpec(
        distinguisher_method=FlowDistinguisherMethod(type="ByUser"),
        matching_precedence=10000,
        priority_level_configuration=PriorityLevelConfigurationReference(name=CATCH_ALL),
        rules=_everything("system:unauthenticated", "system:authenticated"),
    ),
}

PRIORITY_LEVELS: Mapping[str, PriorityLevelConfigurationSpec] = {
    EXEMPT: PriorityLevelConfigurationSpec(
        type="Exempt", exempt=ExemptPriorityLevelConfiguration(nominal_concurrency_shares=0, lendable_percent=0)
    ),
    CATCH_ALL: PriorityLevelConfigurationSpec(
        type="Limited",
        limited=LimitedPriorityLevelConfiguration(
            nominal_concurrency_shares=5, lendable_percent=0, limit_response=LimitResponse(type="Reject")
        ),
    ),
}
