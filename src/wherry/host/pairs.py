"""A certificate and its key, as files. By itself, so that who only names them need not load cryptography."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path

    def exists(self) -> bool:
        """Whether both files are there."""
        return self.certificate.exists() and self.key.exists()


def pair(folder: Path, name: str) -> Pair:
    """The files `<name>.crt` and `<name>.key`."""
    return Pair(folder / f"{name}.crt", folder / f"{name}.key")
