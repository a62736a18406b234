"""resource.k8s.io/v1 DeviceClass: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.columns import AGE
from wherry.api.core.resource_validation import is_extended
from wherry.api.declare import declare
from wherry.api.resource.claim_validation import MAX_CONFIG, opaque
from wherry.api.resource.name_validation import each
from wherry.api.resource.selector_validation import selectors
from wherry.api.types.resource import DeviceClass
from wherry.machinery.names import label_key
from wherry.machinery.validation import invalid


def validate(new: DeviceClass, old: DeviceClass | None) -> Errors:
    """Selectors, configuration for drivers, and perhaps a name under which containers may ask for such a device."""
    spec = new.spec
    if old is None or old.spec.selectors != spec.selectors:
        yield from selectors("spec.selectors", spec.selectors)
    yield from each("spec.config", spec.config, MAX_CONFIG, lambda at, own: opaque(f"{at}.opaque", own.opaque))
    if spec.extended_resource_name is not None and not is_extended(spec.extended_resource_name):
        yield from _extended("spec.extendedResourceName", spec.extended_resource_name)


def _extended(path: str, name: str) -> Errors:
    if "/" not in name:
        yield invalid(path, name, "a name must be a domain-prefixed path, such as 'example.com/my-prop'")
    elif "kubernetes.io/" in name:
        yield invalid(path, name, 'must not have "kubernetes.io/" domain')
    if name.startswith("requests."):
        yield invalid(path, name, 'must not have "requests." prefix')
    for problem in label_key(f"requests.{name}"):
        yield invalid(path, name, problem)


DEVICECLASS = declare(DeviceClass, columns=(AGE,), validate=validate)
