"""What tests of lost nodes share: the archive of the test image."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import image


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image archive."""
    return image.archive(tmp_path_factory.mktemp("image"))
