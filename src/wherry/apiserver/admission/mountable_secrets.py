"""ServiceAccount, second half: an account that says so lets its pods use only the Secrets that it names.

The annotation is `kubernetes.io/enforce-mountable-secrets` (deprecated upstream, and still enforced). Looked at are
volumes, variables and whole environments of containers of every sort (CVE-2023-2728, CVE-2024-3177), and pull secrets.
https://kubernetes.io/docs/concepts/security/service-accounts/#enforce-mountable-secrets
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wherry.api.core.serviceaccount import ENFORCE, SERVICEACCOUNT
from wherry.api.types.core import Container, EphemeralContainer, Pod
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


def _limit(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> None:
    found = api.find(SERVICEACCOUNT, ctx.namespace, pod.spec.service_account_name)
    if found is None or found.obj.metadata.annotations.get(ENFORCE) not in _TRUE:
        return
    account = found.obj
    named = {ref.name for ref in account.secrets}
    used = _of_ephemeral(pod) if ctx.subresource else _of_pod(pod)
    where = next((where for where, secret in used if secret not in named), "")
    if where:
        name = account.metadata.name
        raise forbidden(ctx, f"{where} is not allowed because service account {name} does not reference that secret")
    pulls = {ref.name for ref in account.image_pull_secrets}
    for index, ref in enumerate(() if ctx.subresource else pod.spec.image_pull_secrets):
        if ref.name not in pulls:
            raise forbidden(
                ctx,
                f'imagePullSecrets[{index}].name="{ref.name}" is not allowed because service account '
                f"{account.metadata.name} does not reference that imagePullSecret",
            )


def _of_pod(pod: Pod) -> Iterator[tuple[str, str]]:
    """(where it is used, in upstream's words; name) of every Secret."""
    for volume in pod.spec.volumes:
        if volume.secret is not None:
            yield f'volume with secret.secretName="{volume.secret.secret_name}"', volume.secret.secret_name
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.secret is not None:  # upstream looks past these
                yield f'volume with projected.sources.secret.name="{source.secret.name}"', source.secret.name
    for container in pod.spec.init_containers:
        yield from _of_container("init container", container)
    for container in pod.spec.containers:
        yield from _of_container("container", container)


def _of_ephemeral(pod: Pod) -> Iterator[tuple[str, str]]:
    for container in pod.spec.ephemeral_containers:
        yield from _of_container("ephemeral container", container)


def _of_container(kind: str, container: Container | EphemeralContainer) -> Iterator[tuple[str, str]]:
    for variable in container.env:
        ref = variable.value_from.secret_key_ref if variable.value_from is not None else None
        if ref is not None:
            what = f'envVar {variable.name} referencing secret.secretName="{ref.name}"'
            yield f"{kind} {container.name} with {what}", ref.name
    for source in container.env_from:
        if source.secret_ref is not None:
            name = source.secret_ref.name
            yield f'{kind} {container.name} with envFrom referencing secret.secretName="{name}"', name


PLUGINS = (
    Plugin(
        "ServiceAccountSecrets", validate=_limit, operations=frozenset({"CREATE"}), resources=frozenset({"pods"})
    ),
    Plugin(
        "ServiceAccountEphemeralSecrets",
        validate=_limit,
        operations=frozenset({"UPDATE"}),
        resources=frozenset({"pods"}),
        subresources=frozenset({"ephemeralcontainers"}),
    ),
)  # fmt: skip
"""Once for new pods and once for what is added to them."""
