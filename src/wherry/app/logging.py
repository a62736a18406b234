"""Logs of the server and the agents: one line per event on stderr, which their keeper writes to a file."""

from __future__ import annotations

import json
import logging
import os
import sys
import time


class Lines(logging.Formatter):
    """`2026-01-31T12:00:00.123Z WARNING module: text`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """UTC with milliseconds."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{record.msecs:03.0f}Z"


class Json(Lines):
    """One JSON object per line: ts (RFC 3339), level, logger, msg, and trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = {
            "ts": self.formatTime(record), "level": record.levelname.lower(), "logger": record.name,
            "msg": record.getMessage(),
        }  # fmt: skip
        if record.exc_info:
            told["trace"] = self.formatException(record.exc_info)
        return json.dumps(told)


def set_up(*, verbose: bool) -> None:
    """Log to stderr: information of our own, warnings of libraries. WHERRY_LOG_FORMAT=json: as JSON objects."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Json() if os.environ.get("WHERRY_LOG_FORMAT") == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("wherry").setLevel(logging.DEBUG if verbose else logging.INFO)
