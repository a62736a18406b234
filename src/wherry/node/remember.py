"""The definition of each pod on this node, kept in its folder (`<pod>/pod.json`, 0600), for when the API is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec

from wherry.api.types.core import Pod
from wherry.machinery.codec import decode, encode

log = logging.getLogger(__name__)


def save(pods: Path, pod: Pod) -> None:
    """Keep the pod as it is now."""
    folder = pods / pod.metadata.uid
    path, temporary = folder / "pod.json", folder / "pod.json.new"
    data = encode(pod)
    try:
        folder.mkdir(exist_ok=True, mode=0o750)
        temporary.touch(mode=0o600)
        temporary.write_bytes(data)
        temporary.rename(path)
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
