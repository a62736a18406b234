"""Generated from the Kubernetes API schema by hack/generate_types.py: apiextensions. Do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import field

from wherry.machinery.meta import Model, Object, empty_text, no, no_items, no_time, shown
from wherry.machinery.time import Time


class CustomResourceColumnDefinition(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition"""

    description: str = ""
    format: str = ""
    json_path: str = field(default_factory=empty_text)
    name: str = field(default_factory=empty_text)
    priority: int = 0
    type: str = field(default_factory=empty_text)


class CustomResourceConversion(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceConversion"""

    strategy: str = field(default_factory=empty_text)
    webhook: WebhookConversion | None = None


class CustomResourceDefinitionCondition(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionCondition"""

    last_transition_time: Time | None = field(default_factory=no_time)
    message: str = ""
    observed_generation: int = 0
    reason: str = ""
    status: str = field(default_factory=empty_text)
    type: str = field(default_factory=empty_text)


class CustomResourceDefinitionNames(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionNames"""

    categories: tuple[str, ...] = ()
    kind: str = field(default_factory=empty_text)
    list_kind: str = ""
    plural: str = field(default_factory=empty_text)
    short_names: tuple[str, ...] = ()
    singular: str = ""


class CustomResourceDefinitionVersion(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion"""

    additional_printer_columns: tuple[CustomResourceColumnDefinition, ...] = ()
    deprecated: bool = False
    deprecation_warning: str | None = None
    name: str = field(default_factory=empty_text)
    schema: CustomResourceValidation | None = None
    selectable_fields: tuple[SelectableField, ...] = ()
    served: bool = field(default_factory=no)
    storage: bool = field(default_factory=no)
    subresources: CustomResourceSubresources | None = None


class CustomResourceSubresourceScale(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceScale"""

    label_selector_path: str | None = None
    spec_replicas_path: str = field(default_factory=empty_text)
    status_replicas_path: str = field(default_factory=empty_text)


class CustomResourceSubresourceStatus(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresourceStatus"""


class CustomResourceSubresources(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresources"""

    scale: CustomResourceSubresourceScale | None = None
    status: CustomResourceSubresourceStatus | None = None


class CustomResourceValidation(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceValidation"""

    open_apiv3_schema: JSONSchemaProps | None = field(default=None, name="openAPIV3Schema")


class ExternalDocumentation(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation"""

    description: str = ""
    url: str = ""


class JSONSchemaProps(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"""

    ref: str | None = field(default=None, name="$ref")
    schema: str = field(default="", name="$schema")
    additional_items: Any = None
    additional_properties: Any = None
    all_of: tuple[JSONSchemaProps, ...] = ()
    any_of: tuple[JSONSchemaProps, ...] = ()
    default: Any = None
    definitions: Mapping[str, JSONSchemaProps] = field(default_factory=dict)
    dependencies: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    enum: tuple[Any, ...] = ()
    example: Any = None
    exclusive_maximum: bool = False
    exclusive_minimum: bool = False
    external_docs: ExternalDocumentation | None = None
    format: str = ""
    id: str = ""
    items: Any = None
    max_items: int | None = None
    max_length: int | None = None
    max_properties: int | None = None
    maximum: float | None = None
    min_items: int | None = None
    min_length: int | None = None
    min_properties: int | None = None
    minimum: float | None = None
    multiple_of: float | None = None
    not_: JSONSchemaProps | None = None
    nullable: bool = False
    one_of: tuple[JSONSchemaProps, ...] = ()
    pattern: str = ""
    pattern_properties: Mapping[str, JSONSchemaProps] = field(default_factory=dict)
    properties: Mapping[str, JSONSchemaProps] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    title: str = ""
    type: str = ""
    unique_items: bool = False
    x_kubernetes_embedded_resource: bool = field(default=False, name="x-kubernetes-embedded-resource")
    x_kubernetes_int_or_string: bool = field(default=False, name="x-kubernetes-int-or-string")
    x_kubernetes_list_map_keys: tuple[str, ...] = field(default=(), name="x-kubernetes-list-map-keys")
    x_kubernetes_list_type: str | None = field(default=None, name="x-kubernetes-list-type")
    x_kubernetes_map_type: str | None = field(default=None, name="x-kubernetes-map-type")
    x_kubernetes_preserve_unknown_fields: bool | None = field(default=None, name="x-kubernetes-preserve-unknown-fields")
    x_kubernetes_validations: tuple[ValidationRule, ...] = field(default=(), name="x-kubernetes-validations")


class SelectableField(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.SelectableField"""

    json_path: str = field(default_factory=empty_text)


class ServiceReference(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference"""

    name: str = field(default_factory=empty_text)
    namespace: str = field(default_factory=empty_text)
    path: str | None = None
    port: int | None = None


class ValidationRule(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ValidationRule"""

    field_path: str = ""
    message: str = ""
    message_expression: str = ""
    optional_old_self: bool | None = None
    reason: str | None = None
    rule: str = field(default_factory=empty_text)


class WebhookClientConfig(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookClientConfig"""

    ca_bundle: bytes | None = None
    service: ServiceReference | None = None
    url: str | None = None


class WebhookConversion(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.WebhookConversion"""

    client_config: WebhookClientConfig | None = None
    conversion_review_versions: tuple[str, ...] = field(default_factory=no_items)


class CustomResourceDefinitionSpec(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec"""

    conversion: CustomResourceConversion | None = None
    group: str = field(default_factory=empty_text)
    names: CustomResourceDefinitionNames = field(default_factory=shown(CustomResourceDefinitionNames))
    preserve_unknown_fields: bool = False
    scope: str = field(default_factory=empty_text)
    versions: tuple[CustomResourceDefinitionVersion, ...] = field(default_factory=no_items)


class CustomResourceDefinitionStatus(Model, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus"""

    accepted_names: CustomResourceDefinitionNames = field(default_factory=shown(CustomResourceDefinitionNames))
    conditions: tuple[CustomResourceDefinitionCondition, ...] = field(default_factory=no_items)
    observed_generation: int = 0
    stored_versions: tuple[str, ...] = field(default_factory=no_items)


class CustomResourceDefinition(Object, frozen=True):
    """io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"""

    kind: str = field(default_factory=lambda: "CustomResourceDefinition")
    api_version: str = field(default_factory=lambda: "apiextensions.k8s.io/v1")
    spec: CustomResourceDefinitionSpec = field(default_factory=shown(CustomResourceDefinitionSpec))
    status: CustomResourceDefinitionStatus = field(default_factory=shown(CustomResourceDefinitionStatus))
