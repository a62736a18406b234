"""Generated from the Kubernetes API schema by hack/generate_types.py: admissionregistration. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Condition, LabelSelector, Model, Object, empty_text, no_items, shown


class ApplyConfiguration(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ApplyConfiguration"""

    expression: str = ""


class AuditAnnotation(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.AuditAnnotation"""

    key: str = field(default_factory=empty_text)
    value_expression: str = field(default_factory=empty_text)


class ExpressionWarning(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ExpressionWarning"""

    field_ref: str = field(default_factory=empty_text)
    warning: str = field(default_factory=empty_text)


class JSONPatch(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.JSONPatch"""

    expression: str = ""


class MatchCondition(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.MatchCondition"""

    expression: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class MatchResources(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.MatchResources"""

    exclude_resource_rules: tuple[NamedRuleWithOperations, ...] = ()
    match_policy: str | None = None
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    resource_rules: tuple[NamedRuleWithOperations, ...] = ()


class MutatingAdmissionPolicySpec(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicySpec"""

    failure_policy: str | None = None
    match_conditions: tuple[MatchCondition, ...] = ()
    match_constraints: MatchResources | None = None
    mutations: tuple[Mutation, ...] = ()
    param_kind: ParamKind | None = None
    reinvocation_policy: str = ""
    variables: tuple[Variable, ...] = ()


class MutatingAdmissionPolicyBindingSpec(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBindingSpec"""

    match_resources: MatchResources | None = None
    param_ref: ParamRef | None = None
    policy_name: str = ""


class WebhookClientConfig(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.WebhookClientConfig"""

    ca_bundle: bytes | None = None
    service: ServiceReference | None = None
    url: str | None = None


class MutatingWebhookConfiguration(Object, frozen=True):
    """io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration"""

    kind: str = field(default_factory=lambda: "MutatingWebhookConfiguration")
    api_version: str = field(default_factory=lambda: "admissionregistration.k8s.io/v1")
    webhooks: tuple[MutatingWebhook, ...] = ()


class Mutation(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.Mutation"""

    apply_configuration: ApplyConfiguration | None = None
    json_patch: JSONPatch | None = None
    patch_type: str = field(default_factory=empty_text)


class NamedRuleWithOperations(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.NamedRuleWithOperations"""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str | None = None


class ParamKind(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ParamKind"""

    api_version: str = ""
    kind: str = ""


class ParamRef(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ParamRef"""

    name: str = ""
    namespace: str = ""
    parameter_not_found_action: str | None = None
    selector: LabelSelector | None = None


class RuleWithOperations(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.RuleWithOperations"""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str | None = None


class ServiceReference(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ServiceReference"""

    name: str = field(default_factory=empty_text)
    namespace: str = field(default_factory=empty_text)
    path: str | None = None
    port: int | None = None


class TypeChecking(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.TypeChecking"""

    expression_warnings: tuple[ExpressionWarning, ...] = ()


class ValidatingAdmissionPolicySpec(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicySpec"""

    audit_annotations: tuple[AuditAnnotation, ...] = ()
    failure_policy: str | None = None
    match_conditions: tuple[MatchCondition, ...] = ()
    match_constraints: MatchResources | None = None
    param_kind: ParamKind | None = None
    validations: tuple[Validation, ...] = ()
    variables: tuple[Variable, ...] = ()


class ValidatingAdmissionPolicyStatus(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyStatus"""

    conditions: tuple[Condition, ...] = ()
    observed_generation: int = 0
    type_checking: TypeChecking | None = None


class ValidatingAdmissionPolicyBindingSpec(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec"""

    match_resources: MatchResources | None = None
    param_ref: ParamRef | None = None
    policy_name: str = ""
    validation_actions: tuple[str, ...] = ()


class ValidatingWebhookConfiguration(Object, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration"""

    kind: str = field(default_factory=lambda: "ValidatingWebhookConfiguration")
    api_version: str = field(default_factory=lambda: "admissionregistration.k8s.io/v1")
    webhooks: tuple[ValidatingWebhook, ...] = ()


class Validation(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.Validation"""

    expression: str = field(default_factory=empty_text)
    message: str = ""
    message_expression: str = ""
    reason: str | None = None


class Variable(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.Variable"""

    expression: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)


class MutatingAdmissionPolicy(Object, frozen=True):
    """io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicy"""

    kind: str = field(default_factory=lambda: "MutatingAdmissionPolicy")
    api_version: str = field(default_factory=lambda: "admissionregistration.k8s.io/v1")
    spec: MutatingAdmissionPolicySpec = field(default_factory=shown(MutatingAdmissionPolicySpec))


class MutatingAdmissionPolicyBinding(Object, frozen=True):
    """io.k8s.api.admissionregistration.v1.MutatingAdmissionPolicyBinding"""

    kind: str = field(default_factory=lambda: "MutatingAdmissionPolicyBinding")
    api_version: str = field(default_factory=lambda: "admissionregistration.k8s.io/v1")
    spec: MutatingAdmissionPolicyBindingSpec = field(default_factory=shown(MutatingAdmissionPolicyBindingSpec))


class MutatingWebhook(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.MutatingWebhook"""

    admission_review_versions: tuple[str, ...] = field(default_factory=no_items)
    client_config: WebhookClientConfig = field(default_factory=shown(WebhookClientConfig))
    failure_policy: str | None = None
    match_conditions: tuple[MatchCondition, ...] = ()
    match_policy: str | None = None
    name: str = field(default_factory=empty_text)
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    reinvocation_policy: str | None = None
    rules: tuple[RuleWithOperations, ...] = ()
    side_effects: str | None = None
    timeout_seconds: int | None = None


class ValidatingWebhook(Model, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingWebhook"""

    admission_review_versions: tuple[str, ...] = field(default_factory=no_items)
    client_config: WebhookClientConfig = field(default_factory=shown(WebhookClientConfig))
    failure_policy: str | None = None
    match_conditions: tuple[MatchCondition, ...] = ()
    match_policy: str | None = None
    name: str = field(default_factory=empty_text)
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    rules: tuple[RuleWithOperations, ...] = ()
    side_effects: str | None = None
    timeout_seconds: int | None = None


class ValidatingAdmissionPolicy(Object, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy"""

    kind: str = field(default_factory=lambda: "ValidatingAdmissionPolicy")
    api_version: str = field(default_factory=lambda: "admissionregistration.k8s.io/v1")
    spec: ValidatingAdmissionPolicySpec = field(default_factory=shown(ValidatingAdmissionPolicySpec))
    status: ValidatingAdmissionPolicyStatus = field(default_factory=shown(ValidatingAdmissionPolicyStatus))


class ValidatingAdmissionPolicyBinding(Object, frozen=True):
    """io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding"""

    kind: str = field(default_factory=lambda: "ValidatingAdmissionPolicyBinding")
    api_version: str = field(default_factory=lambda: "admissionregistration.k8s.io/v1")
    spec: ValidatingAdmissionPolicyBindingSpec = field(default_factory=shown(ValidatingAdmissionPolicyBindingSpec))
