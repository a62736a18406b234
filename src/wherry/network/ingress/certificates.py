"""Certificates of sites: Secrets of type kubernetes.io/tls, as HAProxy reads them. Pure.

A Secret that does not parse (`api.networking.certificate_pair`) is refused with its cause, and what was served before
goes on being served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from wherry.machinery.meta import Key


def file_name(secret: Key) -> str:
    """The file of a Secret's pair: nothing of the name comes into it."""
    return f"{hashlib.sha256(str(secret).encode()).hexdigest()[:32]}.pem"


def listing(default: str, files: Mapping[str, str]) -> str:
    """HAProxy's list of certificates: the one for unknown names first, then host -> file."""
    return f"{default}\n" + "".join(f"{entry(file, host)}\n" for host, file in sorted(files.items()))


def entry(file: str, host: str) -> str:
    """One line of the list. A "host" that begins with + is none: the certificate is shown for the names in it."""
    return file if host.startswith("+") else f"{file} {host}"
