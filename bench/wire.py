"""A lean HTTP/1.1 client over TLS, so that the client's own cost stays small beside the server's."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is and who we are (PEM files)."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS with the client certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.load_cert_chain(str(self.certificate), str(self.key))
        return context


class Wire:
    """One kept connection. Requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, access: Access, context: ssl.SSLContext) -> Wire:
        """Connect."""
        reader, writer = await asyncio.open_connection(access.host, access.port, ssl=context, limit=1 << 26)
        return cls(reader, writer)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """One request; answers (status, body)."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: application/json\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        lower = answer.lower()
        at = lower.find(b"content-length:")
        if at >= 0:
            return status, await self.reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
        return status, await self._chunks()

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self.reader.readline(), 16):
            parts.append(await self.reader.readexactly(size))
            await self.reader.readexactly(2)
        await self.reader.readline()
        return b"".join(parts)

    async def chunk(self) -> bytes:
        """The next piece of a stream (a watch)."""
        size = int(await self.reader.readline(), 16)
        data = await self.reader.readexactly(size)
        await self.reader.readexactly(2)
        return data

    async def start(self, path: str) -> int:
        """Begin a streamed GET; answers the status."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        return int((await self.reader.readuntil(b"\r\n\r\n"))[9:12])

    def close(self) -> None:
        """Hang up."""
        self.writer.close()
