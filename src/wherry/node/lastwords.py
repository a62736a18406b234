"""What a container said last: its termination message file, or the end of its log where the pod asks for that.

https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/
"""

from __future__ import annotations

import os
from pathlib import Path

from wherry.node.runtime.interface import Container

MAX_MESSAGE = 4096
MAX_LOG = 2048
MAX_LINES = 80


def read(path: Path, container: Container, policy: str) -> str:
    """The message of an ended container; "" if it left none. Never raises: the file is the container's to spoil."""
    text = _head(path, MAX_MESSAGE)
    if text or policy != "FallbackToLogsOnError" or container.exit_code == 0 or not container.log_path:
        return text
    lines = [_content(line) for line in _tail(Path(container.log_path), 4 * MAX_LOG).splitlines(keepends=True)]
    return "".join(lines[-MAX_LINES:])[-MAX_LOG:]


def _head(path: Path, limit: int) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, limit).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def _tail(path: Path, limit: int) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            return file.read(limit).decode(errors="replace")
    except OSError:
        return ""


def _content(line: str) -> str:
    """A CRI log line is `<time> <stream> <F|P> <content>`; P: goes on in the next."""
    parts = line.split(" ", 3)
    if len(parts) < 4:
        return line
    return parts[3] if parts[2] == "F" else parts[3].rstrip("\n")
