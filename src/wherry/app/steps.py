"""Named, timed steps: what `wherry up` and its siblings are doing, told to whoever draws it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wherry.aio.clock import Clock


class Failed(Exception):
    """A command cannot do what it was asked. `cause` and `remedy` are half-sentences; `code` is the exit status."""

    def __init__(self, cause: str, remedy: str = "", *, code: int = 1) -> None:
        super().__init__(f"{cause}; {remedy}" if remedy else cause)
        self.cause = cause
        self.remedy = remedy
        self.code = code


@dataclass(slots=True)
class Step:
    """One step: what it is called, how long it took (seconds), what it found out, whether it changed anything."""

    name: str
    seconds: float = 0.0
    detail: str = ""
    changed: bool = True
    done: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "step": self.name,
            "seconds": round(self.seconds, 3),
            "detail": self.detail,
            "changed": self.changed,
        }


Report = Callable[[Step], None]


class Steps:
    """Runs steps and reports each when it begins and when it is done."""

    def __init__(self, clock: Clock, report: Report) -> None:
        self._clock = clock
        self._report = report
        self.taken: list[Step] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time the block; it may set `detail` and `changed`."""
        step = Step(name)
        self.taken.append(step)
        self._report(step)
        begun = self._clock.monotonic()
        yield step
        step.seconds = self._clock.monotonic() - begun
        step.done = True
        self._report(step)
