"""The builds and the image that all tests of upgrades use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import image
from tests.support import releases as made
from tests.support.releases import Releases


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image archive."""
    return image.archive(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """Two builds, and a broken one; tests of one file may install one in the place of another."""
    return made.make(tmp_path_factory.mktemp("releases"))
