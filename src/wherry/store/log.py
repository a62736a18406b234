"""Log: what every store must do. Bytes under string keys, one revision for the whole store, changes in order.

Contract (tests/contracts/store/ runs on every implementation):
- one revision counter for the whole store; each committed write gets the next one; it never goes back, not even after
  a crash or after every key is gone;
- `append` returns only when the write is durable: it survives kill -9 and loss of power;
- compare-and-swap: `expected` is the revision at which the key was last written, 0 for "must not exist", None for
  "whatever it is"; otherwise `Changed` is raised and nothing is written;
- deleting a key that does not exist raises `Changed` with current 0, whatever was expected: there is nothing to record;
- every subscriber sees every later change exactly once, in revision order, only after it is durable;
- values are stored without their revision: whoever serves them adds it (`wherry.store.window`);
- a commit that fails on I/O raises `OutcomeUnknown`; from then on every call raises `Unavailable`, until the store is
  opened again: nothing is ever retried on the same handle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Record(NamedTuple):
    """A live key: `revision` is when it was last written, `created` when it came to be."""

    key: str
    value: bytes
    revision: int
    created: int


class Change(NamedTuple):
    """One committed write. `value` None means deleted; `created` as in Record.

    `previous_revision` is when the value it replaced was written (0: the key did not exist). `previous` is that value
    in what `after` returns; subscribers get None there: they have seen it.
    """

    revision: int
    key: str
    value: bytes | None
    previous_revision: int
    created: int
    previous: bytes | None = None


class Changed(Exception):
    """The key is not at the expected revision; `current` is the revision it is at (0: it does not exist)."""

    def __init__(self, key: str, current: int) -> None:
        super().__init__(f"{key}: at revision {current}")
        self.key = key
        self.current = current


class Compacted(Exception):
    """Asked for history before `oldest`, which is gone. `oldest` itself can still be asked for."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"history before revision {oldest} is gone")
        self.oldest = oldest


class Unavailable(Exception):
    """The store cannot take writes any more; open it again. Nothing was written."""


class OutcomeUnknown(Unavailable):
    """The store failed while writing this: only opening it again tells whether it is there."""


UNREADABLE = b'{"metadata":{},"unreadable":true}'
"""What is read instead of a value that cannot be decrypted. Windows keep such keys apart."""

Deliver = Callable[[Sequence[Change]], None]


class InUse(Exception):
    """Another process has the store open."""


class Log(Protocol):
    """A durable, revisioned log of writes."""

    @property
    def revision(self) -> int:
        """The newest committed revision that subscribers have been given."""

    @property
    def compacted(self) -> int:
        """History up to here is forgotten: `after` works from this revision on."""

    async def append(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write (or delete, with None) one key; return the revision once it is durable.

        Raises Changed, Unavailable, OutcomeUnknown.
        """

    async def list(self, prefix: str) -> tuple[int, Sequence[Record]]:
        """Every live key under `prefix`, sorted by key, and the revision at which that is true."""

    async def after(self, revision: int) -> Sequence[Change]:
        """Every kept change later than `revision`, in order. Raises Compacted when some of them are gone."""

    async def compact(self, revision: int) -> None:
        """Forget history up to `revision` (live values stay), or up to the present if that is earlier."""

    def subscribe(self, deliver: Deliver) -> Callable[[], None]:
        """Call `deliver` on the event loop with each committed batch, in order; returns what ends the subscription.

        A write's own caller is woken only after `deliver` was called with it: who wrote can read it in the window.
        `deliver` must not raise; if it does, that is logged and the batch counts as delivered.
        """

    async def close(self) -> None:
        """Flush and release everything; what is called afterwards raises Unavailable. May be called twice."""
