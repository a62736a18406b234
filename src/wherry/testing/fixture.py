"""pytest fixture `cluster`: one cluster for a whole test session.

In a conftest: `pytest_plugins = ["wherry.testing.fixture"]`.

Tests that share it work in namespaces of their own; a test that stops or breaks the cluster makes its own `Cluster`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wherry.testing.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node, up and Ready."""
    with Cluster(tmp_path_factory.mktemp("wherry") / "cluster") as it:
        yield it
