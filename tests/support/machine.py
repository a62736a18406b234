"""What there is on this machine that a cluster could leave behind: processes, mounts, links, rules, groups, files.

    python -m tests.support.machine > before.json       # prints a picture
    ... wherry up, wherry delete ...
    python -m tests.support.machine --since before.json # prints what was added or has gone; exit status 1 if anything

Pictures leave out what changes by itself: kernel threads, processes of this very program, counters.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

Picture = dict[str, list[str]]
CGROUPS = Path("/sys/fs/cgroup")
FILES = (
    "/var/lib/wherry*",
    "/run/wherry*",
    "/run/netns/*",
    "/var/run/netns/*",
    "/var/lib/cni/**/*",
    "/etc/cni/**/*",
    "/var/lib/containerd/*",
    "/run/containerd/**/*",
    "/var/lib/containers/*",
    "/etc/systemd/system/wherry-*",
    "/etc/containers/**/*",
    "/tmp/wherry-*",
    "/var/log/wherry*",
    "/var/log/pods/*",
    "/var/log/containers/*",
    "/root/.kube/**/*",
)
SWITCHES = ("net/ipv4/ip_forward",)
"""Left on purpose: others may have come to need it."""


def take() -> Picture:
    """The machine as it is."""
    return {
        "processes": sorted(_processes()),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "links": _lines("ip", "-o", "link", "show", cut=True),
        "addresses": sorted(_lines("ip", "-o", "-4", "address", "show", cut=True)),
        "routes": sorted(_lines("ip", "-4", "route", "show", "table", "all")),
        "rules": _lines("nft", "--stateless", "list", "ruleset"),
        "groups": sorted(_groups()),
        "files": sorted(str(path) for pattern in FILES for path in Path("/").glob(pattern.lstrip("/"))),
    }


def differences(before: Picture, after: Picture) -> list[str]:
    """What was added (+) and what has gone (-), one line each."""
    found = []
    for kind in after:
        old, new = set(before.get(kind, [])), set(after[kind])
        found += [f"+ {kind}: {item}" for item in sorted(new - old)]
        found += [f"- {kind}: {item}" for item in sorted(old - new) if kind != "processes"]
    return found


def _processes() -> set[str]:
    """Command lines of what runs programs a cluster starts."""
    names = ("containerd", "runc", "wherry", "catatonit", "haproxy", "conntrack", "buildah")
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue
        program = words[0].rsplit("/", 1)[-1]
        if program.startswith(names) or "wherry.cli.main" in words or "wherry.app.supervise" in words:
            found.add(f"{entry.name} {' '.join(words)}")
    return found


def _groups() -> set[str]:
    """Control groups whose path has a part that a cluster, its containerd or systemd units for it would make."""
    names = ("wherry", "kubepods", "k8s.io", "cri-containerd", "pod", "buildah")
    found: set[str] = set()
    for folder, below, _ in os.walk(CGROUPS):
        parts = folder.split("/")[4:]
        ours = any(part.startswith(names) for part in parts)
        found.update(os.path.join(folder, name) for name in below if ours or name.startswith(names))
    return found


def _lines(*argv: str, cut: bool = False) -> list[str]:
    """A program's output; `cut`: without what comes after a backslash (details that change by themselves)."""
    output = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line.split("\\", 1)[0].strip() if cut else line.rstrip() for line in output.splitlines()]


def main() -> int:
    """Print a picture, or what has changed since one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--since", type=Path)
    since = parser.parse_args().since
    if since is None:
        json.dump(take(), sys.stdout, indent=1)
        return 0
    found = differences(json.loads(since.read_text()), take())
    for line in found:
        sys.stdout.write(f"{line}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
