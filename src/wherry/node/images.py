"""Images that come from files: the pause image every sandbox needs, and archives that a user loads.

The pause image is made here from the distribution's `catatonit` (statically linked; `-P` waits for ever and reaps), as
an OCI archive that is the same byte for byte each time, and imported under a name that no registry serves, pinned so
that no garbage collection removes it.
https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from wherry.host import processes
from wherry.host.containerd import SANDBOX_IMAGE, Settings, StartError

_MEDIA = "application/vnd.oci.image"


def archive(name: str, files: Mapping[str, bytes], command: Sequence[str], *, path: str = "/bin") -> bytes:
    """An OCI archive (tar) of a one-layer image `name` holding `files` (path -> content, mode 0755)."""
    layer = _tar({path.lstrip("/"): content for path, content in files.items()}, 0o755)
    config = json.dumps(
        {
            "architecture": "amd64" if _is_amd64() else "arm64",
            "os": "linux",
            "config": {"Entrypoint": list(command), "Env": [f"PATH={path}"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _descriptor(f"{_MEDIA}.config.v1+json", config),
            "layers": [_descriptor(f"{_MEDIA}.layer.v1.tar", layer)],
        }
    ).encode()
    entry = _descriptor(f"{_MEDIA}.manifest.v1+json", manifest)
    index = json.dumps(
        {"schemaVersion": 2, "manifests": [{**entry, "annotations": {"io.containerd.image.name": name}}]}
    ).encode()
    blobs = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (layer, config, manifest)}
    return _tar({"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', **blobs, "index.json": index}, 0o644)


def _is_amd64() -> bool:
    return platform.machine() == "x86_64"


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": media, "digest": _digest(blob), "size": len(blob)}


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        folders = sorted({str(parent) for name in files for parent in Path(name).parents if str(parent) != "."})
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            tar.addfile(info, io.BytesIO(content))
    return sink.getvalue()


async def load(settings: Settings, path: Path) -> tuple[str, ...]:
    """Import a Docker or OCI archive into the node's containerd; answers the image names. Raises ProgramError."""
    out = await processes.run(_ctr(settings, "import", "--all-platforms", str(path)))
    words = (line.split()[1] for line in out.decode().splitlines() if line.startswith("unpacking "))
    return tuple(words)


async def ensure_pause(settings: Settings) -> None:
    """Make and import the pause image, once. Raises StartError or ProgramError."""
    marker = settings.root / "pause.tar"
    program = shutil.which("catatonit")
    if program is None:
        raise StartError("catatonit is not installed; install the package catatonit")
    if settings.sandbox_image != SANDBOX_IMAGE:
        return
    data = _pause(Path(program))
    held = (await processes.run(_ctr(settings, "list", "-q"))).decode().split()
    if SANDBOX_IMAGE in held and marker.exists() and marker.read_bytes() == data:
        return
    marker.write_bytes(data)
    await load(settings, marker)
    await processes.run(_ctr(settings, "label", SANDBOX_IMAGE, "io.cri-containerd.pinned=pinned"))


def _pause(program: Path) -> bytes:
    """The archive of the pause image."""
    return archive(SANDBOX_IMAGE, {"/pause": program.read_bytes()}, ("/pause", "-P"))


def _ctr(settings: Settings, command: str, *arguments: str) -> list[str]:
    return ["ctr", "--address", str(settings.socket), "--namespace", "k8s.io", "images", command, *arguments]
