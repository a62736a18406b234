"""Pebble: a real ACME authority for tests, with a DNS server that knows every name under the sun.

with Pebble(folder, address="127.0.0.1", http_port=5002, sites="127.0.0.1") as pebble:
    pebble.directory, pebble.authority        # where it is, and who vouches for its own certificate
    pebble.root()                             # who signs what it issues
    pebble.fail("gone.example.org")           # its DNS server fails for this name
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.clients import program
from tests.support.apiserver import Authority

_QUIET = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
"""Pebble is erratic on purpose otherwise."""


class Pebble:
    """At `address`; looks for proofs on `http_port` of `sites`, where all names lead."""

    def __init__(self, folder: Path, *, address: str, http_port: int, sites: str, base: int = 14000) -> None:
        authority = Authority(folder / "authority")
        pair = authority.issue("pebble", server=True, hosts=[address])
        self.authority = authority.certificate
        self.directory = f"https://{address}:{base}/dir"
        self._management, self._dns = f"https://{address}:{base + 1}", f"http://{address}:{base + 2}"
        self._config = folder / "pebble.json"
        self._log = folder / "pebble.log"
        settings = {
            "listenAddress": f"{address}:{base}", "managementListenAddress": f"{address}:{base + 1}",
            "certificate": str(pair.certificate), "privateKey": str(pair.key),
            "httpPort": http_port, "tlsPort": 1, "keyAlgorithm": "ecdsa", "retryAfter": {"authz": 1, "order": 1},
            "profiles": {"default": {"description": "", "validityPeriod": 7776000}},
        }  # fmt: skip
        self._config.write_text(json.dumps({"pebble": settings}))
        dns = f"{address}:{base + 3}"
        programs = program.build_acme()
        self._commands = [
            [
                str(programs / "pebble-challtestsrv"), "-defaultIPv4", sites, "-defaultIPv6", "", "-dnsserver", dns,
                "-management", f"{address}:{base + 2}", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "",
            ],
            [str(programs / "pebble"), "-config", str(self._config), "-strict", "-dnsserver", dns],
        ]  # fmt: skip
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            for argv in self._commands:
                env = {**os.environ, **_QUIET}
                self._running.append(subprocess.Popen(argv, env=env, stdout=log, stderr=subprocess.STDOUT))
        for _ in range(100):
            try:
                self.root()
                break
            except OSError:
                time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.terminate()
            process.wait(10)
        if error is not None:
            print(self._log.read_text()[-5000:])  # noqa: T201 - shown with the failure

    def root(self) -> bytes:
        """The certificate of who signs what it issues, PEM."""
        context = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(f"{self._management}/roots/0", context=context, timeout=5) as answer:
            return bytes(answer.read())

    def fail(self, host: str) -> None:
        """From now on this name cannot be looked up."""
        asked = urllib.request.Request(f"{self._dns}/set-servfail", json.dumps({"host": f"{host}."}).encode())
        with urllib.request.urlopen(asked, timeout=5):
            pass

    @property
    def accounts(self) -> int:
        """How many it has made."""
        return self._log.read_text().count("accounts in memory")
