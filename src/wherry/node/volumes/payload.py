"""Files that come from API objects: configMap, secret, downwardAPI, projected with service account tokens.

`files` gives the whole content of such a volume, or None for volumes of other kinds. Tokens are kept in memory and
renewed when 80 % of their life is over.
https://kubernetes.io/docs/concepts/storage/projected-volumes/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wherry.api.certificates.clustertrustbundle import CLUSTERTRUSTBUNDLE
from wherry.api.core.configmap import CONFIGMAP
from wherry.api.core.secret import SECRET
from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.core import (
    ClusterTrustBundleProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    PodCertificateProjection,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from wherry.client.interface import Select
from wherry.machinery.errors import APIError, NotFound
from wherry.machinery.meta import Key
from wherry.machinery.selectors import matches
from wherry.machinery.time import seconds
from wherry.node import fieldrefs
from wherry.node.hooks.environment import fetch
from wherry.node.hooks.hook import HookFault, Scope
from wherry.node.volumes.atomic import File
from wherry.node.volumes.podcertificates import Credentials, credential

DEFAULT_MODE = 0o644
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
LIFE = 3600


@dataclass(frozen=True, slots=True)
class Token:
    """A bound service account token and when to renew it (epoch seconds). Its text is never shown."""

    text: str
    renew_at: float

    def __repr__(self) -> str:
        return f"Token(renew_at={self.renew_at})"


Tokens = dict[tuple[str, str, str], Token]
"""(pod uid, volume, path) -> token"""


async def files(scope: Scope, volume: Volume, tokens: Tokens, held: Credentials) -> dict[str, File] | None:
    """All files of the volume by path, or None if it is not made of API objects. Raises HookFault."""
    try:
        if volume.config_map is not None:
            source = volume.config_map
            mode = DEFAULT_MODE if source.default_mode is None else source.default_mode
            return await _config_map(scope, source.name, source.items, mode, optional=source.optional)
        if volume.secret is not None:
            secret = volume.secret
            mode = DEFAULT_MODE if secret.default_mode is None else secret.default_mode
            return await _secret(scope, secret.secret_name, secret.items, mode, optional=secret.optional)
        if volume.downward_api is not None:
            down = volume.downward_api
            return _downward(scope, down.items, DEFAULT_MODE if down.default_mode is None else down.default_mode)
        if volume.projected is not None:
            given = volume.projected.default_mode
            mode = DEFAULT_MODE if given is None else given
            found: dict[str, File] = {}
            for index, projection in enumerate(volume.projected.sources):
                if projection.pod_certificate is not None:
                    found |= await _certificate(scope, (volume.name, index), projection.pod_certificate, mode, held)
                else:
                    found |= await _projection(scope, volume.name, projection, mode, tokens)
            return found
    except fieldrefs.UnknownField as error:
        raise HookFault(str(error), event="FailedMount") from error
    return None


async def _projection(
    scope: Scope, volume: str, source: VolumeProjection, mode: int, tokens: Tokens
) -> dict[str, File]:
    if source.config_map is not None:
        one = source.config_map
        return await _config_map(scope, one.name, one.items, mode, optional=one.optional)
    if source.secret is not None:
        secret = source.secret
        return await _secret(scope, secret.name, secret.items, mode, optional=secret.optional)
    if source.downward_api is not None:
        return _downward(scope, source.downward_api.items, mode)
    if source.service_account_token is not None:
        return await _token(scope, volume, source.service_account_token, mode, tokens)
    if source.cluster_trust_bundle is not None:
        return await _bundle(scope, source.cluster_trust_bundle, mode)
    raise HookFault(f'volume "{volume}": this kind of projection is not supported', event="FailedMount")


async def _certificate(
    scope: Scope, place: tuple[str, int], source: PodCertificateProjection, mode: int, held: Credentials
) -> dict[str, File]:
    """Key and certificates: in one file, in two, or both."""
    own = await credential(scope, *place, source, held)
    wanted = (
        (source.credential_bundle_path, own.key + own.chain),
        (source.key_path, own.key),
        (source.certificate_chain_path, own.chain),
    )
    return {path: File(content, mode, source.user) for path, content in wanted if path}


async def _bundle(scope: Scope, source: ClusterTrustBundleProjection, mode: int) -> dict[str, File]:
    """Certificates of one bundle by name, or of all of a signer that a selector matches, each once."""
    if source.name:
        try:
            found = [await scope.client.get(CLUSTERTRUSTBUNDLE, Key("", source.name))]
        except NotFound:
            found = []
        missing = f'clustertrustbundle "{source.name}" not found'
    else:
        fields = f"spec.signerName={source.signer_name or ''}"
        listed = (await scope.client.list(CLUSTERTRUSTBUNDLE, Select(fields=fields))).items
        selector = source.label_selector
        found = [one for one in listed if selector is not None and matches(selector, one.metadata.labels)]
        missing = f'combination of signerName "{source.signer_name}" and labelSelector matched zero ClusterTrustBundles'
    if not found and not source.optional:
        raise HookFault(missing, event="FailedMount")
    blocks = {block.strip() for one in found for block in _PEM.findall(one.spec.trust_bundle)}
    text = "".join(f"{block}\n" for block in sorted(blocks))
    return {source.path: File(text.encode(), mode, source.user)}


async def _config_map(
    scope: Scope, name: str, items: tuple[KeyToPath, ...], mode: int, *, optional: bool | None
) -> dict[str, File]:
    held = await fetch(scope, CONFIGMAP, name, optional=optional)
    if held is None:
        return {}
    data = {key: value.encode() for key, value in held.data.items()} | dict(held.binary_data)
    return _chosen(data, items, mode, "config", optional=optional)


async def _secret(
    scope: Scope, name: str, items: tuple[KeyToPath, ...], mode: int, *, optional: bool | None
) -> dict[str, File]:
    held = await fetch(scope, SECRET, name, optional=optional)
    return {} if held is None else _chosen(held.data, items, mode, "secret", optional=optional)


def _chosen(
    data: Mapping[str, bytes], items: tuple[KeyToPath, ...], mode: int, kind: str, *, optional: bool | None
) -> dict[str, File]:
    """All keys as files, or only those listed, at their own paths and modes."""
    if not items:
        return {key: File(value, mode) for key, value in data.items()}
    found = {}
    for item in items:
        if item.key in data:
            found[item.path] = File(data[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise HookFault(f"references non-existent {kind} key: {item.key}", event="FailedMount")
    return found


def _downward(scope: Scope, items: tuple[DownwardAPIVolumeFile, ...], mode: int) -> dict[str, File]:
    found = {}
    for item in items:
        text = ""
        if item.field_ref is not None:
            text = fieldrefs.field_value(scope.pod, item.field_ref.field_path, scope.config.addresses, scope.ips)
        elif item.resource_field_ref is not None:
            text = fieldrefs.resource_value(scope.pod, None, item.resource_field_ref, scope.machine.allocatable)
        found[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    return found


async def _token(
    scope: Scope, volume: str, source: ServiceAccountTokenProjection, mode: int, tokens: Tokens
) -> dict[str, File]:
    meta, spec = scope.pod.metadata, scope.pod.spec
    key = (meta.uid, volume, source.path)
    held = tokens.get(key)
    if held is None or held.renew_at <= scope.clock.now():
        held = tokens[key] = await _new_token(scope, source)
    context = spec.security_context
    users = {
        one.security_context.run_as_user
        if one.security_context and one.security_context.run_as_user is not None
        else (context.run_as_user if context else None)
        for one in (*spec.init_containers, *spec.containers)
    }
    user = users.pop() if len(users) == 1 else None
    if source.user is not None:
        return {source.path: File(held.text.encode(), mode, source.user)}
    if context is not None and context.fs_group is not None:
        return {source.path: File(held.text.encode(), 0o600)}
    if user is not None:
        return {source.path: File(held.text.encode(), 0o600, user)}
    return {source.path: File(held.text.encode(), mode)}


async def _new_token(scope: Scope, source: ServiceAccountTokenProjection) -> Token:
    meta = scope.pod.metadata
    life = source.expiration_seconds or LIFE
    account = Key(meta.namespace, scope.pod.spec.service_account_name or "default")
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": [source.audience] if source.audience else [],
            "expirationSeconds": life,
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": meta.name, "uid": meta.uid},
        },
    }
    asked = scope.clock.now()
    try:
        answer = await scope.client.call(SERVICEACCOUNT, account, "token", request)
    except APIError as error:
        raise HookFault(f"failed to fetch token: {error}", event="FailedMount") from error
    status = answer["status"]
    expires = seconds(status["expirationTimestamp"])
    return Token(status["token"], asked + min((expires - asked) * 0.8, 24 * 3600.0))
