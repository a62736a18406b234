"""Names of HAProxy's sockets have an end: a root that is too long is told, not tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.host.haproxy import Haproxy, HaproxyError


async def test_a_folder_that_is_too_deep_is_told() -> None:
    folder = Path("/" + "x" * 90)
    with pytest.raises(
        HaproxyError, match=r"master.sock is too long for the name of a socket .* --root that is shorter"
    ):
        await Haproxy(folder).start()
