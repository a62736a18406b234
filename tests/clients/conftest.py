"""One cluster of a node for all clients, with the test image loaded, and a namespace for each test."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import image
from tests.support.rest import Rest
from wherry.testing.cluster import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of one node."""
    with Cluster(tmp_path_factory.mktemp("clients") / "cluster") as it:
        it.load_image(image.archive(tmp_path_factory.mktemp("image")))
        yield it


@pytest.fixture
def kubeconfig(cluster: Cluster) -> Path:
    """What a client is given."""
    return cluster.kubeconfig


@pytest.fixture
def rest(cluster: Cluster) -> Rest:
    """The API, seen by no client's eyes."""
    return Rest(cluster.kubeconfig)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for one test, gone with all that is in it afterwards."""
    module = request.module.__name__.rsplit(".", 1)[-1]
    name = f"{module}-{request.node.originalname}".replace("test_", "").replace("_", "-")[:50].strip("-")
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--timeout=60s")


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Some clients leave sockets for the garbage collector to close: here, so that no other test is blamed."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        gc.collect()
