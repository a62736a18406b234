"""containerd's registry files: written as it reads them, and gone when a registry is forgotten."""

import tomllib
from pathlib import Path

from wherry.host import containerd
from wherry.host.containerd import Settings


def test_registries_are_kept_and_forgotten(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "root", tmp_path / "run", tmp_path / "cni")
    assert not containerd.keep_registries(settings, {})
    both = {"lan:5000": "http://10.0.0.1:5000", "docker.io": "https://mirror.example"}
    assert containerd.keep_registries(settings, both)
    assert not containerd.keep_registries(settings, both)
    found = tomllib.loads((settings.certs / "lan:5000" / "hosts.toml").read_text())
    assert found == {
        "server": "http://10.0.0.1:5000",
        "host": {"http://10.0.0.1:5000": {"capabilities": ["pull", "resolve"]}},
    }
    assert containerd.keep_registries(settings, {"docker.io": "https://mirror.example"})
    assert [folder.name for folder in settings.certs.iterdir()] == ["docker.io"]
