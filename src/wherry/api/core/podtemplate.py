"""v1 PodTemplate: what the API adds to its schema (`wherry.api.types.core`)."""

from __future__ import annotations

from wherry.api.checks import Errors
from wherry.api.columns import container_images, container_names
from wherry.api.core.podspec_defaults import default_template
from wherry.api.core.template_validation import template as check_template
from wherry.api.declare import declare
from wherry.api.defaulting import within
from wherry.api.types.core import PodTemplate
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels

COLUMNS: tuple[Column[PodTemplate], ...] = (
    Column("Containers", lambda t, _: container_names(t.template.spec.containers)),
    Column("Images", lambda t, _: container_images(t.template.spec.containers)),
    Column("Pod Labels", lambda t, _: format_labels(t.template.metadata.labels)),
)


def default(obj: PodTemplate) -> PodTemplate:
    """The template's own defaults."""
    return within(obj, template=default_template)


def validate(new: PodTemplate, old: PodTemplate | None) -> Errors:
    """The template's own rules."""
    return check_template("template", new.template)


PODTEMPLATE = declare(PodTemplate, columns=COLUMNS, default=default, validate=validate)
