"""A certificate and its key, as files. By itself, so that who only names them need not load cryptography."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path

    def at(self, folder: Path) -> Pair:
        """The same files in another folder."""
        return Pair(folder / self.certificate.name, folder / self.key.name)

    def exists(self) -> bool:
        """Whether both files are there."""
        return self.certificate.exists() and self.key.exists()


def pair(folder: Path, name: str) -> Pair:
    """The files `<name>.crt` and `<name>.key`."""
    return Pair(folder / f"{name}.crt", folder / f"{name}.key")
