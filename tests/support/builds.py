"""Builds of wherry from this tree under other versions, each in an environment of its own, as two releases would be.

The wheel is built as for a release, from a copy of the tree in which the version and some lines are others. Its
environment sees the libraries of the one that runs the tests, so that neither time nor network is spent on them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
COPIED = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src", "hack/schema")


class Change(NamedTuple):
    """A line of a file (relative to src/wherry) that is another in a build."""

    file: str
    old: str
    new: str


ADDED_FIELD: Sequence[Change] = (
    Change("api/types/core.py", "    tty: bool = False\n", '    tempo: str = ""\n    tty: bool = False\n'),
    Change(
        "api/core/podspec_defaults.py",
        '        termination_message_policy="File",\n',
        '        tempo="Andante",\n        termination_message_policy="File",\n',
    ),
)
"""Containers have a field more, which is always given a default."""


def build(folder: Path, version: str, changes: Sequence[Change] = (), root: Path = ROOT) -> Path:
    """The interpreter of an environment with wherry of this version, from the tree at `root`."""
    source = folder / f"source-{version}"
    for name in COPIED:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (root / name).is_dir():
            shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, source / name)
    settings = source / "pyproject.toml"
    text, count = re.subn(r'(?m)^version = ".*"$', f'version = "{version}"', settings.read_text())
    assert count == 1, "pyproject.toml names its version once"
    settings.write_text(text)
    _change(source / "src/wherry", changes)
    wheels, place = folder / f"wheel-{version}", folder / version
    uv("build", "--quiet", "--wheel", "--out-dir", str(wheels), str(source))
    (wheel,) = wheels.glob("*.whl")
    uv("venv", "--quiet", "--python", sys.executable, str(place))
    python = place / "bin" / "python"
    uv("pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel))
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    said = subprocess.run(
        [python, "-I", "-m", "wherry.cli.main", "version"], capture_output=True, text=True, check=True
    ).stdout
    assert said.split()[:2] == ["wherry", version], said
    return python


def earlier(folder: Path, revision: str) -> Path:
    """The tree of this repository as it was at a revision. Raises AssertionError when its history lacks that."""
    packed = folder / "earlier.tar"
    argv = ["git", "-C", str(ROOT), "archive", "--output", str(packed), revision, "--", *COPIED]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"no tree of {revision}: {done.stderr}; fetch the whole history"
    tree = folder / "earlier"
    with tarfile.open(packed) as archive:
        archive.extractall(tree, filter="data")
    return tree


def altered(python: Path, folder: Path, changes: Sequence[Change]) -> Path:
    """The interpreter of a copy of an environment, in which some lines of wherry are others."""
    place = shutil.copytree(python.parents[1], folder, symlinks=True)
    (package,) = place.glob("lib/python*/site-packages/wherry")
    _change(package, changes)
    return place / "bin" / "python"


def _change(package: Path, changes: Sequence[Change]) -> None:
    for change in changes:
        path = package / change.file
        before = path.read_text()
        assert change.old in before, f"{change.file} has no {change.old!r}"
        path.unlink()  # it may be a link to the same file elsewhere
        path.write_text(before.replace(change.old, change.new))


def uv(*arguments: str) -> None:
    """Run uv. Raises AssertionError with what it said."""
    program = shutil.which("uv") or str(ROOT / "build/bootstrap/bin/uv")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"uv {' '.join(arguments)}: {done.stderr}"
