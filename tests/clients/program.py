"""The Go programs of the client tests, built from the module in `operator/`: `operator`, and `operator.test`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.conformance import cache

MODULE = Path(__file__).with_name("operator")


def build() -> Path:
    """Build what is not built yet; the folder of the programs. Cold it takes minutes. Raises AssertionError."""
    assert shutil.which("go"), "these clients are Go programs and there is no Go; run `make go`"
    sources = [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.glob("*.go"))]
    return cache.made("operator", [_go("version").encode(), *(path.read_bytes() for path in sources)], _make)


def _make(folder: Path) -> None:
    _go("build", "-trimpath", "-buildvcs=false", "-o", str(folder / "operator"), ".")
    _go("test", "-c", "-trimpath", "-buildvcs=false", "-o", str(folder / "operator.test"), ".")


def _go(*arguments: str) -> str:
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(["go", *arguments], cwd=MODULE, env=env, capture_output=True, text=True, check=False)
    assert not done.returncode, f"go {' '.join(arguments)}:\n{done.stderr[-5000:]}"
    return done.stdout
