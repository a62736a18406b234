"""What this machine can carry: each check looks at one thing and says what is wrong, why, and what to do.

`run(Subject)` gives every finding, in the order of CHECKS. Checks change nothing on the host: kernel features are tried
in a network namespace that ends with the trial. `wherry doctor` prints them; `wherry up` stops at the first that fails.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wherry.aio.clock import Clock
from wherry.host import cgroups, containerd, keys, links, programs

Level = Literal["ok", "warn", "fail"]
GIB = 1 << 30
PROC = Path("/proc")
CAP_SYS_ADMIN = 21
EARLIEST = 1_767_225_600
"""2026-01-01: no clock that is right says earlier."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `cause` is what was seen, `remedy` what to do when it is not ok."""

    name: str
    level: Level
    cause: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked: networks and ports a cluster wants, where its state goes, which processes are its own."""

    root: Path
    ports: tuple[int, ...]
    networks: tuple[tuple[str, str], ...]
    """(flag, CIDR)."""
    own_pids: frozenset[int]
    own_links: tuple[str, ...]
    """Prefixes of our links' names: routes through them are ours."""
    clock: Clock
    authority: Path


def run(subject: Subject) -> tuple[Finding, ...]:
    """Every finding, in order."""
    return tuple(finding for check in CHECKS for finding in check(subject))


def check_root(_: Subject) -> Iterator[Finding]:
    """The right to do anything at all."""
    if os.geteuid() != 0:
        yield Finding("root", "fail", f"running as user {os.geteuid()}", "run it with sudo")
        return
    if not capability(CAP_SYS_ADMIN):
        yield Finding(
            "root", "fail", "root lacks CAP_SYS_ADMIN (a restricted container?)", "run on the host, or --privileged"
        )
        return
    yield Finding("root", "ok", "running as root")


def check_programs(_: Subject) -> Iterator[Finding]:
    """Every program, the CNI plugins and the nftables library, with the command that installs what is missing."""
    lacking = programs.missing()
    required = [p for p in lacking if p.required]
    packages = sorted({p.package for p in required})
    absent = [f"{p.name} ({p.purpose})" for p in required]
    if programs.cni_folder() is None:
        packages.append(programs.CNI_PACKAGE)
        absent.append(f"CNI plugins {', '.join(programs.CNI_PLUGINS)} (wire containers)")
    if not loadable(programs.NFT_LIBRARY):
        packages.append(programs.NFT_LIBRARY_PACKAGE)
        absent.append(f"{programs.NFT_LIBRARY} (packet rules)")
    if absent:
        yield Finding("programs", "fail", f"missing: {'; '.join(absent)}", f"apt-get install {' '.join(packages)}")
    else:
        yield Finding("programs", "ok", "all found")
    for program in lacking:
        if not program.required:
            yield Finding(
                f"program {program.name}", "warn", f"missing ({program.purpose})", f"apt-get install {program.package}"
            )


def check_ports(subject: Subject) -> Iterator[Finding]:
    """Ports that somebody else listens on."""
    taken = listeners()
    for port in subject.ports:
        name = f"port {port}"
        others = {holder for holder in taken.get(port, set()) if holder[0] not in subject.own_pids}
        if others:
            by = ", ".join(sorted(f"{program} (pid {pid})" if pid else program for pid, program in others))
            yield Finding(name, "fail", f"taken by {by}", "stop it, or choose another with --port")
        else:
            yield Finding(name, "ok", "ours" if port in taken else "free")


def check_kernel(_: Subject) -> Iterator[Finding]:
    """Overlay file system, links and packet rules, each tried in a namespace of its own."""
    if os.geteuid() != 0 or programs.find("unshare") is None:
        return
    if filesystem("overlay"):
        yield Finding("kernel overlayfs", "ok", "supported")
    else:
        yield Finding("kernel overlayfs", "fail", "the kernel has no overlay file system", "modprobe overlay")
    for name, argv, stdin in TRIALS:
        error = tried(argv, stdin)
        if error:
            yield Finding(f"kernel {name}", "fail", error, f"use a kernel with {name} support, or load its module")
        else:
            yield Finding(f"kernel {name}", "ok", "works")


TRIALS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("veth", ("ip", "link", "add", "wherry0", "type", "veth", "peer", "name", "wherry1"), ""),
    ("bridge", ("ip", "link", "add", "wherry0", "type", "bridge"), ""),
    (
        "nftables",
        ("nft", "-f", "-"),
        "table ip wherry {\n"
        " map m { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; }\n"
        " chain pre { type nat hook prerouting priority -100; dnat ip to meta l4proto . ip daddr . th dport map @m; }\n"
        " chain post { type nat hook postrouting priority 100; meta mark 1 masquerade; }\n"
        "}\n",
    ),
)


def check_cgroups(_: Subject) -> Iterator[Finding]:
    """Memory limits need the memory controller."""
    there = Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if there or (unified.exists() and "memory" in unified.read_text().split()):
        yield Finding("cgroups", "ok", f"memory controller present, driver {cgroups.driver()}")
    else:
        yield Finding(
            "cgroups", "fail", "no memory controller", "boot with cgroup_enable=memory, or mount /sys/fs/cgroup"
        )


