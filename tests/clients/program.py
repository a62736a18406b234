"""The Go programs of the client tests: `operator` and `operator.test` from the module in `operator/`, pebble (an ACME
authority) and its DNS server from the one in `acme/`, upstream's adapter of metrics from the one in `adapter/`."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

from tests.conformance import cache

MODULE = Path(__file__).with_name("operator")
ACME = Path(__file__).with_name("acme")
ADAPTER = Path(__file__).with_name("adapter")


def build() -> Path:
    """Build what is not built yet; the folder of the programs. Cold it takes minutes. Raises AssertionError."""
    assert shutil.which("go"), "these clients are Go programs and there is no Go; run `make go`"
    sources = [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.glob("*.go"))]
    return cache.made("operator", [_go("version").encode(), *(path.read_bytes() for path in sources)], _make)


def build_acme() -> Path:
    """The same for `pebble` and `pebble-challtestsrv`."""
    assert shutil.which("go"), "pebble is a Go program and there is no Go; install Go 1.26 or newer (go.dev/dl)"
    return _tools("acme", ACME)


def build_adapter() -> Path:
    """The same for `test-adapter`, which the library that adapters are made with comes with."""
    assert shutil.which("go"), "upstream's adapter is a Go program and there is no Go; run `make go`"
    return _tools("adapter", ADAPTER)


def _tools(name: str, module: Path) -> Path:
    sources = [_go("version").encode(), *((module / file).read_bytes() for file in ("go.mod", "go.sum"))]
    return cache.made(name, sources, partial(_build_tools, module))


def _build_tools(module: Path, folder: Path) -> None:
    _go("build", "-trimpath", "-buildvcs=false", "-o", f"{folder}/", "tool", module=module)


def _make(folder: Path) -> None:
    _go("build", "-trimpath", "-buildvcs=false", "-o", str(folder / "operator"), ".")
    _go("test", "-c", "-trimpath", "-buildvcs=false", "-o", str(folder / "operator.test"), ".")


def _go(*arguments: str, module: Path = MODULE) -> str:
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(["go", *arguments], cwd=module, env=env, capture_output=True, text=True, check=False)
    assert not done.returncode, f"go {' '.join(arguments)}:\n{done.stderr[-5000:]}"
    return done.stdout
