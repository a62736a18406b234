"""A cluster's configuration in a folder of its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from wherry.aio.clock import SystemClock
from wherry.app.config import Config
from wherry.host.keys import Pki


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A cluster's configuration with its keys made, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = Config(root=str(tmp_path / "root"), port=port, listen="127.0.0.1", hostname="n1")
    config.state.mkdir()
    for folder in (config.server, config.logs):
        folder.mkdir()
    Pki(config.pki, SystemClock()).ensure(("localhost",), ("127.0.0.1",))
    return config
