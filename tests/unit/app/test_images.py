"""Image names as the nodes will look for them."""

import pytest

from wherry.app.images import qualified


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("web", "docker.io/library/web:latest"),
        ("web:1", "docker.io/library/web:1"),
        ("me/web:1", "docker.io/me/web:1"),
        ("localhost/web:1", "localhost/web:1"),
        ("localhost:5000/web", "localhost:5000/web:latest"),
        ("ghcr.io/a/b/c@sha256:ab", "ghcr.io/a/b/c@sha256:ab"),
    ],
)
def test_names_are_completed(given: str, full: str) -> None:
    assert qualified(given) == full
