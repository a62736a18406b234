"""Said: something that fails again and again is told once a minute, not each time."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.aio.clock import Clock

REPEAT = 60.0
"""Seconds after which the log says the same again."""


@dataclass(slots=True)
class Said:
    """What was told last."""

    clock: Clock
    text: str = ""
    at: float = float("-inf")

    def is_news(self, text: str) -> bool:
        """Whether it is another text, or a while since."""
        now = self.clock.monotonic()
        if text == self.text and now - self.at < REPEAT:
            return False
        self.text, self.at = text, now
        return True
