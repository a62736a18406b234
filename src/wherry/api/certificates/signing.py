"""What the built-in signers sign: the request inside a CertificateSigningRequest, and the rules of each signer. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from wherry.api.types.certificates import CertificateSigningRequest

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
_SERVING = frozenset({"digital signature", "key encipherment", "server auth"})
_CLIENT = frozenset({"digital signature", "key encipherment", "client auth"})
_OPTIONAL = "key encipherment"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a certificate is asked to say."""

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...]
    addresses: tuple[str, ...]
    emails: tuple[str, ...]
    uris: tuple[str, ...]


def parse(pem: bytes) -> x509.CertificateSigningRequest:
    """The request itself, its own signature checked. Raises ValueError."""
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    request = x509.load_pem_x509_csr(pem)
    if not request.is_signature_valid:
        raise ValueError("the signature of the request is not valid")
    return request


def asked(request: x509.CertificateSigningRequest) -> Asked:
    """What it asks for. Raises ValueError for names that cannot be read."""
    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])

    def subject(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(a.value) for a in request.subject.get_attributes_for_oid(oid))

    return Asked(
        next(iter(subject(NameOID.COMMON_NAME)), ""),
        subject(NameOID.ORGANIZATION_NAME),
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(str(a) for a in names.get_values_for_type(x509.IPAddress)),
        tuple(names.get_values_for_type(x509.RFC822Name)),
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def _listed(usages: frozenset[str]) -> str:
    return f"usages did not match [{' '.join(sorted(usages))}]"


def _client(wanted: Asked, usages: Sequence[str]) -> str:
    for usage in usages:
        if usage not in _CLIENT:
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


def kubelet_client(wanted: Asked, usages: Sequence[str]) -> str:
    """What keeps this from being an agent's client certificate; "": nothing."""
    if wanted.organizations != ("system:nodes",):
        return "subject organization is not system:nodes"
    for found, name in (
        (wanted.dns, "DNS"), (wanted.emails, "Email"), (wanted.addresses, "IP"), (wanted.uris, "URI"),
    ):  # fmt: skip
        if found:
            return f"{name} subjectAltNames are not allowed"
    if not wanted.common_name.startswith("system:node:"):
        return "subject common name does not begin with system:node:"
    return "" if frozenset(usages) in (_CLIENT, _CLIENT - {_OPTIONAL}) else _listed(_CLIENT)


def kubelet_serving(wanted: Asked, usages: Sequence[str]) -> str:
    """What keeps this from being an agent's serving certificate; "": nothing."""
    if wanted.organizations != ("system:nodes",):
        return "subject organization is not system:nodes"
    if not wanted.dns and not wanted.addresses:
        return "DNS or IP subjectAltName is required"
    for found, name in ((wanted.emails, "Email"), (wanted.uris, "URI")):
        if found:
            return f"{name} subjectAltNames are not allowed"
    if frozenset(usages) not in (_SERVING, _SERVING - {_OPTIONAL}):
        return _listed(_SERVING)
    return (
        "" if wanted.common_name.startswith("system:node:") else "subject common name does not begin with system:node:"
    )


SIGNERS: Mapping[str, Callable[[Asked, Sequence[str]], str]] = {
    CLIENT: _client,
    KUBELET_CLIENT: kubelet_client,
    KUBELET_SERVING: kubelet_serving,
    LEGACY: lambda wanted, usages: "",
}
"""Signer -> (what is asked, usages) -> why it will not be signed, "" when it will."""


def refused(request: CertificateSigningRequest) -> str:
    """Why the signer it names does not sign it; "" when it does. Raises ValueError, KeyError (not one of ours)."""
    rule = SIGNERS[request.spec.signer_name]
    return rule(asked(parse(request.spec.request or b"")), request.spec.usages)


def selfserving(request: CertificateSigningRequest, own: Collection[str], others: Collection[str]) -> str:
    """Why an agent's request for its serving certificate is not approved by itself; "": it is.

    The agent must ask for itself, under no other DNS name than its node's, and for addresses of its own Node (`own`)
    that no other Node has (`others`).
    """
    spec = request.spec
    try:
        wanted = asked(parse(spec.request or b""))
    except ValueError as error:
        return str(error)
    why = kubelet_serving(wanted, spec.usages)
    if why:
        return why
    if spec.username != wanted.common_name or "system:nodes" not in spec.groups:
        return "only the agent itself may ask"
    name = wanted.common_name.removeprefix("system:node:")
    foreign = [dns for dns in wanted.dns if dns != name]
    foreign += [address for address in wanted.addresses if address not in own or address in others]
    return f"not names or addresses of this node alone: {', '.join(foreign)}" if foreign else ""


def node_asked_for(request: CertificateSigningRequest) -> str:
    """The node whose agent a client certificate is asked for by somebody else; "" for none."""
    try:
        name = asked(parse(request.spec.request or b"")).common_name
    except ValueError:
        return ""
    return "" if request.spec.username == name else name.removeprefix("system:node:")


def recognised(request: CertificateSigningRequest) -> tuple[tuple[str, str], ...]:
    """(subresource that its requester must be allowed to create, what is said then), in the order of asking."""
    spec = request.spec
    if spec.signer_name != KUBELET_CLIENT:
        return ()
    try:
        wanted = asked(parse(spec.request or b""))
    except ValueError:
        return ()
    if kubelet_client(wanted, spec.usages):
        return ()
    node = ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")
    own = ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
    return (own, node) if spec.username == wanted.common_name else (node,)
