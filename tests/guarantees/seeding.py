"""A throwaway Python environment whose wherry is a copy with a fault in it.

The working tree is not touched. Whatever a test starts with `sys.executable` runs the copy too, with `-I` as well.
"""

from __future__ import annotations

import shutil
import site
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.guarantees.row import PRODUCT, Fault


@contextmanager
def environment(fault: Fault | None) -> Iterator[Path]:
    """The folder of such an environment: `bin/python` runs it. Raises LookupError as Edit.apply."""
    with tempfile.TemporaryDirectory(prefix="wherry-fault-") as name:
        folder = Path(name)
        product = folder / "src" / "wherry"
        shutil.copytree(PRODUCT, product)
        for edit in () if fault is None else fault.edits:
            (product / edit.file).write_text(edit.apply(product))
        _interpreter(folder)
        yield folder


def _interpreter(folder: Path) -> None:
    """Like this one, but it finds the copy before anything else."""
    (folder / "bin").mkdir()
    for program in Path(sys.prefix, "bin").iterdir():
        (folder / "bin" / program.name).symlink_to(program.resolve())
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), folder / "pyvenv.cfg")
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    ours = [str(folder / "src"), *(f"import site; site.addsitedir({path!r})" for path in site.getsitepackages())]
    (packages / "fault.pth").write_text("\n".join(ours) + "\n")
