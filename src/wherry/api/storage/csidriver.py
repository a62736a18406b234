"""storage.k8s.io/v1 CSIDriver: what the API adds to its schema (`wherry.api.types.storage`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.columns import AGE, or_none
from wherry.api.declare import declare
from wherry.api.defaulting import fill
from wherry.api.types.storage import CSIDriver
from wherry.machinery.resource import Column

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


CSIDRIVER = declare(CSIDriver, columns=COLUMNS, default=default)
