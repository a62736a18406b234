"""Validation of requests for pod certificates, and of what signers answer.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#pod-certificate-requests
"""

from __future__ import annotations

from typing import Any

from wherry.api.certificates.signer_names import longest_lifetime, prefixed_annotations, signer_name
from wherry.api.checks import Errors, immutable, named, unsupported
from wherry.api.condition_validation import conditions
from wherry.api.types.certificates import PodCertificateRequest, PodCertificateRequestStatus
from wherry.machinery.names import dns_subdomain
from wherry.machinery.pem import Block, blocks
from wherry.machinery.time import Time, seconds
from wherry.machinery.validation import FieldError, invalid, required, too_long

ENDS = ("Issued", "Denied", "Failed")
_MAX_UID = 128
_MAX_REQUEST = 10 * 1024
_MAX_CHAIN = 100 * 1024
_HOUR = 3600
_MARGIN = 600
_REQUEST = "spec.stubPKCS10Request"
_CHAIN = "status.certificateChain"


def _unshown(path: str, why: str) -> FieldError:
    return FieldError(path, "FieldValueInvalid", f"Invalid value: {why}")


def _moment(path: str, value: str, why: str) -> FieldError:
    return invalid(path, value, why)


# --- The request ---


def validate(new: PodCertificateRequest, old: PodCertificateRequest | None) -> Errors:
    """A pod, its account and its node, a lifetime, and a key that the asker holds. It stays."""
    if old is not None:
        yield from immutable("spec", new.spec, old.spec)
        return
    spec = new.spec
    yield from signer_name("spec.signerName", spec.signer_name)
    yield from prefixed_annotations("spec.unverifiedUserAnnotations", spec.unverified_user_annotations)
    for field, name, uid_field, uid in (
        ("podName", spec.pod_name, "podUID", spec.pod_uid),
        ("serviceAccountName", spec.service_account_name, "serviceAccountUID", spec.service_account_uid),
        ("nodeName", spec.node_name, "nodeUID", spec.node_uid),
    ):
        yield from named(f"spec.{field}", name, dns_subdomain)
        if not uid:
            yield invalid(f"spec.{uid_field}", uid, "must not be empty")
        if len(uid) > _MAX_UID:
            yield too_long(f"spec.{uid_field}", _MAX_UID)
    lasting = spec.max_expiration_seconds
    if lasting is None:
        yield required("spec.maxExpirationSeconds", "must be set")
        return
    longest = longest_lifetime(spec.signer_name)
    if not _HOUR <= lasting <= longest:
        yield invalid("spec.maxExpirationSeconds", lasting, f"must be in the range [{_HOUR}, {longest}]")
    if spec.stub_pkcs10_request:
        yield from _key(spec.stub_pkcs10_request)
    else:
        why = "exactly one of (stubPKCS10Request) or (pkixPublicKey, proofOfPossession) must be set"
        yield _unshown("spec", why)


def _key(data: bytes) -> Errors:
    if len(data) > _MAX_REQUEST:
        yield too_long(_REQUEST, _MAX_REQUEST)
        return
    request = load_request(data)
    if request is None:
        yield _unshown(_REQUEST, "must be a valid PKCS#10 CSR")
        return
    problem = _weak(request)
    if problem is not None:
        yield problem
    elif not request.is_signature_valid:
        yield _unshown(_REQUEST, "invalid signature")


def load_request(data: bytes) -> Any:
    """The parsed PKCS#10 request (`cryptography.x509.CertificateSigningRequest`), None where it is none."""
    from cryptography import x509  # only those who ask for certificates need it

    try:
        return x509.load_der_x509_csr(data)
    except ValueError:
        return None


