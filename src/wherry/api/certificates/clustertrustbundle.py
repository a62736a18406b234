"""certificates.k8s.io/v1 ClusterTrustBundle: what the API adds to its schema (`wherry.api.types.certificates`)."""

from __future__ import annotations

from wherry.api.certificates.signer_names import name_problems, signer_name
from wherry.api.checks import Errors
from wherry.api.columns import or_none
from wherry.api.declare import declare
from wherry.api.types.certificates import ClusterTrustBundle
from wherry.machinery.pem import Block, blocks
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid, too_long

COLUMNS: tuple[Column[ClusterTrustBundle], ...] = (Column("SignerName", lambda b, _: or_none(b.spec.signer_name)),)
_BUNDLE = "spec.trustBundle"
_MAX_BUNDLE = 2**20


def validate(new: ClusterTrustBundle, old: ClusterTrustBundle | None) -> Errors:
    """Certificates of authorities, each once, under a name that says whose they are; the signer stays."""
    spec = new.spec
    if old is None:
        for problem in name_problems(new.metadata.name, spec.signer_name):
            yield invalid("metadata.name", new.metadata.name, problem)
    if spec.signer_name:
        yield from signer_name("spec.signerName", spec.signer_name)
    if old is None or old.spec.trust_bundle != spec.trust_bundle:
        yield from trust_bundle(spec.trust_bundle)
    if old is not None and old.spec.signer_name != spec.signer_name:
        yield invalid("spec.signerName", spec.signer_name, "field is immutable")


def trust_bundle(text: str) -> Errors:
    """One authority at least, none twice, nothing else."""
    if len(text.encode()) > _MAX_BUNDLE:
        yield too_long(_BUNDLE, _MAX_BUNDLE)
        return
    found = list(blocks(text))
    problems = [f"entry {index} {why}" for index, block in enumerate(found) if (why := _why_no_anchor(block))]
    if not problems:
        problems = _why_no_bundle(found)
    for problem in problems:
        yield invalid(_BUNDLE, "<value omitted>", problem)


def _why_no_bundle(found: list[Block]) -> list[str]:
    if not found:
        return ["at least one trust anchor must be provided"]
    places: dict[bytes, list[int]] = {}
    for index, block in enumerate(found):
        places.setdefault(block.data, []).append(index)
    return [
        f"duplicate trust anchor (indices [{' '.join(map(str, indices))}])"
        for indices in places.values()
        if len(indices) > 1
    ]


def _why_no_anchor(block: Block) -> str:
    from cryptography import x509  # only those who write bundles need it

    if block.label != "CERTIFICATE":
        return f"has bad block type: {block.label}"
    if block.headers:
        return "has PEM block headers"
    try:
        certificate = x509.load_der_x509_certificate(block.data)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "does not have the CA bit set"
    except ValueError:
        return "does not parse as X.509"
    return "" if constraints.ca else "does not have the CA bit set"


CLUSTERTRUSTBUNDLE = declare(
    ClusterTrustBundle,
    columns=COLUMNS,
    fields={"spec.signerName": lambda b: b.spec.signer_name},
    validate=validate,
)
