"""networking.k8s.io/v1 IngressClass: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.networking import IngressClass
from wherry.machinery.resource import Column

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def _name(cls: IngressClass, _: float) -> str:
    default = cls.metadata.annotations.get(DEFAULT_ANNOTATION) == "true"
    return f"{cls.metadata.name} (default)" if default else cls.metadata.name


def _parameters(cls: IngressClass, _: float) -> str:
    to = cls.spec.parameters
    if to is None:
        return "<none>"
    return f"{to.kind}/{to.name}" if to.api_group is None else f"{to.kind}.{to.api_group}/{to.name}"


COLUMNS: tuple[Column[IngressClass], ...] = (
    Column("Name", _name, format="name"),
    Column("Controller", lambda c, _: c.spec.controller),
    Column("Parameters", _parameters),
    AGE,
)


def default(cls: IngressClass) -> IngressClass:
    """Parameters are cluster-scoped."""
    return within(cls, spec=lambda spec: within(spec, parameters=lambda to: fill(to, scope="Cluster")))


INGRESSCLASS = declare(IngressClass, columns=COLUMNS, default=default)
