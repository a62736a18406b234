"""resource.k8s.io/v1 ResourceClaimTemplate: what the API adds to its schema (`wherry.api.types.resource`)."""

from __future__ import annotations

from wherry.api.checks import Errors, annotation_map, immutable, label_map
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import within
from wherry.api.resource.claim_defaults import default_spec, without_alpha
from wherry.api.resource.claim_validation import device_claim
from wherry.api.types.resource import ResourceClaimTemplate


def default(template: ResourceClaimTemplate) -> ResourceClaimTemplate:
    """As in the claims made from it."""
    return within(template, spec=lambda spec: within(spec, spec=default_spec))


def prepare(new: ResourceClaimTemplate, old: ResourceClaimTemplate | None) -> ResourceClaimTemplate:
    """No alpha fields."""
    return within(new, spec=lambda spec: within(spec, spec=without_alpha)) if old is None else new


def validate(new: ResourceClaimTemplate, old: ResourceClaimTemplate | None) -> Errors:
    """What it asks for is right, and stays."""
    if old is not None:
        yield from immutable("spec", new.spec, old.spec)
        return
    yield from label_map("spec.metadata.labels", new.spec.metadata.labels)
    yield from annotation_map("spec.metadata.annotations", new.spec.metadata.annotations)
    yield from device_claim("spec.spec.devices", new.spec.spec.devices)


RESOURCECLAIMTEMPLATE = declare(
    ResourceClaimTemplate, columns=(AGE,), default=default, prepare=prepare, validate=validate
)
