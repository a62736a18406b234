"""networking.k8s.io/v1 IngressClass: what the API adds to its schema (`wherry.api.types.networking`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, named, required_name, unsupported
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import within
from wherry.api.networking.ingress_validation import CLASS_ANNOTATION
from wherry.api.types.networking import Ingress, IngressClass, IngressClassParametersReference
from wherry.machinery.names import dns_subdomain, path_segment
from wherry.machinery.resource import Column
from wherry.machinery.validation import forbidden, invalid, required, too_long

MAX_CONTROLLER = 250
CONTROLLER = "wherry.dev/ingress"
"""Whose IngressClasses wherry serves itself."""
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"


def served(ingress: Ingress, classes: Mapping[str, IngressClass]) -> bool:
    """Whether this Ingress is wherry's to serve: by its class, or because it names none and that is usual."""
    return bool(all_served((ingress,), classes))


def all_served(ingresses: Iterable[Ingress], classes: Mapping[str, IngressClass]) -> list[Ingress]:
    """Those that are."""
    ours = {name for name, one in classes.items() if one.spec.controller == CONTROLLER}
    usual = any(classes[name].metadata.annotations.get(DEFAULT_ANNOTATION) == "true" for name in ours)
    found = []
    for one in ingresses:
        name = one.spec.ingress_class_name or one.metadata.annotations.get(CLASS_ANNOTATION)
        if usual if name is None else name in ours:
            found.append(one)
    return found


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


def _default_scope(to: IngressClassParametersReference) -> IngressClassParametersReference:
    return replace(to, scope="Cluster") if to.scope is None else to


def default(cls: IngressClass) -> IngressClass:
    """Parameters are cluster-scoped."""
    return within(cls, spec=lambda spec: within(spec, parameters=_default_scope))


def validate(new: IngressClass, old: IngressClass | None) -> Errors:
    """A controller by a path under its domain, which stays; parameters that name one object."""
    controller = new.spec.controller
    if old is not None:
        yield from immutable("spec.controller", controller, old.spec.controller)
    if len(controller) > MAX_CONTROLLER:
        yield too_long("spec.controller", MAX_CONTROLLER)
    if not controller:
        yield required("spec.controller")
    else:
        domain, slash, rest = controller.partition("/")
        if not slash or not domain or not rest:
            why = 'must be a domain-prefixed path (such as "acme.io/foo")'
            yield invalid("spec.controller", controller, why)
        else:
            yield from named("spec.controller", domain, dns_subdomain)
    if new.spec.parameters is not None:
        yield from _check_parameters("spec.parameters", new.spec.parameters)


def _check_parameters(path: str, to: IngressClassParametersReference) -> Errors:
    if to.api_group is not None:
        yield from named(f"{path}.apiGroup", to.api_group, dns_subdomain)
    yield from required_name(f"{path}.kind", to.kind, path_segment)
    yield from required_name(f"{path}.name", to.name, path_segment)
    if to.scope is None:
        yield required(f"{path}.scope")
    elif to.scope not in ("Cluster", "Namespace"):
        yield unsupported(f"{path}.scope", to.scope, ("Cluster", "Namespace"))
    elif to.scope == "Namespace" and not to.namespace:
        yield required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif to.scope == "Cluster" and to.namespace is not None:
        yield forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")


INGRESSCLASS = declare(IngressClass, columns=COLUMNS, default=default, validate=validate)
