"""Debian as one layer: the programs that specs call in agnhost, nginx, perl and the other images with a userland."""

from __future__ import annotations

import subprocess
from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "bash", "ca-certificates", "curl", "dnsutils", "iperf", "iproute2", "iputils-ping", "netcat-openbsd", "nginx-light",
    "perl-base", "procps", "socat", "util-linux",
)  # fmt: skip
LEFT_OUT = "path-exclude=/usr/share/{doc,info,locale,man}/*"


def make(path: Path) -> None:
    """Write the tar. Raises subprocess.CalledProcessError, whose stderr says why."""
    argv = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}"]
    argv += [f"--dpkgopt={LEFT_OUT}", "--skip=output/dev", "--format=tar", SUITE, str(path)]
    subprocess.run(argv, capture_output=True, text=True, check=True)
