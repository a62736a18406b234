"""The suite and every program it needs, built from the Go module beside this file.

`build()` answers a folder with: `conformance.test`, `ginkgo`, `kubectl`, `helm`, the programs of the test images
(`agnhost`, `nonewprivs`, `regression-issue-74839`, `sample-apiserver`, `etcd`, `sh`), `specs.txt` (the names of all
conformance specs) and `images.txt` (the images the suite knows). Cold it takes a quarter of an hour on two cores, after
a change of a Go file here some seconds, otherwise nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conformance import cache

MODULE = Path(__file__).parent
VERSION_PACKAGE = "k8s.io/component-base/version"


class BuildError(Exception):
    """The suite cannot be built; the text says why and what to do."""


def version() -> str:
    """The version of Kubernetes whose suite this is, as go.mod requires it: "v1.37.2"."""
    found = re.search(r"^(?:require )?\s*k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise BuildError("tests/conformance/go.mod requires no k8s.io/kubernetes")
    return found[1]


def build() -> Path:
    """Build what is not built yet; the folder. Raises BuildError."""
    if shutil.which("go") is None:
        raise BuildError("the conformance suite is a Go program and there is no Go; run `make go`")
    sources = [MODULE / "go.mod", MODULE / "go.sum", *sorted(MODULE.glob("*.go")), *sorted(MODULE.glob("*/*/*.go"))]
    inputs = [_go("version").encode(), " ".join(_flags()).encode(), *(path.read_bytes() for path in sources)]
    return cache.made("suite", inputs, _make)


def module_folder(module: str) -> Path:
    """Where Go keeps a module's files. Raises BuildError."""
    return Path(_go("list", "-m", "-f", "{{.Dir}}", module).strip())


def _make(folder: Path) -> None:
    sys.stderr.write(f"building the conformance suite {version()} (a quarter of an hour when nothing is cached) ...\n")
    _go("test", "-c", "-vet=off", *_flags(), "-o", str(folder / "conformance.test"), ".")
    _go("build", *_flags(), "-o", f"{folder}/", "tool", "./images/sh")
    (folder / "server").rename(folder / "etcd")
    suite = folder / "conformance.test"
    names = _output([str(suite), "-list-tests"]).splitlines()
    specs = sorted({_spec(line) for line in names if "[Conformance]" in line})
    (folder / "specs.txt").write_text("".join(f"{name}\n" for name in specs))
    images = sorted({line.strip() for line in _output([str(suite), "-list-images"]).splitlines() if "/" in line})
    (folder / "images.txt").write_text("".join(f"{name}\n" for name in images))


def _spec(line: str) -> str:
    """The name in a line of -list-tests, which begins with its place: `apps/job.go:1: name`."""
    return re.sub(r"^\s*(\S+\.go:\d+:\s*)?", "", line).strip()


def _flags() -> list[str]:
    major, minor, _ = version().removeprefix("v").split(".")
    values = {"gitVersion": version(), "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    settings = " ".join(f"-X {VERSION_PACKAGE}.{name}={value}" for name, value in values.items())
    return ["-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {settings}"]


def _go(*arguments: str) -> str:
    return _output(["go", *arguments], env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"})


def _output(argv: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=MODULE, env=env)
    if done.returncode:
        raise BuildError(f"{' '.join(argv[:3])} ...: exit status {done.returncode}\n{done.stderr[-4000:]}")
    return done.stdout
