"""What runs of `python -m tests.guarantees` found, in a file: an interrupted one goes on where it was.

A JSON object a line. A line counts only for the state that it was found on: a change of the product or of the tests
makes it a matter of how long things take, by which the quick ones come first.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from tests.guarantees.row import PRODUCT, ROOT
from tests.guarantees.verdict import Verdict, Word

Name = tuple[tuple[str, ...], str | None, tuple[tuple[str, str], ...]]
"""Which try: its tests, the fault's name (None: no fault), its environment."""


class Line(msgspec.Struct, frozen=True):
    """A try and its verdict: `took` in seconds, `ended` as UTC, `state` as `state()`."""

    state: str
    ended: str
    row: str
    tests: tuple[str, ...]
    fault: str | None
    environ: tuple[tuple[str, str], ...]
    word: Word
    reason: str
    took: float

    @property
    def name(self) -> Name:
        """Of the try."""
        return self.tests, self.fault, self.environ


class Record:
    """The lines of a file, which need not be there; without a file, nothing is known and nothing kept."""

    def __init__(self, path: Path | None, now: str) -> None:
        self.now = now
        self._path = path
        text = path.read_bytes() if path is not None and path.exists() else b""
        self._lines = {line.name: line for line in map(_line, text.splitlines()) if line is not None}

    def known(self, name: Name) -> Verdict | None:
        """What became of it on this state, if it was as it has to be."""
        line = self._lines.get(name)
        found = line is not None and line.state == self.now and line.word in ("seen", "passed")
        return Verdict(line.word, line.reason) if found and line is not None else None

    def took(self, name: Name) -> float:
        """Seconds, when it was last tried; 0 if it never was."""
        line = self._lines.get(name)
        return 0.0 if line is None else line.took

    def keep(self, line: Line) -> None:
        """Add it, at once: whoever is interrupted has all but the try that ran."""
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(b"\n" + msgspec.json.encode(line))  # the last line may have been cut off


def _line(text: bytes) -> Line | None:
    """None: it was cut off."""
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError:
        return None


def state() -> str:
    """A digest of the product's and the tests' files."""
    found = hashlib.blake2b(digest_size=8)
    for folder in (PRODUCT, ROOT / "tests"):
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            found.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return found.hexdigest()
