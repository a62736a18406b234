"""ServiceAccount: every pod runs as an account of its namespace, and finds a token for it where clients look.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wherry.api.core.serviceaccount import SERVICEACCOUNT
from wherry.api.types.core import (
    ConfigMapProjection,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ObjectFieldSelector,
    Pod,
    PodSpec,
    ProjectedVolumeSource,
    ServiceAccount,
    ServiceAccountTokenProjection,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.context import Context
from wherry.apiserver.pod_references import references
from wherry.machinery import names

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
MIRROR = "kubernetes.io/config.mirror"
_SECONDS = 3607


def _mutate(api: Api, ctx: Context[Pod], pod: Pod, old: Pod | None) -> Pod:
    if MIRROR in pod.metadata.annotations:
        if pod.spec.service_account_name:
            raise forbidden(ctx, "a mirror pod may not reference service accounts")
        if any(kind == "secrets" for kind, _ in references(pod)):
            raise forbidden(ctx, "a mirror pod may not reference secrets")
        if any(source.service_account_token is not None for source in _projected(pod)):
            raise forbidden(ctx, "a mirror pod may not use ServiceAccountToken volume projections")
        return pod
    spec = pod.spec
    name = spec.service_account_name or spec.service_account or "default"
    spec = replace(spec, service_account_name=name, service_account=name)
    found = api.find(SERVICEACCOUNT, ctx.namespace, name)
    if found is None:
        raise forbidden(
            ctx,
            f'error looking up service account {ctx.namespace}/{name}: serviceaccount "{name}" not found',
        )
    account = found.obj
    if not spec.image_pull_secrets and account.image_pull_secrets:
        spec = replace(spec, image_pull_secrets=account.image_pull_secrets)
    if _automounts(account, spec):
        spec = _with_token(api, spec)
    return replace(pod, spec=spec)


def _projected(pod: Pod) -> Iterator[VolumeProjection]:
    for volume in pod.spec.volumes:
        if volume.projected is not None:
            yield from volume.projected.sources


def _automounts(account: ServiceAccount, spec: PodSpec) -> bool:
    if spec.automount_service_account_token is not None:
        return spec.automount_service_account_token
    return account.automount_service_account_token is not False


def _with_token(api: Api, spec: PodSpec) -> PodSpec:
    """The token volume, mounted wherever nothing else is mounted at that place."""
    containers = (*spec.init_containers, *spec.containers)
    if all(_has_mount(c) for c in containers):
        return spec
    volume = next((v.name for v in spec.volumes if v.name.startswith("kube-api-access-")), "")
    if not volume:
        volume = f"kube-api-access-{names.suffix(api.random, 5)}"
        spec = replace(spec, volumes=(*spec.volumes, Volume(name=volume, projected=token_source())))
    mount = VolumeMount(name=volume, read_only=True, mount_path=MOUNT)
    return replace(
        spec,
        containers=tuple(_mounted(c, mount) for c in spec.containers),
        init_containers=tuple(_mounted(c, mount) for c in spec.init_containers),
    )


def _has_mount(container: Container) -> bool:
    return any(mount.mount_path == MOUNT for mount in container.volume_mounts)


def _mounted(container: Container, mount: VolumeMount) -> Container:
    if _has_mount(container):
        return container
    return replace(container, volume_mounts=(*container.volume_mounts, mount))


def token_source() -> ProjectedVolumeSource:
    """Token, CA certificate and namespace, as clients in pods expect them."""
    namespace = DownwardAPIVolumeFile(
        path="namespace", field_ref=ObjectFieldSelector(api_version="v1", field_path="metadata.namespace")
    )
    return ProjectedVolumeSource(
        default_mode=0o644,
        sources=(
            VolumeProjection(
                service_account_token=ServiceAccountTokenProjection(expiration_seconds=_SECONDS, path="token")
            ),
            VolumeProjection(
                config_map=ConfigMapProjection(name="kube-root-ca.crt", items=(KeyToPath(key="ca.crt", path="ca.crt"),))
            ),
            VolumeProjection(downward_api=DownwardAPIProjection(items=(namespace,))),
        ),
    )


PLUGIN = Plugin("ServiceAccount", mutate=_mutate, operations=frozenset({"CREATE"}), resources=frozenset({"pods"}))
