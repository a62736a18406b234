"""The definition of each pod on this node, kept in its folder (`<pod>/pod.json`, 0600), for when the API is away."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wherry.api.types.core import Pod
from wherry.machinery.codec import decode, encode

log = logging.getLogger(__name__)

_FRESH = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def save(pods: Path, pod: Pod) -> None:
    """Keep the pod as it is now."""
    folder = f"{pods}/{pod.metadata.uid}"
    path, temporary = f"{folder}/pod.json", f"{folder}/pod.json.new"
    data = encode(pod)
    try:
        try:
            file = os.open(temporary, _FRESH, 0o600)
        except FileNotFoundError:  # the first time
            os.mkdir(folder, 0o750)
            file = os.open(temporary, _FRESH, 0o600)
        with os.fdopen(file, "wb") as new:
            new.write(data)
        os.rename(temporary, path)
    except OSError as error:
        log.warning("cannot keep a copy of pod %s: %s", pod.metadata.name, error)


def load(pods: Path) -> Iterator[Pod]:
    """Every pod that was kept. What cannot be read is skipped: the API tells again."""
    for path in sorted(pods.glob("*/pod.json")):
        try:
            yield decode(Pod, path.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            log.warning("%s cannot be read: %s", path, error)


def forget(pods: Path, uid: str) -> None:
    """The pod is gone."""
    folder = pods / uid
    (folder / "pod.json").unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
