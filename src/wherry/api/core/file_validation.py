"""Validation of files that volumes make from keys and fields."""

from __future__ import annotations

from wherry.api.checks import Errors, file_inside, file_mode, user_id
from wherry.api.core.env_validation import VOLUME_FIELDS, field_ref, resource_ref
from wherry.api.types.core import DownwardAPIVolumeFile, KeyToPath
from wherry.machinery.validation import invalid, required


def key_to_path(path: str, item: KeyToPath) -> Errors:
    """One key of a Secret or ConfigMap as a file."""
    if not item.key:
        yield required(f"{path}.key")
    if not item.path:
        yield required(f"{path}.path")
    yield from file_inside(f"{path}.path", item.path)
    yield from file_mode(f"{path}.mode", item.mode)
    yield from user_id(f"{path}.user", item.user)


def downward_file(path: str, file: DownwardAPIVolumeFile) -> Errors:
    """One field or amount of the pod as a file."""
    if not file.path:
        yield required(f"{path}.path")
    yield from file_inside(f"{path}.path", file.path)
    if file.field_ref is not None:
        yield from field_ref(f"{path}.fieldRef", file.field_ref, VOLUME_FIELDS)
        if file.resource_field_ref is not None:
            yield invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif file.resource_field_ref is not None:
        yield from resource_ref(f"{path}.resourceFieldRef", file.resource_field_ref, in_volume=True)
    else:
        yield required(path, "one of fieldRef and resourceFieldRef is required")
    yield from file_mode(f"{path}.mode", file.mode)
    yield from user_id(f"{path}.user", file.user)
