"""The image for tests with whole clusters: busybox with its applets, and a small HTTP server, without any registry.

`archive(folder)` writes `<folder>/tools.tar`, an OCI archive that names one image twice, so that `kubectl set image`
has something to change: `TOOLS` and `TOOLS_2`. Contents: busybox-static under /bin, this Python with exactly the
modules and libraries that `server.py` loads, and `server.py` as /server.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

TOOLS = "wherry.test/tools:1"
TOOLS_2 = "wherry.test/tools:2"
SERVE = ["/usr/bin/python3", "-I", "-S", "/server.py"]
"""Command of the HTTP server, port 8080."""
BUSYBOX = Path("/bin/busybox")
SERVER = Path(__file__).with_name("server.py")
MEDIA = "application/vnd.oci.image"


def archive(folder: Path, server: Path = SERVER) -> Path:
    """Write the archive, with this program as its server; its path."""
    layer = _layer(server)
    config = _json(
        {
            "architecture": "amd64" if platform.machine() == "x86_64" else "arm64",
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin:/usr/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{MEDIA}.manifest.v1+json",
            "config": _descriptor("config.v1+json", config),
            "layers": [_descriptor("layer.v1.tar", layer)],
        }
    )
    entry = _descriptor("manifest.v1+json", manifest)
    named = [{**entry, "annotations": {"io.containerd.image.name": name}} for name in (TOOLS, TOOLS_2)]
    files = {f"blobs/sha256/{_digest(blob)[7:]}": blob for blob in (layer, config, manifest)}
    files |= {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'}
    files |= {"index.json": _json({"schemaVersion": 2, "manifests": named})}
    path = folder / "tools.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            _add(tar, name, content, 0o644)
    return path


def _layer(server: Path) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for folder in ("bin", "etc", "tmp", "usr", "usr/bin", "root", "data"):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o1777 if folder in ("tmp", "data") else 0o755
            tar.addfile(info)
        _add(tar, "bin/busybox", BUSYBOX.read_bytes(), 0o755)
        applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        _add(tar, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add(tar, "server.py", server.read_bytes(), 0o644)
        interpreter = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
        link = tarfile.TarInfo("usr/bin/python3")  # it finds its library by its own place, as on the machine
        link.type, link.linkname = tarfile.SYMTYPE, str(interpreter)
        tar.addfile(link)
        for file in (interpreter, *_needed(interpreter, server)):
            _add(tar, str(file).lstrip("/"), file.read_bytes(), 0o755)
    return sink.getvalue()


def _needed(interpreter: Path, server: Path) -> list[Path]:
    """Modules that the server or a look-up of a name needs, and the libraries of those and of the interpreter."""
    code = (
        f"import sys, select, runpy; 'a'.encode('idna'); runpy.run_path({str(server)!r}); "
        "print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)), sep='\\n')"
    )
    said = subprocess.run([interpreter, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    modules = [Path(line) for line in said.split() if line != str(server)]
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    modules += [*library.joinpath("encodings").glob("*.py"), library / "os.py"]
    shared = [interpreter, *(module for module in modules if module.suffix == ".so")]
    listing = subprocess.run(["ldd", *shared], capture_output=True, text=True, check=True).stdout
    libraries = [Path(found) for found in re.findall(r"(/\S+) \(0x", listing)]
    return sorted({*modules, *libraries, *(Path(os.path.realpath(one)) for one in libraries)})


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _descriptor(media: str, blob: bytes) -> dict[str, object]:
    return {"mediaType": f"{MEDIA}.{media}", "digest": _digest(blob), "size": len(blob)}
