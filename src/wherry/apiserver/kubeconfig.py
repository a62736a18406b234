"""Kubeconfig files that name a server outside and the credentials for it, as flags of kube-apiserver take them.

Files that it names are found beside it. TLS is always verified: `insecure-skip-tls-verify` is refused.
https://kubernetes.io/docs/reference/access-authn-authz/webhook/#configuration-file-format
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Outside:
    """An https URL, the PEM authorities that vouch for it (b"": the system's), and what is shown to it."""

    url: str
    ca: bytes = b""
    pair: bytes = field(default=b"", repr=False)
    """Client certificate and its key, PEM."""
    token: str = field(default="", repr=False)


def read(path: Path) -> Outside:
    """The current context's server, or the only one. Raises ValueError (`file: key: what is wrong; what to do`)."""
    content = _content(path)
    cluster, user = _selected(content, path)
    url = str(cluster.get("server", ""))
    if not url.startswith("https://"):
        raise ValueError(f"{path}: clusters.cluster.server: {url!r} is no https URL; write one")
    if cluster.get("insecure-skip-tls-verify"):
        raise ValueError(f"{path}: insecure-skip-tls-verify: TLS is always verified; give certificate-authority")
    certificate, key = _pem(path, user, "client-certificate"), _pem(path, user, "client-key")
    pair = certificate + b"\n" + key if certificate and key else b""
    token = str(user.get("token", "")) or _file(path, user, "tokenFile").decode().strip()
    return Outside(url, _pem(path, cluster, "certificate-authority"), pair, token)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; name a kubeconfig file") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}; correct it") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: not a kubeconfig; give clusters, users and contexts")  # noqa: TRY004 - it is a file's fault
    return found


def _selected(content: Mapping[str, Any], path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The cluster and user of the current context, or the only ones."""

    def one(plural: str, singular: str, name: str) -> Mapping[str, Any]:
        entries = [e for e in content.get(plural) or () if isinstance(e, dict)]
        found = next((e for e in entries if e.get("name") == name), entries[0] if entries and not name else None)
        return (found or {}).get(singular) or {}

    context = one("contexts", "context", str(content.get("current-context") or ""))
    cluster = one("clusters", "cluster", str(context.get("cluster") or ""))
    if not cluster:
        raise ValueError(f"{path}: clusters: there is none; say which server to ask")
    return cluster, one("users", "user", str(context.get("user") or ""))


def _file(path: Path, entry: Mapping[str, Any], key: str) -> bytes:
    name = entry.get(key)
    if not name:
        return b""
    try:
        return (path.parent / str(name)).read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {key}: {name}: {error.strerror}; name a file that can be read") from None


def _pem(path: Path, entry: Mapping[str, Any], key: str) -> bytes:
    inline = entry.get(f"{key}-data")
    try:
        return base64.b64decode(str(inline), validate=True) if inline else _file(path, entry, key)
    except ValueError as error:
        raise ValueError(f"{path}: {key}-data: {error}; it must be base64") from None
