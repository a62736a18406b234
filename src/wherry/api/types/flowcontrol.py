"""Generated from the Kubernetes API schema by hack/generate_types.py: flowcontrol. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Model, Object, empty_text, no_items, no_time, shown, zero
from wherry.machinery.time import Time


class ExemptPriorityLevelConfiguration(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.ExemptPriorityLevelConfiguration"""

    lendable_percent: int | None = None
    nominal_concurrency_shares: int | None = None


class FlowDistinguisherMethod(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.FlowDistinguisherMethod"""

    type: str = field(default_factory=empty_text)


class FlowSchemaStatus(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.FlowSchemaStatus"""

    conditions: tuple[FlowSchemaCondition, ...] = ()


class FlowSchemaCondition(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.FlowSchemaCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class PriorityLevelConfigurationReference(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationReference"""

    name: str = field(default_factory=empty_text)


class GroupSubject(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.GroupSubject"""

    name: str = field(default_factory=empty_text)


class LimitResponse(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.LimitResponse"""

    queuing: QueuingConfiguration | None = None
    type: str = field(default_factory=empty_text)


class NonResourcePolicyRule(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.NonResourcePolicyRule"""

    non_resource_urls: tuple[str, ...] = field(default_factory=no_items, name="nonResourceURLs")
    verbs: tuple[str, ...] = field(default_factory=no_items)


class PolicyRulesWithSubjects(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.PolicyRulesWithSubjects"""

    non_resource_rules: tuple[NonResourcePolicyRule, ...] = ()
    resource_rules: tuple[ResourcePolicyRule, ...] = ()
    subjects: tuple[Subject, ...] = field(default_factory=no_items)


class PriorityLevelConfigurationSpec(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec"""

    exempt: ExemptPriorityLevelConfiguration | None = None
    limited: LimitedPriorityLevelConfiguration | None = None
    type: str = field(default_factory=empty_text)


class PriorityLevelConfigurationStatus(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationStatus"""

    conditions: tuple[PriorityLevelConfigurationCondition, ...] = ()


class PriorityLevelConfigurationCondition(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class QueuingConfiguration(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.QueuingConfiguration"""

    hand_size: int = field(default_factory=zero)
    queue_length_limit: int = field(default_factory=zero)
    queues: int = field(default_factory=zero)


class ResourcePolicyRule(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.ResourcePolicyRule"""

    api_groups: tuple[str, ...] = field(default_factory=no_items)
    cluster_scope: bool = False
    namespaces: tuple[str, ...] = field(default_factory=no_items)
    resources: tuple[str, ...] = field(default_factory=no_items)
    verbs: tuple[str, ...] = field(default_factory=no_items)


class ServiceAccountSubject(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.ServiceAccountSubject"""

    name: str = field(default_factory=empty_text)
    namespace: str = field(default_factory=empty_text)


class Subject(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.Subject"""

    group: GroupSubject | None = None
    kind: str = field(default_factory=empty_text)
    service_account: ServiceAccountSubject | None = None
    user: UserSubject | None = None


class UserSubject(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.UserSubject"""

    name: str = field(default_factory=empty_text)


class FlowSchemaSpec(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.FlowSchemaSpec"""

    distinguisher_method: FlowDistinguisherMethod | None = None
    matching_precedence: int = field(default_factory=zero)
    priority_level_configuration: PriorityLevelConfigurationReference = field(
        default_factory=shown(PriorityLevelConfigurationReference)
    )
    rules: tuple[PolicyRulesWithSubjects, ...] = ()


class LimitedPriorityLevelConfiguration(Model, frozen=True):
    """io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration"""

    borrowing_limit_percent: int | None = None
    lendable_percent: int | None = None
    limit_response: LimitResponse = field(default_factory=shown(LimitResponse))
    nominal_concurrency_shares: int | None = None


class PriorityLevelConfiguration(Object, frozen=True):
    """io.k8s.api.flowcontrol.v1.PriorityLevelConfiguration"""

    kind: str = field(default_factory=lambda: "PriorityLevelConfiguration")
    api_version: str = field(default_factory=lambda: "flowcontrol.apiserver.k8s.io/v1")
    spec: PriorityLevelConfigurationSpec = field(default_factory=shown(PriorityLevelConfigurationSpec))
    status: PriorityLevelConfigurationStatus = field(default_factory=shown(PriorityLevelConfigurationStatus))


class FlowSchema(Object, frozen=True):
    """io.k8s.api.flowcontrol.v1.FlowSchema"""

    kind: str = field(default_factory=lambda: "FlowSchema")
    api_version: str = field(default_factory=lambda: "flowcontrol.apiserver.k8s.io/v1")
    spec: FlowSchemaSpec = field(default_factory=shown(FlowSchemaSpec))
    status: FlowSchemaStatus = field(default_factory=shown(FlowSchemaStatus))
