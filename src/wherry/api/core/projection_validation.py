"""Validation of projected volumes: several sources in one folder, no file written twice.

https://kubernetes.io/docs/concepts/storage/projected-volumes/
"""

from __future__ import annotations

from collections.abc import Iterable

from wherry.api.certificates.signer_names import (
    longest_lifetime,
    name_problems,
    prefixed_annotations,
    signer_name,
)
from wherry.api.checks import Errors, file_inside, file_mode, selector, unsupported, user_id
from wherry.api.core.file_validation import downward_file, key_to_path
from wherry.api.types.core import (
    ClusterTrustBundleProjection,
    ConfigMapProjection,
    PodCertificateProjection,
    ProjectedVolumeSource,
    SecretProjection,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from wherry.machinery.validation import forbidden, invalid, required

KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_DUPLICATE = "conflicting duplicate paths"
_SOURCES = (
    "cluster_trust_bundle",
    "config_map",
    "downward_api",
    "pod_certificate",
    "secret",
    "service_account_token",
)


def projected(path: str, source: ProjectedVolumeSource) -> Errors:
    """A projected volume."""
    yield from file_mode(f"{path}.defaultMode", source.default_mode)
    yield from user_id(f"{path}.defaultUser", source.default_user)
    seen: set[str] = set()
    for index, item in enumerate(source.sources):
        at = f"{path}.sources[{index}]"
        yield from _sources(path, at, item, seen)
        if sum(getattr(item, name) is not None for name in _SOURCES) > 1:
            yield forbidden(at, "may not specify more than 1 volume type per source")


def _sources(whole: str, path: str, item: VolumeProjection, seen: set[str]) -> Errors:
    if item.secret is not None:
        yield from _keys(whole, f"{path}.secret", item.secret, seen)
    if item.config_map is not None:
        yield from _keys(whole, f"{path}.configMap", item.config_map, seen)
    if item.downward_api is not None:
        for file in item.downward_api.items:
            yield from downward_file(f"{path}.downwardAPI", file)
            yield from _once(whole, file.path, file.path, seen)
    if item.service_account_token is not None:
        yield from _token(whole, f"{path}.serviceAccountToken", item.service_account_token)
    if item.cluster_trust_bundle is not None:
        yield from _bundle(whole, f"{path}.clusterTrustBundle", item.cluster_trust_bundle, seen)
    if item.pod_certificate is not None:
        yield from _certificate(whole, f"{path}.podCertificate", item.pod_certificate, seen)


def _once(whole: str, shown: str, file: str, seen: set[str]) -> Errors:
    if not file:
        return
    if file in seen:
        yield invalid(whole, shown, _DUPLICATE)
    seen.add(file)


def _keys(whole: str, path: str, source: SecretProjection | ConfigMapProjection, seen: set[str]) -> Errors:
    if not source.name:
        yield required(f"{path}.name")
    for index, item in enumerate(source.items):
        yield from key_to_path(f"{path}.items[{index}]", item)
        yield from _once(whole, source.name, item.path, seen)


def _token(whole: str, path: str, token: ServiceAccountTokenProjection) -> Errors:
    at, lasting = f"{path}.expirationSeconds", token.expiration_seconds
    if lasting is None:
        yield required(at)
    elif lasting < 600:
        yield invalid(at, lasting, "may not specify a duration less than 10 minutes")
    elif lasting > 1 << 32:
        yield invalid(at, lasting, "may not specify a duration larger than 2^32 seconds")
    if token.path:
        yield from file_inside(f"{whole}.path", token.path)
    else:
        yield required(f"{whole}.path")
    yield from user_id(f"{path}.user", token.user)


def _bundle(whole: str, path: str, bundle: ClusterTrustBundleProjection, seen: set[str]) -> Errors:
    if bundle.name is not None and bundle.signer_name is not None:
        yield invalid(path, bundle, "only one of name and signerName may be used")
    elif bundle.name is not None:
        if not bundle.name:
            yield required(f"{path}.name", "must be a valid object name")
        for problem in name_problems(bundle.name, bundle.name.rpartition(":")[0].replace(":", "/")):
            yield invalid(f"{path}.name", bundle.name, f"not a valid clustertrustbundlename: {problem}")
        if bundle.label_selector is not None:
            yield invalid(
                f"{path}.labelSelector", bundle.label_selector, "labelSelector must be unset if name is specified"
            )
    elif bundle.signer_name is None:
        yield required(path, "either name or signerName must be specified")
    else:
        if not bundle.signer_name:
            yield required(f"{path}.signerName", "must be a valid signer name")
        yield from signer_name(f"{path}.signerName", bundle.signer_name)
        yield from selector(f"{path}.labelSelector", bundle.label_selector)
    if not bundle.path:
        yield required(f"{path}.path")
    yield from user_id(f"{path}.user", bundle.user)
    yield from file_inside(f"{path}.path", bundle.path)
    yield from _once(whole, bundle.path, bundle.path, seen)


def _certificate(whole: str, path: str, own: PodCertificateProjection, seen: set[str]) -> Errors:
    yield from signer_name(f"{path}.signerName", own.signer_name)
    yield from prefixed_annotations(f"{path}.userAnnotations", own.user_annotations)
    yield from user_id(f"{path}.user", own.user)
    if own.key_type not in KEY_TYPES:
        yield unsupported(f"{path}.keyType", own.key_type, KEY_TYPES)
    yield from _lifetime(f"{path}.maxExpirationSeconds", own)
    files = {
        "credentialBundlePath": own.credential_bundle_path,
        "keyPath": own.key_path,
        "certificateChainPath": own.certificate_chain_path,
    }
    yield from _files(whole, path, files.items(), seen)
    if not any(files.values()):
        yield required(path, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")


def _lifetime(path: str, own: PodCertificateProjection) -> Errors:
    lasting = own.max_expiration_seconds
    if lasting is None:
        return
    if lasting < 3600:
        yield invalid(path, lasting, "if provided, maxExpirationSeconds must be >= 3600")
    longest = longest_lifetime(own.signer_name)
    if lasting > longest:
        yield invalid(path, lasting, f"if provided, maxExpirationSeconds must be <= {longest}")


def _files(whole: str, path: str, files: Iterable[tuple[str, str]], seen: set[str]) -> Errors:
    for field, file in files:
        if file:
            yield from file_inside(f"{path}.{field}", file)
            yield from _once(whole, file, file, seen)