def _weak(request: Any) -> FieldError | None:
    """What is wrong with its key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    try:
        key = request.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        if isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)):
            return None
        bits = key.curve.key_size
        return invalid(_REQUEST, f"curve P-{bits}", "elliptic public keys must use curve P256, P384, or P521")
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size in (3072, 4096):
            return None
        return invalid(_REQUEST, f"{key.key_size}-bit modulus", "RSA keys must have modulus size 3072 or 4096")
    return _unshown(_REQUEST, "unknown public key type; supported types are Ed25519, ECDSA, and RSA")


# --- The answer ---


def ending(request: PodCertificateRequest) -> str:
    """Issued, Denied or Failed; "" while it is open."""
    return next((c.type for c in request.status.conditions if c.type in ENDS and c.status == "True"), "")


def validate_status(new: PodCertificateRequest, old: PodCertificateRequest | None) -> Errors:
    """One end, once; a certificate with the first of them only."""
    wrong = [*_conditions(new.status)]
    before = old if old is not None else PodCertificateRequest()
    end = ending(new)
    if wrong:
        yield from wrong
    elif ending(before):
        if new.status != before.status:
            yield _unshown("status", "immutable after PodCertificateRequest is issued, denied, or failed")
    elif end in ("Denied", "Failed"):
        if new.status != PodCertificateRequestStatus(conditions=new.status.conditions):
            why = "non-condition status fields must be empty when denying or failing the PodCertificateRequest"
            yield _unshown("status", why)
    elif end == "Issued":
        yield from _issued(new)
    elif new.status != before.status:
        yield _unshown("status", 'status is immutable unless transitioning to "Issued", "Denied", or "Failed"')


def _conditions(status: PodCertificateRequestStatus) -> Errors:
    known = 0
    for index, own in enumerate(status.conditions):
        at = f"status.conditions.[{index}]"
        if own.type not in ENDS:
            yield unsupported(f"{at}.type", own.type, ENDS)
            continue
        known += 1
        if known > 1:
            why = 'There may be at most one condition with type "Issued", "Denied", or "Failed"'
            yield invalid(f"{at}.type", own.type, why)
        if own.status != "True":
            yield unsupported(f"{at}.status", own.status, ("True",))
    yield from conditions("status.conditions", status.conditions)


def _issued(request: PodCertificateRequest) -> Errors:
    """The certificate is for the key that was asked for, and its times are those of the status."""
    text = request.status.certificate_chain
    if len(text.encode()) > _MAX_CHAIN:
        yield too_long(_CHAIN, _MAX_CHAIN)
        return
    chain = list(blocks(text))
    leaf = _certificate(chain[0]) if chain else None
    if leaf is None:
        yield invalid(_CHAIN, text, _why_no_leaf(chain))
        return
    wrong = [*_names(leaf)]
    asked = load_request(request.spec.stub_pkcs10_request or b"")
    if asked is None:
        yield _unshown(_REQUEST, "must be a valid PKCS#10 CSR")
    elif _raw(leaf.public_key()) != _raw(asked.public_key()):
        yield from wrong
        yield invalid(_CHAIN, text, "leaf certificate was not issued to the requested public key")
    else:
        yield from wrong or _times(request, leaf)
        yield from _rest(text, chain[1:])


def _why_no_leaf(chain: list[Block]) -> str:
    if not chain:
        return "issued certificate chain must contain at least one certificate"
    if chain[0].label != "CERTIFICATE":
        return "issued certificate chain must consist entirely of CERTIFICATE PEM blocks"
    return "leaf certificate does not parse as valid X.509"


def _certificate(block: Block) -> Any:
    from cryptography import x509

    if block.label != "CERTIFICATE":
        return None
    try:
        return x509.load_der_x509_certificate(block.data)
    except ValueError:
        return None


def _raw(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return found


def _names(leaf: Any) -> Errors:
    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for name in names.get_values_for_type(x509.DNSName):
        if not name:
            yield invalid(_CHAIN, name, "leaf certificate should not contain empty DNSName")
        if ".." in name:
            yield invalid(_CHAIN, name, "leaf certificate's DNSName should not contain '..'")
        if name.startswith(".") or name.endswith("."):
            yield invalid(_CHAIN, name, "leaf certificate's DNSName should not start or end with '.'")
    for address in names.get_values_for_type(x509.RFC822Name):
        if address.count("@") != 1 or address.startswith("@") or address.endswith("@"):
            yield invalid(_CHAIN, address, "leaf certificate should not contain invalid EmailAddress")


def _times(request: PodCertificateRequest, leaf: Any) -> Errors:
    status = request.status
    begin, end, refresh = status.not_before, status.not_after, status.begin_refresh_at
    if begin is not None and end is not None and refresh is not None:
        yield from _agreeing(request, leaf, (begin, end, refresh))
        return
    consistent = "must be present and consistent with the issued certificate"
    if begin is None:
        yield required("status.notBefore", consistent)
    if end is None:
        yield required("status.notAfter", consistent)
    if refresh is None:
        yield required("status.beginRefreshAt", "must be present and in the range [notbefore+10min, notafter-10min]")


def _agreeing(request: PodCertificateRequest, leaf: Any, times: tuple[Time, Time, Time]) -> Errors:
    begin, end, refresh = times
    first, last = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    lasting, longest = last - first, request.spec.max_expiration_seconds or 0
    if seconds(begin) != first:
        yield _moment("status.notBefore", begin, "must be set to the NotBefore time encoded in the leaf certificate")
    elif seconds(end) != last:
        yield _moment("status.notAfter", end, "must be set to the NotAfter time encoded in the leaf certificate")
    elif lasting < _HOUR:
        yield _lifetime(lasting, "leaf certificate lifetime must be >= 1 hour")
    elif lasting > longest:
        yield _lifetime(lasting, f"leaf certificate lifetime must be <= spec.maxExpirationSeconds ({longest})")
    elif seconds(refresh) < first + _MARGIN:
        yield _moment("status.beginRefreshAt", refresh, "must be at least 10 minutes after status.notBefore")
    elif seconds(refresh) > last - _MARGIN:
        yield _moment("status.beginRefreshAt", refresh, "must be at least 10 minutes before status.notAfter")


def _lifetime(length: float, why: str) -> FieldError:
    """A duration is shown in nanoseconds."""
    return invalid(_CHAIN, int(length) * 10**9, why)


def _rest(text: str, chain: list[Block]) -> Errors:
    for block in chain:
        if block.label != "CERTIFICATE":
            yield invalid(_CHAIN, text, "issued certificate chain must consist entirely of CERTFICATE PEM blocks")
            return
        if _certificate(block) is None:
            yield invalid(_CHAIN, text, "intermediate certificate does not parse as valid X.509")
            return
