"""nftables transactions through libnftables, in the text form, without starting a process.

One text is one transaction: everything in it takes effect at once or nothing does. Each thread has its own context and
its own netlink socket, opened in the network namespace the thread was in at its first call; so a thread that works in
another namespace enters it before it calls here. Callers put only validated atoms (addresses, ports, fixed words)
into a text: `wherry.network.rules`.

https://manpages.debian.org/libnftables
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import re
import threading
from typing import Any

_local = threading.local()
_TERSE = 1 << 11  # NFT_CTX_OUTPUT_TERSE: listings without the elements of sets


class NftError(Exception):
    """The kernel or the parser refused a transaction; nothing of it is in force. `reason` is the tool's message."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"packet rules refused: {reason}")
        self.reason = reason
        self.text = text


class NftMissing(Exception):
    """libnftables is not installed."""


def _load() -> Any:
    name = ctypes.util.find_library("nftables") or "libnftables.so.1"
    try:
        lib = ctypes.CDLL(name)
    except OSError as error:
        raise NftMissing("libnftables is missing: install the package libnftables1 (or nftables)") from error
    context = ctypes.c_void_p
    lib.nft_ctx_new.argtypes, lib.nft_ctx_new.restype = [ctypes.c_uint32], context
    lib.nft_ctx_free.argtypes, lib.nft_ctx_free.restype = [context], None
    lib.nft_run_cmd_from_filename.argtypes = [context, ctypes.c_char_p]
    lib.nft_run_cmd_from_filename.restype = ctypes.c_int
    lib.nft_ctx_output_set_flags.argtypes = [context, ctypes.c_uint]
    lib.nft_ctx_output_set_flags.restype = None
    for function in (lib.nft_ctx_get_output_buffer, lib.nft_ctx_get_error_buffer):
        function.argtypes, function.restype = [context], ctypes.c_char_p
    for function in (lib.nft_ctx_buffer_output, lib.nft_ctx_buffer_error):
        function.argtypes, function.restype = [context], ctypes.c_int
    return lib


class _Context:
    """One libnftables context; freed with its thread."""

    def __init__(self) -> None:
        self.lib = _load()
        self.handle = self.lib.nft_ctx_new(0)
        if not self.handle:
            raise NftMissing("libnftables cannot start: no memory or no netlink socket")
        self.lib.nft_ctx_buffer_output(self.handle)
        self.lib.nft_ctx_buffer_error(self.handle)

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self.lib.nft_ctx_free(self.handle)


def _explain(message: str, text: str) -> str:
    """The first error, with the line of `text` it is about: messages begin with `FILE:LINE:COLUMNS: `."""
    first = next((line.strip() for line in message.splitlines() if line.strip()), "no message")
    place = re.match(r"[^:\s]+:(\d+):[\d-]+: ", first)
    lines = text.splitlines()
    if place and 0 < int(place[1]) <= len(lines):
        return f"{first[place.end() :]} in: {lines[int(place[1]) - 1].strip()[:200]}"
    return first


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _context() -> _Context:
    context: _Context | None = getattr(_local, "context", None)
    if context is None:
        context = _local.context = _Context()
    return context


def run(text: str) -> str:
    """Apply one transaction, or run one listing command, and return what it prints. Blocks; milliseconds.

    Raises NftError with the failing line, NftMissing.
    """
    context = _context()
    # a file, not a buffer: only then do messages carry the right line
    file = os.memfd_create("nft", os.MFD_CLOEXEC)
    try:
        _write(file, text.encode())
        code = context.lib.nft_run_cmd_from_filename(context.handle, f"/proc/self/fd/{file}".encode())
    finally:
        os.close(file)
    output: bytes = context.lib.nft_ctx_get_output_buffer(context.handle) or b""
    error: bytes = context.lib.nft_ctx_get_error_buffer(context.handle) or b""
    if code != 0:
        raise NftError(_explain(error.decode(errors="replace"), text), text)
    return output.decode(errors="replace")


def outline(table: str) -> str:
    """The listing of a table of family ip, without the elements of its sets, whatever their number; "" without such a
    table. Blocks; milliseconds. Raises NftMissing."""
    context = _context()
    context.lib.nft_ctx_output_set_flags(context.handle, _TERSE)
    try:
        return run(f"list table ip {table}\n")
    except NftError:
        return ""
    finally:
        context.lib.nft_ctx_output_set_flags(context.handle, 0)
