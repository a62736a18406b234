"""Validation of environment variables and of what may be read from the pod itself (downward API).

https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
"""

from __future__ import annotations

from collections.abc import Collection

from wherry.api.checks import Errors, label_name, named, no_backsteps, required_name, unsupported
from wherry.api.types.core import (
    ConfigMapKeySelector,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    FileKeySelector,
    ObjectFieldSelector,
    ResourceFieldSelector,
    SecretKeySelector,
)
from wherry.machinery.names import config_map_key, dns_label, dns_subdomain, relaxed_env_var_name
from wherry.machinery.quantity import Quantity, compare
from wherry.machinery.validation import invalid, required

ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")

_KNOWN_FIELDS = {*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SIZES_LISTED = ", ".join(_SIZES)
_SOURCES = ("config_map_key_ref", "field_ref", "file_key_ref", "resource_field_ref", "secret_key_ref")


def env(path: str, variables: tuple[EnvVar, ...]) -> Errors:
    """`env` of a container."""
    for index, variable in enumerate(variables):
        at = f"{path}[{index}]"
        yield from required_name(f"{at}.name", variable.name, relaxed_env_var_name)
        if variable.value_from is not None:
            yield from _value_from(f"{at}.valueFrom", variable, variable.value_from)


def _value_from(path: str, variable: EnvVar, source: EnvVarSource) -> Errors:
    if source.field_ref is not None:
        yield from field_ref(f"{path}.fieldRef", source.field_ref, ENV_FIELDS)
    if source.resource_field_ref is not None:
        yield from resource_ref(f"{path}.resourceFieldRef", source.resource_field_ref, in_volume=False)
    if source.config_map_key_ref is not None:
        yield from _key(f"{path}.configMapKeyRef", source.config_map_key_ref)
    if source.secret_key_ref is not None:
        yield from _key(f"{path}.secretKeyRef", source.secret_key_ref)
    if source.file_key_ref is not None:
        yield from _file_key(f"{path}.fileKeyRef", source.file_key_ref)
    count = sum(getattr(source, name) is not None for name in _SOURCES)
    if not count:
        yield invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        )
    elif variable.value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def env_from(path: str, sources: tuple[EnvFromSource, ...]) -> Errors:
    """`envFrom` of a container."""
    for index, source in enumerate(sources):
        at = f"{path}[{index}]"
        if source.prefix:
            yield from named(f"{at}.prefix", source.prefix, relaxed_env_var_name)
        if source.config_map_ref is not None:
            yield from required_name(f"{at}.configMapRef.name", source.config_map_ref.name, dns_subdomain)
        if source.secret_ref is not None:
            yield from required_name(f"{at}.secretRef.name", source.secret_ref.name, dns_subdomain)
        if source.config_map_ref is None and source.secret_ref is None:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif source.config_map_ref is not None and source.secret_ref is not None:
            yield invalid(path, "", "may not have more than one field specified at a time")


def _key(path: str, ref: ConfigMapKeySelector | SecretKeySelector) -> Errors:
    yield from named(f"{path}.name", ref.name, dns_subdomain)
    yield from required_name(f"{path}.key", ref.key, config_map_key)


def _file_key(path: str, ref: FileKeySelector) -> Errors:
    yield from required_name(f"{path}.key", ref.key, relaxed_env_var_name)
    yield from required_name(f"{path}.volumeName", ref.volume_name, dns_label)
    if ref.path:
        yield from no_backsteps(f"{path}.path", ref.path)
    else:
        yield required(f"{path}.path")


# --- Downward API ---


def field_ref(path: str, ref: ObjectFieldSelector, allowed: Collection[str]) -> Errors:
    """A field of the pod: one of `allowed`, or a single label or annotation."""
    if not ref.api_version:
        yield required(f"{path}.apiVersion")
        return
    if not ref.field_path:
        yield required(f"{path}.fieldPath")
        return
    base, key = split_subscript(ref.field_path)
    if ref.api_version != "v1":
        why = f"error converting fieldPath: unsupported pod version: {ref.api_version}"
        yield invalid(f"{path}.fieldPath", ref.field_path, why)
    elif key is not None:
        yield from _subscripted(path, base, key)
    elif base not in _KNOWN_FIELDS:
        why = f"error converting fieldPath: field label not supported: {ref.field_path}"
        yield invalid(f"{path}.fieldPath", ref.field_path, why)
    elif base not in allowed:
        yield unsupported(f"{path}.fieldPath", base, sorted(allowed))


def _subscripted(path: str, base: str, key: str) -> Errors:
    if base == "metadata.annotations":
        yield from label_name(path, key.lower())
    elif base == "metadata.labels":
        yield from label_name(path, key)
    else:
        whole = f"{base}['{key}']"
        why = f"error converting fieldPath: field label does not support subscript: {whole}"
        yield invalid(f"{path}.fieldPath", whole, why)


def split_subscript(field_path: str) -> tuple[str, str | None]:
    """`metadata.labels['app']` -> ("metadata.labels", "app"); without a subscript (path, None)."""
    base, bracket, rest = field_path.partition("['")
    if bracket and rest.endswith("']") and base:
        return base, rest[:-2]
    return field_path, None


def resource_ref(path: str, ref: ResourceFieldSelector, *, in_volume: bool) -> Errors:
    """An amount of a container; in a volume its name is needed."""
    if in_volume and not ref.container_name:
        yield required(f"{path}.containerName")
    elif not ref.resource:
        yield required(f"{path}.resource")
    elif ref.resource not in _RESOURCES and not ref.resource.startswith(_HUGE_PAGES):
        yield unsupported(f"{path}.resource", ref.resource, _RESOURCES)
    yield from _divisor(f"{path}.divisor", ref.resource, ref.divisor)


def _divisor(path: str, resource: str, divisor: Quantity | None) -> Errors:
    if divisor is None or not compare(divisor, "0"):
        return
    if resource.endswith(".cpu"):
        if divisor not in ("1m", "1"):
            yield invalid(path, resource, "only divisor's values 1m and 1 are supported with the cpu resource")
    elif divisor not in _SIZES:
        kind = _kind_of(resource)
        if kind:
            why = f"only divisor's values {_SIZES_LISTED} are supported with the {kind} resource"
            yield invalid(path, resource, why)


def _kind_of(resource: str) -> str:
    if resource.startswith(_HUGE_PAGES):
        return "hugepages"
    kinds = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
    return kinds.get(resource.partition(".")[2], "")
