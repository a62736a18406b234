"""Names of signers: `example.com/signer-name`; of their trust bundles; and what may be asked of them.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#signers
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from wherry.api.checks import Errors
from wherry.machinery.names import dns_label, dns_subdomain, label_key
from wherry.machinery.validation import invalid, required, too_long

_FORM = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
_DOMAINS = "should be a domain with at least two segments separated by dots"
_MAX_DOMAIN = 253
_MAX_ANNOTATIONS = 256 * 1024
_NO_COLON = 'ClusterTrustBundle without signer name must not have ":" in its name'
_DAY = 24 * 3600
_MAX_NAME = _MAX_DOMAIN + 1 + 253 + 63 + 1


def is_kubernetes(name: str) -> bool:
    """Whether the signer is one of Kubernetes' own."""
    domain = name.partition("/")[0]
    return domain == "kubernetes.io" or domain.endswith(".kubernetes.io")


def signer_name(path: str, name: str) -> Errors:
    """A domain of two labels at least, a slash, a path."""
    if not name:
        yield required(path)
        return
    if name.count("/") != 1:
        yield invalid(path, name, _FORM)
        return
    domain, rest = name.split("/")
    if len(domain) > _MAX_DOMAIN:
        yield too_long(path, _MAX_DOMAIN)
    for label in domain.split("."):
        if problems := dns_label(label):
            yield from (invalid(path, domain, f"validating label {json.dumps(label)}: {p}") for p in problems)
            break
    if "." not in domain:
        yield invalid(path, domain, _DOMAINS)
    for label in rest.split("."):
        if problems := dns_subdomain(label):
            yield from (invalid(path, rest, f"validating label {json.dumps(label)}: {p}") for p in problems)
            break
    if len(name) > _MAX_NAME:
        yield too_long(path, _MAX_NAME)


def name_problems(name: str, signer: str) -> list[str]:
    """What is wrong with the name of a bundle of this signer: it begins with the signer's."""
    if not signer:
        return [_NO_COLON] if ":" in name else dns_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return dns_subdomain(name.removeprefix(prefix))


def longest_lifetime(signer: str) -> int:
    """Seconds that a pod's certificate may last: a day from Kubernetes' own signers, else 91 days."""
    return _DAY if is_kubernetes(signer) else 91 * _DAY


def prefixed_annotations(path: str, own: Mapping[str, str]) -> Errors:
    """What a pod tells the signer: keys with a domain."""
    for key in map(str.lower, own):
        problems = label_key(key)
        if not key:
            yield required(path)
        elif problems:
            yield from (invalid(path, key, problem) for problem in problems)
        elif "/" not in key:
            yield invalid(path, key, 'must be a domain-prefixed key (such as "acme.io/foo")')
    if sum(len(key.encode()) + len(value.encode()) for key, value in own.items()) > _MAX_ANNOTATIONS:
        yield too_long(path, _MAX_ANNOTATIONS)
