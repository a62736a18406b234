"""Generated from the Kubernetes API schema by hack/generate_types.py: authorization. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import field

from wherry.api.types.meta import FieldSelectorRequirement
from wherry.machinery.meta import LabelSelectorRequirement, Model, Object, no, no_items, shown


class FieldSelectorAttributes(Model, frozen=True):
    """io.k8s.api.authorization.v1.FieldSelectorAttributes"""

    raw_selector: str = ""
    requirements: tuple[FieldSelectorRequirement, ...] = ()


class LabelSelectorAttributes(Model, frozen=True):
    """io.k8s.api.authorization.v1.LabelSelectorAttributes"""

    raw_selector: str = ""
    requirements: tuple[LabelSelectorRequirement, ...] = ()


class SubjectAccessReviewSpec(Model, frozen=True):
    """io.k8s.api.authorization.v1.SubjectAccessReviewSpec"""

    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    non_resource_attributes: NonResourceAttributes | None = None
    resource_attributes: ResourceAttributes | None = None
    uid: str = ""
    user: str = ""


class SubjectAccessReviewStatus(Model, frozen=True):
    """io.k8s.api.authorization.v1.SubjectAccessReviewStatus"""

    allowed: bool = field(default_factory=no)
    denied: bool = False
    evaluation_error: str = ""
    reason: str = ""


class NonResourceAttributes(Model, frozen=True):
    """io.k8s.api.authorization.v1.NonResourceAttributes"""

    path: str = ""
    verb: str = ""


class NonResourceRule(Model, frozen=True):
    """io.k8s.api.authorization.v1.NonResourceRule"""

    non_resource_urls: tuple[str, ...] = field(default=(), name="nonResourceURLs")
    verbs: tuple[str, ...] = field(default_factory=no_items)


class ResourceAttributes(Model, frozen=True):
    """io.k8s.api.authorization.v1.ResourceAttributes"""

    field_selector: FieldSelectorAttributes | None = None
    group: str = ""
    label_selector: LabelSelectorAttributes | None = None
    name: str = ""
    namespace: str = ""
    resource: str = ""
    subresource: str = ""
    verb: str = ""
    version: str = ""


class ResourceRule(Model, frozen=True):
    """io.k8s.api.authorization.v1.ResourceRule"""

    api_groups: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = field(default_factory=no_items)


class SelfSubjectAccessReviewSpec(Model, frozen=True):
    """io.k8s.api.authorization.v1.SelfSubjectAccessReviewSpec"""

    non_resource_attributes: NonResourceAttributes | None = None
    resource_attributes: ResourceAttributes | None = None


class SelfSubjectRulesReviewSpec(Model, frozen=True):
    """io.k8s.api.authorization.v1.SelfSubjectRulesReviewSpec"""

    namespace: str = ""


class SubjectRulesReviewStatus(Model, frozen=True):
    """io.k8s.api.authorization.v1.SubjectRulesReviewStatus"""

    evaluation_error: str = ""
    incomplete: bool = field(default_factory=no)
    non_resource_rules: tuple[NonResourceRule, ...] = field(default_factory=no_items)
    resource_rules: tuple[ResourceRule, ...] = field(default_factory=no_items)


class LocalSubjectAccessReview(Object, frozen=True):
    """io.k8s.api.authorization.v1.LocalSubjectAccessReview"""

    kind: str = field(default_factory=lambda: "LocalSubjectAccessReview")
    api_version: str = field(default_factory=lambda: "authorization.k8s.io/v1")
    spec: SubjectAccessReviewSpec = field(default_factory=shown(SubjectAccessReviewSpec))
    status: SubjectAccessReviewStatus = field(default_factory=shown(SubjectAccessReviewStatus))


class SubjectAccessReview(Object, frozen=True):
    """io.k8s.api.authorization.v1.SubjectAccessReview"""

    kind: str = field(default_factory=lambda: "SubjectAccessReview")
    api_version: str = field(default_factory=lambda: "authorization.k8s.io/v1")
    spec: SubjectAccessReviewSpec = field(default_factory=shown(SubjectAccessReviewSpec))
    status: SubjectAccessReviewStatus = field(default_factory=shown(SubjectAccessReviewStatus))


class SelfSubjectAccessReview(Object, frozen=True):
    """io.k8s.api.authorization.v1.SelfSubjectAccessReview"""

    kind: str = field(default_factory=lambda: "SelfSubjectAccessReview")
    api_version: str = field(default_factory=lambda: "authorization.k8s.io/v1")
    spec: SelfSubjectAccessReviewSpec = field(default_factory=shown(SelfSubjectAccessReviewSpec))
    status: SubjectAccessReviewStatus = field(default_factory=shown(SubjectAccessReviewStatus))


class SelfSubjectRulesReview(Object, frozen=True):
    """io.k8s.api.authorization.v1.SelfSubjectRulesReview"""

    kind: str = field(default_factory=lambda: "SelfSubjectRulesReview")
    api_version: str = field(default_factory=lambda: "authorization.k8s.io/v1")
    spec: SelfSubjectRulesReviewSpec = field(default_factory=shown(SelfSubjectRulesReviewSpec))
    status: SubjectRulesReviewStatus = field(default_factory=shown(SubjectRulesReviewStatus))
