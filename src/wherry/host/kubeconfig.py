"""The calling user's kubeconfig: our cluster, user and context are merged in, and taken out again.

Owns three entries called `wherry` and, while they are there, the choice of the current context; everything else in the
file stays as it is (comments are lost: the file is rewritten as YAML, as kubectl does). The file is the first one of
KUBECONFIG, or ~/.kube/config of the user who called sudo. The content before the first merge is kept beside it as
`<file>.before-wherry` and never overwritten; each write is atomic, 0600, and keeps the file's owner.
"""

from __future__ import annotations

import base64
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from wherry.host import files
from wherry.host.pairs import Pair

NAME = "wherry"
_LISTS = (("clusters", "cluster"), ("users", "user"), ("contexts", "context"))


class KubeconfigError(Exception):
    """The file cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who ran the command: with sudo, the user behind it."""

    uid: int
    gid: int
    home: Path


def caller(env: Mapping[str, str]) -> Caller:
    """The user whose kubeconfig is meant: SUDO_USER when root acts for somebody, else the user of this process."""
    name = env.get("SUDO_USER", "")
    if os.geteuid() == 0 and name:
        try:
            entry = pwd.getpwnam(name)
            return Caller(entry.pw_uid, entry.pw_gid, Path(entry.pw_dir))
        except KeyError:
            pass
    home = env.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    return Caller(os.geteuid(), os.getegid(), Path(home))


def location(env: Mapping[str, str], who: Caller) -> Path:
    """The file to write: the first of KUBECONFIG, or the user's own."""
    for part in env.get("KUBECONFIG", "").split(os.pathsep):
        if part:
            return Path(part)
    return who.home / ".kube" / "config"


def content(server: str, authority: bytes, own: Pair) -> dict[str, Any]:
    """A whole kubeconfig for one cluster, credentials embedded."""

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    user = {
        "client-certificate-data": encoded(own.certificate.read_bytes()),
        "client-key-data": encoded(own.key.read_bytes()),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": {"server": server, "certificate-authority-data": encoded(authority)}}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }


def render(config: Mapping[str, Any]) -> str:
    """As YAML text."""
    return yaml.safe_dump(dict(config), sort_keys=False, default_flow_style=False)


def merge(existing: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """The existing configuration with our entries added or replaced and our context selected."""
    merged = {"apiVersion": "v1", "kind": "Config", **existing}
    for plural, _ in _LISTS:
        others = [entry for entry in existing.get(plural) or () if entry.get("name") != NAME]
        merged[plural] = [*others, *ours[plural]]
    merged["current-context"] = ours["current-context"]
    return merged


def without(existing: Mapping[str, Any], previous: str) -> dict[str, Any]:
    """The configuration without our entries; `previous` is selected again if we were and it is still there."""
    left = dict(existing)
    for plural, _ in _LISTS:
        left[plural] = [entry for entry in existing.get(plural) or () if entry.get("name") != NAME]
    if left.get("current-context") == NAME:
        names = {entry.get("name") for entry in left["contexts"]}
        left["current-context"] = previous if previous in names else ""
    return left


def read(file: Path) -> dict[str, Any]:
    """The file's content, {} when there is none. Raises KubeconfigError."""
    try:
        loaded = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{file} is not YAML; mend it, or set KUBECONFIG to another file") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict) or not all(
        isinstance(entry, dict) for plural, _ in _LISTS for entry in loaded.get(plural) or ()
    ):
        raise KubeconfigError(f"{file} is not a kubeconfig; mend it, or set KUBECONFIG to another file")
    return loaded


def install(file: Path, ours: Mapping[str, Any], who: Caller) -> bool:
    """Merge `ours` into the file; returns whether it changed. Raises KubeconfigError, OSError."""
    existing = read(file)
    merged = merge(existing, ours)
    if merged == existing:
        return False
    _make_folder(file.parent, who)
    backup = _backup(file)
    if file.exists() and not backup.exists():
        files.write(backup, file.read_bytes(), owner=_owner(file, who))
    files.write(file, render(merged), owner=_owner(file, who))
    return True


def remove(file: Path, who: Caller) -> bool:
    """Take our entries out and select the context from before; a file that held nothing else goes. True if changed."""
    existing = read(file)
    if not any(entry.get("name") == NAME for plural, _ in _LISTS for entry in existing.get(plural) or ()):
        return False
    backup = _backup(file)
    before = read(backup) if backup.exists() else {}
    left = without(existing, str(before.get("current-context") or ""))
    if not any(left.get(plural) for plural, _ in _LISTS) and not backup.exists():
        file.unlink()
    elif left == before:
        backup.replace(file)
    else:
        files.write(file, render(left), owner=_owner(file, who))
        backup.unlink(missing_ok=True)
    return True


def _backup(file: Path) -> Path:
    return file.with_name(f"{file.name}.before-{NAME}")


def _owner(file: Path, who: Caller) -> tuple[int, int]:
    if file.exists():
        status = file.stat()
        return status.st_uid, status.st_gid
    return who.uid, who.gid


def _make_folder(folder: Path, who: Caller) -> None:
    if folder.exists():
        return
    _make_folder(folder.parent, who)
    folder.mkdir(mode=0o700)
    os.chown(folder, who.uid, who.gid)
