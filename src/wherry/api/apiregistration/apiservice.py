"""apiregistration.k8s.io/v1 APIService: what the API adds to its schema (`wherry.api.types.apiregistration`)."""

from __future__ import annotations

from wherry.api.checks import Errors, named
from wherry.api.columns import AGE
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.apiregistration import APIService, APIServiceSpec
from wherry.machinery.conditions import get
from wherry.machinery.names import dns_1035_label, dns_subdomain, port_number
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, required


def _available(service: APIService, _: float) -> str:
    found = get(service.status.conditions, "Available")
    if found is None:
        return "Unknown"
    return found.status if found.status == "True" else f"{found.status} ({found.reason})"


COLUMNS: tuple[Column[APIService], ...] = (
    Column("Service", lambda s, _: f"{s.spec.service.namespace}/{s.spec.service.name}" if s.spec.service else "Local"),
    Column("Available", _available),
    AGE,
)


def default(service: APIService) -> APIService:
    """HTTPS' own port."""
    return within(service, spec=lambda spec: within(spec, service=lambda to: fill(to, port=443)))


def validate(new: APIService, old: APIService | None) -> Errors:
    """A version of a group, served here or by a Service."""
    spec = new.spec
    name = f"{spec.version}.{spec.group}"
    if new.metadata.name != name:
        yield invalid("metadata.name", new.metadata.name, f'must be `spec.version+"."+spec.group`: "{name}"')
    if spec.group:
        yield from named("spec.group", spec.group, dns_subdomain)
    elif spec.version != "v1":
        yield required("spec.group", "only v1 may have an empty group and it better be legacy kube")
    yield from named("spec.version", spec.version, dns_1035_label)
    if not 0 < spec.group_priority_minimum <= 20000:
        yield invalid("spec.groupPriorityMinimum", spec.group_priority_minimum, "must be positive and less than 20000")
    if not 0 < spec.version_priority <= 1000:
        yield invalid("spec.versionPriority", spec.version_priority, "must be positive and less than 1000")
    yield from _service(spec)


def _service(spec: APIServiceSpec) -> Errors:
    if spec.service is None:
        if spec.ca_bundle:
            yield invalid("spec.caBundle", f"{len(spec.ca_bundle)} bytes", "local APIServices may not have a caBundle")
        if spec.insecure_skip_tls_verify:
            why = "local APIServices may not have insecureSkipTLSVerify"
            yield invalid("spec.insecureSkipTLSVerify", spec.insecure_skip_tls_verify, why)
        return
    if not spec.service.namespace:
        yield required("spec.service.namespace")
    if not spec.service.name:
        yield required("spec.service.name")
    for problem in port_number(spec.service.port or 0):
        yield invalid("spec.service.port", spec.service.port, f"port is not valid: {problem}")
    if spec.insecure_skip_tls_verify and spec.ca_bundle:
        why = "may not be true if caBundle is present"
        yield invalid("spec.insecureSkipTLSVerify", spec.insecure_skip_tls_verify, why)


APISERVICE = declare(APIService, columns=COLUMNS, default=default, validate=validate)
