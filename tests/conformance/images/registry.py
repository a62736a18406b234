"""A registry on this machine: Debian's docker-registry over a folder, filled once, then only read.

`Registry` runs it in a `with` block; `push` puts an image into it by the distribution protocol.
https://distribution.github.io/distribution/spec/api/
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import yaml

from tests.conformance.images.layers import MANIFEST, Image, digest

PROGRAM = "docker-registry"
START_SECONDS = 20.0


class RegistryError(Exception):
    """The registry does not start or refuses something; the text says why."""


class Registry:
    """One registry process over `folder`, listening on `address`; `log` gets what it says."""

    def __init__(self, folder: Path, log: Path, *, address: str = "127.0.0.1", read_only: bool = True) -> None:
        self._folder = folder
        self._log = log
        self._address = address
        self._read_only = read_only
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self._address}:{self._port}"

    def __enter__(self) -> Self:
        """Start it. Raises RegistryError."""
        if shutil.which(PROGRAM) is None:
            raise RegistryError(f"{PROGRAM} is not installed; run `make host`")
        self._port = _free_port(self._address)
        settings = self._log.with_suffix(".yml")
        settings.write_text(yaml.safe_dump(self._settings()))
        self._output = self._log.open("wb")
        argv = [PROGRAM, "serve", str(settings)]
        self._process = subprocess.Popen(argv, stdout=self._output, stderr=subprocess.STDOUT)
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self._stop()
                raise RegistryError(f"{PROGRAM} does not start; see {self._log}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._stop()

    def push(self, name: str, tag: str, image: Image) -> None:
        """Put an image in. Blobs that are there already, in any image, are not sent again. Raises RegistryError."""
        manifest, blobs = image.blobs()
        for blob in blobs:
            found = self._ask("HEAD", f"/v2/{name}/blobs/{digest(blob)}", expected=(200, 404))
            if found.status == 404:
                place = self._ask("POST", f"/v2/{name}/blobs/uploads/", expected=(202,)).headers["Location"]
                target = place.removeprefix(self.url)
                separator = "&" if "?" in target else "?"
                self._ask("PUT", f"{target}{separator}digest={digest(blob)}", blob, expected=(201,))
        self._ask("PUT", f"/v2/{name}/manifests/{tag}", manifest, media=MANIFEST, expected=(201,))

    def _ask(
        self, method: str, path: str, body: bytes = b"", *, media: str = "application/octet-stream",
        expected: tuple[int, ...],
    ) -> http.client.HTTPResponse:  # fmt: skip
        connection = http.client.HTTPConnection(self._address, self._port, timeout=120)
        try:
            connection.request(method, path, body, {"Content-Type": media})
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status not in expected:
            raise RegistryError(f"{method} {path}: {answer.status} {said.decode(errors='replace')}")
        return answer

    def _answers(self) -> bool:
        try:
            self._ask("GET", "/v2/", expected=(200,))
        except (OSError, RegistryError):
            return False
        return True

    def _settings(self) -> dict[str, object]:
        maintenance = {"readonly": {"enabled": self._read_only}, "uploadpurging": {"enabled": False}}
        return {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._folder)},
                "maintenance": maintenance,
                "cache": {"blobdescriptor": "inmemory"},
            },
            "http": {"addr": f"{self._address}:{self._port}"},
        }

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        if self._output is not None:
            self._output.close()


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
