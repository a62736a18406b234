"""Image layers and images in OCI format, written from plain values.

A `Tree` is what one layer holds, path -> `File`, `Link` or `Folder`; folders above a path come by themselves. An
`Image` is layers and a configuration.
https://github.com/opencontainers/image-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

MEDIA = "application/vnd.oci.image"
MANIFEST = f"{MEDIA}.manifest.v1+json"
INDEX = f"{MEDIA}.index.v1+json"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


@dataclass(frozen=True, slots=True)
class File:
    """A file's content, or where it lies on this machine."""

    content: bytes | Path
    mode: int = 0o644

    def data(self) -> bytes:
        """The content."""
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that has to exist, or to have a mode of its own."""

    mode: int = 0o755


Tree = Mapping[str, File | Link | Folder]


@dataclass(frozen=True, slots=True)
class Image:
    """Layers, lowest first, and the configuration's `config` object."""

    layers: tuple[bytes, ...]
    config: Mapping[str, Any] = field(default_factory=dict)

    def blobs(self) -> tuple[bytes, tuple[bytes, ...]]:
        """The manifest, and the blobs it refers to."""
        configuration = document(
            {
                "architecture": ARCHITECTURE,
                "os": "linux",
                "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], **self.config},
                "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in self.layers]},
            }
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(f"{MEDIA}.config.v1+json", configuration),
            "layers": [descriptor(f"{MEDIA}.layer.v1.tar", layer) for layer in self.layers],
        }
        return document(manifest), (configuration, *self.layers)


def layer(tree: Tree) -> bytes:
    """One layer: an uncompressed tar, the same for the same tree."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, entry in sorted({**_folders(tree), **tree}.items()):
            info = tarfile.TarInfo(path)
            match entry:
                case Folder(mode):
                    info.type, info.mode = tarfile.DIRTYPE, mode
                    tar.addfile(info)
                case Link(target):
                    info.type, info.linkname = tarfile.SYMTYPE, target
                    tar.addfile(info)
                case File():
                    data = entry.data()
                    info.size, info.mode = len(data), entry.mode
                    tar.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def _folders(tree: Tree) -> Tree:
    parents = {str(parent) for path in tree for parent in PurePosixPath(path).parents}
    return {parent: Folder() for parent in parents - {"."}}


def digest(blob: bytes) -> str:
    """A blob's name."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def descriptor(media: str, blob: bytes) -> dict[str, Any]:
    """What refers to a blob."""
    return {"mediaType": media, "digest": digest(blob), "size": len(blob)}


def document(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """JSON, always the same for the same value."""
    return json.dumps(value, sort_keys=True).encode()
