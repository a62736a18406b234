"""A container flips a folder of its volume between a folder and a link that leads out, while the agent opens it.

CVE-2017-1002101, CVE-2021-25741: what was checked must be what is opened. Whatever the moment, the descriptor is of
something inside the volume, or there is none, and nothing is made outside.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from wherry.host import mounts

ROUNDS = 2000


@pytest.mark.parametrize("target", ["../outside", "/outside-of-everything", "absolute"])
def test_no_flipped_link_leads_out(tmp_path: Path, target: str) -> None:
    """(Fails when links are resolved against the machine's root.)"""
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    for folder in (volume / "real" / "deep", outside / "deep"):
        folder.mkdir(parents=True)
    (outside / "deep" / "canary").write_text("secret")
    link = str(outside) if target == "absolute" else target
    (volume / "a").symlink_to("real")
    (volume / "b").symlink_to(link)
    stop = threading.Event()

    def flip() -> None:
        """`sub` is in turn the folder and the link; what the agent makes meanwhile gives way."""
        while not stop.is_set():
            for name in ("a", "b"):
                with contextlib.suppress(OSError):
                    os.rename(volume / name, volume / "sub")
                    os.rename(volume / "sub", volume / name)
                with contextlib.suppress(OSError):
                    os.rmdir(volume / "sub" / "deep")
                    os.rmdir(volume / "sub")

    flipping = threading.Thread(target=flip)
    flipping.start()
    opened = 0
    try:
        for number in range(ROUNDS):
            try:
                descriptor = mounts.beneath(volume, "sub") if number % 2 else mounts.folder_beneath(volume, "sub/deep")
            except OSError:
                continue
            where = os.readlink(f"/proc/self/fd/{descriptor}")
            os.close(descriptor)
            opened += 1
            assert Path(where).is_relative_to(volume), where
    finally:
        stop.set()
        flipping.join()
    assert opened
    assert [path.name for path in outside.rglob("*")] == ["deep", "canary"]
