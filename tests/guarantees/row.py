"""Row, Proof, Fault: a promise, the tests that prove it, and the faults that each of these tests must see.

A fault is a small change of the product: exact text that stands once in a file below src/wherry, and what takes its
place. A text that is not found exactly once is an error (`make unit` checks it), so that the list follows the code.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "src" / "wherry"


class Edit(msgspec.Struct, frozen=True):
    """`text` in `file` (below src/wherry) becomes `instead`."""

    file: str
    text: str
    instead: str

    def apply(self, product: Path = PRODUCT) -> str:
        """The file's changed text. Raises LookupError unless `text` stands in it exactly once."""
        source = (product / self.file).read_text()
        if (found := source.count(self.text)) != 1:
            raise LookupError(f"{self.file}: found {found} times, not once: {self.text!r}")
        return source.replace(self.text, self.instead)


class Fault(msgspec.Struct, frozen=True):
    """What is broken, in words ("an update is accepted at any revision"), and how."""

    name: str
    edits: tuple[Edit, ...]


class Proof(msgspec.Struct, frozen=True):
    """A test (a pytest node id; without [...] every case of it) and the faults that it must see, one by one."""

    test: str
    faults: tuple[Fault, ...]
    environ: tuple[tuple[str, str], ...] = ()
    """Variables that make the test longer or shorter, as ("WHERRY_ROUNDS", "20")."""

    @property
    def host(self) -> bool:
        """It needs root and touches the machine."""
        return self.test.startswith(("tests/host/", "tests/clients/"))


class Row(msgspec.Struct, frozen=True):
    """A promise. `id` is its section and a name, as "2.bookmarks"."""

    id: str
    promise: str
    proofs: tuple[Proof, ...] = ()
    missing: str = ""
    """What of the promise no test proves yet."""
    longer: str = ""
    """How the tests are made to try as often as the promise says."""


def fault(name: str, file: str, text: str, instead: str) -> Fault:
    """A fault of one edit."""
    return Fault(name, (Edit(file, text, instead),))
