"""System programs that wherry runs: what each is for, which package brings it, whether it is here."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Looked through after PATH: a user's PATH often lacks the sbin folders."""
CNI_PLACES = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))


@dataclass(frozen=True, slots=True)
class Program:
    """A program, what it does here, the Debian package that has it, and whether nothing works without it."""

    name: str
    purpose: str
    package: str
    required: bool = True


PROGRAMS: tuple[Program, ...] = (
    Program("containerd", "runs containers", "containerd"),
    Program("runc", "starts containers for containerd", "runc"),
    Program("nft", "checks packet rules", "nftables"),
    Program("ip", "makes network namespaces", "iproute2"),
    Program("nsenter", "enters namespaces", "util-linux"),
    Program("unshare", "tries kernel features in a namespace of their own", "util-linux"),
    Program("mount", "mounts volumes", "mount"),
    Program("conntrack", "forgets connections to endpoints that are gone", "conntrack"),
    Program("catatonit", "holds a pod's namespaces", "catatonit"),
    Program("buildah", "builds images", "buildah", required=False),
    Program("haproxy", "carries Ingress traffic", "haproxy", required=False),
)
CNI_PLUGINS: tuple[str, ...] = ("ptp", "host-local", "loopback")
CNI_PACKAGE = "containernetworking-plugins"
NFT_LIBRARY = "libnftables.so.1"
NFT_LIBRARY_PACKAGE = "libnftables1"


def find(name: str) -> str | None:
    """The program's path, or None."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(PLACES))


def cni_folder() -> Path | None:
    """The folder that holds all needed CNI plugins, or None."""
    for folder in CNI_PLACES:
        if all((folder / plugin).exists() for plugin in CNI_PLUGINS):
            return folder
    return None


def missing(programs: tuple[Program, ...] = PROGRAMS) -> tuple[Program, ...]:
    """Those that are not installed."""
    return tuple(program for program in programs if find(program.name) is None)
