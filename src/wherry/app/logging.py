"""Logs of the server and the agents: one line per event on stderr, which their keeper writes to a file."""

from __future__ import annotations

import logging
import sys
import time


class Lines(logging.Formatter):
    """`2026-01-31T12:00:00.123Z WARNING module: text`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """UTC with milliseconds."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z"


def set_up(*, verbose: bool) -> None:
    """Log to stderr: information of our own, warnings of libraries."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wherry").setLevel(logging.DEBUG if verbose else logging.INFO)
