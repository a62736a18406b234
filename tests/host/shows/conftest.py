"""Clusters for the shows: one of a node for all modules that do not stop it, with the test image loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import image
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image archive."""
    return image.archive(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, tools: Path) -> Iterator[Cluster]:
    """A cluster of one node."""
    with Cluster(tmp_path_factory.mktemp("shows") / "cluster") as it:
        it.load_image(tools)
        yield it


@pytest.fixture
def rest(cluster: Cluster) -> Rest:
    """Its API."""
    return Rest(cluster.kubeconfig)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test, gone with all that is in it afterwards."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-")
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--timeout=60s")
