"""All images of the suite in one registry folder, made once for each suite and each change of what is in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conformance import cache, suite
from tests.conformance.images import userland
from tests.conformance.images.contents import Contents
from tests.conformance.images.registry import Registry

HOST = "conformance.test"
"""The registry's name in image names; nodes are told where it is."""
MOVED = {
    "promoterE2eRegistry": "registry.k8s.io/e2e-test-images",
    "gcEtcdRegistry": "registry.k8s.io",
    "gcRegistry": "registry.k8s.io",
}
"""The suite's name for a registry -> where its images are in public. Only these hold images of conformance specs."""


def build(programs: Path) -> Path:
    """Make the registry's folder, if there is none yet for this module and these recipes."""
    here = Path(__file__).parent
    sources = [
        suite.MODULE / "go.mod",
        suite.MODULE / "go.sum",
        *sorted(here.glob("*.py")),
        *sorted(here.glob("*/*.go")),
    ]
    inputs = [path.read_bytes() for path in sources]

    def make(folder: Path) -> None:
        sys.stderr.write("building the images of the conformance specs ...\n")
        contents = Contents(programs, _userland().read_bytes())
        with Registry(folder / "registry", folder / "registry.log", read_only=False) as registry:
            for name in (programs / "images.txt").read_text().split():
                place, _, rest = name.rpartition("/")
                last, _, tag = rest.partition(":")
                image = contents.image(last, tag) if place in MOVED.values() else None
                if image is not None:
                    registry.push(_here(name).removeprefix(f"{HOST}/").partition(":")[0], tag, image)

    return cache.made("images", inputs, make) / "registry"


def repository_list() -> dict[str, str]:
    """The content of KUBE_TEST_REPO_LIST: where the suite is to find its registries."""
    return {name: _here(public) for name, public in MOVED.items()}


def _here(name: str) -> str:
    return HOST + name.removeprefix("registry.k8s.io")


def _userland() -> Path:
    inputs = [Path(userland.__file__).read_bytes()]
    try:
        return cache.made("userland", inputs, lambda folder: userland.make(folder / "layer.tar")) / "layer.tar"
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"mmdebstrap cannot make the userland of the images: {error.stderr}") from error
