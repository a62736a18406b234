"""Section 1.1: the files of the control plane. Pure.

API server, controllers, scheduler and store are one process here, with one file that starts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wherry.app.benchmark.check import Check, Verdict, away, modes, of_nodes, of_plane, owners
from wherry.app.benchmark.facts import File, Plane

PARTS = (("1.1.1", "API server"), ("1.1.3", "controllers"), ("1.1.5", "scheduler"), ("1.1.7", "store"))
CREDENTIALS = (("1.1.15", "scheduler"), ("1.1.17", "controller-manager"))


def _next(id: str) -> str:
    head, _, last = id.rpartition(".")
    return f"{head}.{int(last) + 1}"


def _under(plane: Plane, folder: str, *ends: str) -> tuple[File, ...]:
    """Files below a folder of the server's, with one of these endings if any are given."""
    return tuple(
        one for one in plane.files if f"/server/{folder}" in one.path and (not ends or one.path.endswith(ends))
    )


def _credentials(part: str, judge: Callable[[Iterable[File]], Verdict]) -> Callable[[Plane], Verdict]:
    """A kubeconfig of a part: there is none, unless somebody put one there."""

    def verdict(plane: Plane) -> Verdict:
        found = _under(plane, part)
        if found:
            return judge(found)
        return away(f"no credentials lie under server/{part}*: it runs in the server process and needs none")

    return verdict


def _private(files: Iterable[File]) -> Verdict:
    return modes(files, 0o600)


def _cni(files: Iterable[File]) -> tuple[File, ...]:
    return tuple(one for one in files if "/cni/" in one.path and not one.folder)


def _starts() -> Iterable[Check]:
    for id, part in PARTS:
        yield Check(
            id, f"Only root reads and writes what starts the {part}", of_plane(lambda plane: modes(plane.unit, 0o600)),
            "chmod 600 on the file that is named",
        )  # fmt: skip
        yield Check(
            _next(id), f"What starts the {part} is root's", of_plane(lambda plane: owners(plane.unit)),
            "chown root:root on the file that is named",
        )  # fmt: skip


def _parts_credentials() -> Iterable[Check]:
    for id, part in CREDENTIALS:
        yield Check(
            id, f"Only root reads the {part}'s credentials", of_plane(_credentials(part, _private)),
            "remove the file: nothing of wherry uses it",
        )  # fmt: skip
        yield Check(
            _next(id), f"The {part}'s credentials are root's", of_plane(_credentials(part, owners)),
            "remove the file: nothing of wherry uses it",
        )  # fmt: skip


CHECKS: tuple[Check, ...] = (
    *_starts(),
    Check(
        "1.1.9", "Only root reads and writes the CNI configuration",
        of_nodes(lambda node: (f"{one.path} has mode {one.mode:o}" for one in _cni(node.files) if one.mode & 0o177),
                 "mode 600"),
        "chmod 600 on the file that is named", person=True,
    ),
    Check(
        "1.1.10", "The CNI configuration is root's",
        of_nodes(lambda node: (f"{one.path} belongs to {one.uid}:{one.gid}" for one in _cni(node.files)
                               if (one.uid, one.gid) != (0, 0)), "root:root"),
        "chown root:root on the file that is named", person=True,
    ),
    Check(
        "1.1.11", "Only root enters the store's folder",
        of_plane(lambda plane: modes((one for one in plane.files if one.path.endswith("/server")), 0o700)),
        "chmod 700 on <root>/server",
    ),
    Check(
        "1.1.12", "The store belongs to the user its process runs as, root",
        of_plane(lambda plane: owners(
            one for one in plane.files if one.path.endswith("/server") or "/server/state.db" in one.path)),
        "chown root:root on <root>/server and the files state.db*",
    ),
    Check(
        "1.1.13", "Only root reads the administrator's credentials",
        of_plane(lambda plane: _private(_under(plane, "admin"))), "chmod 600 on the file that is named",
    ),
    Check(
        "1.1.14", "The administrator's credentials are root's",
        of_plane(lambda plane: owners(_under(plane, "admin"))), "chown root:root on the file that is named",
    ),
    *_parts_credentials(),
    Check(
        "1.1.19", "Keys and certificates are root's", of_plane(lambda plane: owners(_under(plane, "pki"))),
        "chown -R root:root on <root>/server/pki",
    ),
    Check(
        "1.1.20", "Only root writes certificates",
        of_plane(lambda plane: modes(_under(plane, "pki/", ".crt", ".pub"), 0o644)),
        "chmod 600 on the file that is named", person=True,
    ),
    Check(
        "1.1.21", "Only root reads keys", of_plane(lambda plane: modes(_under(plane, "pki/", ".key"), 0o600)),
        "chmod 600 on the file that is named; a key that others could read is to be replaced", person=True,
    ),
)  # fmt: skip
