"""storage.k8s.io/v1 CSIDriver: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, unsupported
from wherry.api.columns import AGE, or_none
from wherry.api.core.volume_validation import driver_name
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.storage import CSIDriver, TokenRequest
from wherry.machinery.resource import Column
from wherry.machinery.validation import duplicate, invalid, required

GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")

COLUMNS: tuple[Column[CSIDriver], ...] = (
    Column("AttachRequired", lambda d, _: d.spec.attach_required is not False, type="boolean"),
    Column("PodInfoOnMount", lambda d, _: bool(d.spec.pod_info_on_mount), type="boolean"),
    Column("StorageCapacity", lambda d, _: bool(d.spec.storage_capacity), type="boolean"),
    Column("TokenRequests", lambda d, _: ",".join(t.audience for t in d.spec.token_requests) or "<unset>"),
    Column("RequiresRepublish", lambda d, _: bool(d.spec.requires_republish), type="boolean"),
    Column("Modes", lambda d, _: or_none(",".join(d.spec.volume_lifecycle_modes))),
    AGE,
)


def default(driver: CSIDriver) -> CSIDriver:
    """Volumes are attached, persistent, and mounted without pod information."""
    spec = fill(
        driver.spec,
        attach_required=True,
        pod_info_on_mount=False,
        storage_capacity=False,
        fs_group_policy="ReadWriteOnceWithFSType",
        requires_republish=False,
        se_linux_mount=False,
        prevent_pod_scheduling_if_missing=False,
    )
    if not spec.volume_lifecycle_modes:
        spec = replace(spec, volume_lifecycle_modes=("Persistent",))
    return replace(driver, spec=spec)


def validate(new: CSIDriver, old: CSIDriver | None) -> Errors:
    """What the driver can do; how volumes are attached and where they live stays."""
    spec = new.spec
    yield from driver_name("metadata.name", new.metadata.name)
    for field, value in (("attachedRequired", spec.attach_required), ("podInfoOnMount", spec.pod_info_on_mount)):
        if value is None:
            yield required(f"spec.{field}")
    for mode in spec.volume_lifecycle_modes:
        if mode not in ("Ephemeral", "Persistent"):
            yield unsupported("spec.volumeLifecycleModes", mode, ("Persistent", "Ephemeral"))
    if spec.fs_group_policy is not None and spec.fs_group_policy not in GROUP_POLICIES:
        yield unsupported("spec.fsGroupPolicy", spec.fs_group_policy, GROUP_POLICIES)
    yield from _tokens("spec.tokenRequests", spec.token_requests)
    period = spec.node_allocatable_update_period_seconds
    if period is not None and period < 10:
        why = "must be greater than or equal to 10 seconds"
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, why)
    if spec.service_account_token_in_secrets is not None and not spec.token_requests:
        why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid("spec.serviceAccountTokenInSecrets", spec.service_account_token_in_secrets, why)
    if old is not None:
        yield from immutable("spec.attachedRequired", spec.attach_required, old.spec.attach_required)
        modes = (spec.volume_lifecycle_modes, old.spec.volume_lifecycle_modes)
        yield from immutable("spec.volumeLifecycleModes", *modes)


def _tokens(path: str, requests: tuple[TokenRequest, ...]) -> Errors:
    seen: set[str] = set()
    for index, token in enumerate(requests):
        if token.audience in seen:
            yield duplicate(f"{path}[{index}].audience", token.audience)
            continue
        seen.add(token.audience)
        at, lasting = f"{path}[{index}].expirationSeconds", token.expiration_seconds
        if lasting is not None and lasting < 600:
            yield invalid(at, lasting, "may not specify a duration less than 10 minutes")
        if lasting is not None and lasting > 1 << 32:
            yield invalid(at, lasting, "may not specify a duration larger than 2^32 seconds")


def warn(new: CSIDriver, old: CSIDriver | None) -> Iterator[str]:
    """Tokens belong among the secrets."""
    tokens = new.spec.token_requests
    if (
        tokens
        and new.spec.service_account_token_in_secrets is None
        and (old is None or old.spec.token_requests != tokens)
    ):
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent "
            "possible logging of tokens in volume attributes"
        )


CSIDRIVER = declare(CSIDriver, columns=COLUMNS, default=default, validate=validate, warn=warn)
