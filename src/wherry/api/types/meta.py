"""Generated from the Kubernetes API schema by hack/generate_types.py: meta. Do not edit."""

from __future__ import annotations

from msgspec import field

from wherry.machinery.meta import Model, empty_text


class FieldSelectorRequirement(Model, frozen=True):
    """io.k8s.apimachinery.pkg.apis.meta.v1.FieldSelectorRequirement"""

    key: str = field(default_factory=empty_text)
    operator: str = field(default_factory=empty_text)
    values: tuple[str, ...] = ()


class GroupResource(Model, frozen=True):
    """io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource"""

    group: str = field(default_factory=empty_text)
    resource: str = field(default_factory=empty_text)