def check_capabilities(_: Subject) -> Iterator[Finding]:
    """Without CAP_SYS_RESOURCE all processes are equal before the out-of-memory killer."""
    if capability(containerd.CAP_SYS_RESOURCE):
        yield Finding("CAP_SYS_RESOURCE", "ok", "held")
    else:
        yield Finding(
            "CAP_SYS_RESOURCE",
            "warn",
            "not held: out-of-memory priorities of pods cannot be set below our own",
            "nothing has to be done; give the container this capability to have them",
        )


def check_disk(subject: Subject) -> Iterator[Finding]:
    """Space and inodes where the state goes."""
    at = subject.root
    while not at.exists():
        at = at.parent
    usage = shutil.disk_usage(at)
    status = os.statvfs(at)
    free = f"{usage.free / GIB:.1f} GiB of {usage.total / GIB:.1f} GiB free at {at}"
    if usage.free < GIB:
        yield Finding("disk", "fail", f"disk full: {free}", "free some space, or choose another disk with --root")
    elif status.f_files and status.f_favail < 10_000:
        yield Finding("disk", "fail", f"no inodes left: {status.f_favail} at {at}", "delete files, or choose --root")
    elif usage.free < usage.total * 0.1:
        yield Finding("disk", "warn", free, "free some space: below 10 % images are collected and pods evicted")
    else:
        yield Finding("disk", "ok", free)


def check_networks(subject: Subject) -> Iterator[Finding]:
    """Networks of this machine that the cluster's would hide; routes to other nodes' pods are the cluster's own."""
    own = _own_routes()
    present = [(link, network) for link, network in routes() if network not in own]
    for flag, cidr in subject.networks:
        wanted = ipaddress.IPv4Network(cidr)
        clash = [
            f"{network} on {link}"
            for link, network in present
            if network.prefixlen and network.overlaps(wanted) and not link.startswith(subject.own_links)
        ]
        if clash:
            yield Finding(f"network {cidr}", "fail", f"in use: {', '.join(clash)}", f"choose another with --{flag}")
        else:
            yield Finding(f"network {cidr}", "ok", "free")


def check_clock(subject: Subject) -> Iterator[Finding]:
    """A clock that is behind makes our certificates not yet valid."""
    now = subject.clock.now()
    try:
        since = keys.not_before(subject.authority)
    except FileNotFoundError:
        since = EARLIEST
    if now < since:
        days = (since - now) / 86400
        yield Finding("clock", "fail", f"it is at least {days:.1f} days behind", "set the clock, or run an NTP client")
    else:
        yield Finding("clock", "ok", "plausible")


CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    check_root,
    check_programs,
    check_ports,
    check_kernel,
    check_cgroups,
    check_capabilities,
    check_disk,
    check_networks,
    check_clock,
)


def capability(number: int) -> bool:
    """Whether this process holds the capability."""
    for line in (PROC / "self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


def loadable(library: str) -> bool:
    """Whether the dynamic linker finds the library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def filesystem(name: str) -> bool:
    """Whether the kernel has this file system, built in or as a module it can load."""

    def listed() -> bool:
        return any(line.split()[-1] == name for line in (PROC / "filesystems").read_text().splitlines())

    if listed():
        return True
    modprobe = programs.find("modprobe")
    if modprobe is not None:
        subprocess.run([modprobe, name], check=False, capture_output=True)
    return listed()


def tried(argv: tuple[str, ...], stdin: str) -> str:
    """Run a program in a fresh network namespace; "" when it works, else its last words."""
    unshare, program = programs.find("unshare"), programs.find(argv[0])
    if unshare is None or program is None:
        return ""
    done = subprocess.run(
        [unshare, "--net", program, *argv[1:]], input=stdin, check=False, capture_output=True, text=True, timeout=20
    )
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]


def listeners() -> dict[int, set[tuple[int, str]]]:
    """Who listens on which TCP port of this network namespace: port -> {(pid, program)}; pid 0 when unknown."""
    inodes: dict[str, int] = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A":
                inodes[fields[9]] = int(fields[1].rsplit(":", 1)[1], 16)
    found: dict[int, set[tuple[int, str]]] = {}
    for pid, program, inode in _sockets():
        if inode in inodes:
            found.setdefault(inodes[inode], set()).add((pid, program))
    for port in inodes.values():
        found.setdefault(port, {(0, "an unknown process")})
    return found


def _sockets() -> Iterator[tuple[int, str, str]]:
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            program = (entry / "comm").read_text().strip()
            descriptors = os.listdir(entry / "fd")
        except OSError:
            continue
        for descriptor in descriptors:
            link = _target(entry / "fd" / descriptor)
            if link.startswith("socket:["):
                yield int(entry.name), program, link[8:-1]


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed meanwhile
        return ""


def _own_routes() -> frozenset[ipaddress.IPv4Network]:
    try:
        return frozenset(links.routes())
    except links.LinkError:  # no `ip` here, which another check tells
        return frozenset()


def routes() -> list[tuple[str, ipaddress.IPv4Network]]:
    """The IPv4 routes of this namespace: (link, network)."""
    found = []
    for line in (PROC / "net/route").read_text().splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        found.append((fields[0], ipaddress.IPv4Network((address, str(ipaddress.IPv4Address(mask))))))
    return found
