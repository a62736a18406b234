"""An image of one static program, as an OCI archive under several names, without any registry."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MEDIA = "application/vnd.oci.image"


def archive(path: Path, program: Path, names: Iterable[str]) -> Path:
    """Write the archive; its path. The program is the image's entry point."""
    layer = _tar({f"{program.name}": (program.read_bytes(), 0o755)})
    entry = {"Entrypoint": [f"/{program.name}"], "WorkingDir": "/"}
    rootfs = {"type": "layers", "diff_ids": [_digest(layer)]}
    config = _json({"architecture": "amd64", "os": "linux", "config": entry, "rootfs": rootfs})
    manifest = _json({
        "schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": _described("config.v1+json", config), "layers": [_described("layer.v1.tar", layer)],
    })  # fmt: skip
    found = _described("manifest.v1+json", manifest)
    index = {
        "schemaVersion": 2,
        "manifests": [{**found, "annotations": {"io.containerd.image.name": name}} for name in names],
    }
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": (blob, 0o644) for blob in (layer, config, manifest)}
    own = {"oci-layout": (b'{"imageLayoutVersion":"1.0.0"}', 0o644), "index.json": (_json(index), 0o644)}
    path.write_bytes(_tar({**blobs, **own}))
    return path


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name, (content, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return sink.getvalue()


def _described(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": f"{MEDIA}.{kind}", "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
