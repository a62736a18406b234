"""The example's site in a cluster: its images, its manifests of examples/wordpress/scaled, and how visitors reach it.

Images are built as `make demo` builds them, from the distribution's packages, and kept in build/wordpress/<mark> for
the next run; the mark is of everything they are made from.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.load.visitors import Page, Site
from wherry.app.runtimes import runtime_settings
from wherry.testing.cluster import Cluster

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/wordpress"
KEPT = ROOT / "build/wordpress"
NAMES = ("web", "database")
NAMESPACE = "production"
HOST = "wordpress.test"
PAGES = (Page("/", b"A site on wherry"), Page("/wp-includes/images/blank.gif", b"GIF89a"))
"""One that PHP and the database make, one from a file."""


def install(cluster: Cluster) -> Site:
    """Images, objects, first post: the site, ready for visitors. Raises CommandFailed."""
    load_images(cluster)
    cluster.kubectl("apply", "-k", str(EXAMPLE / "scaled"))
    for what in ("statefulset/database", "deployment/web"):
        cluster.kubectl("-n", NAMESPACE, "rollout", "status", what, "--timeout=300s", timeout=310)
    cluster.kubectl("-n", NAMESPACE, "wait", "job/install", "--for=condition=complete", "--timeout=300s", timeout=310)
    return Site(HOST, cluster.address, cluster.wherry("site-ca"), PAGES)


def load_images(cluster: Cluster) -> None:
    """Both images, from what an earlier run has kept or built anew."""
    folder = KEPT / _mark()
    kept = [folder / f"{name}.tar" for name in NAMES]
    if all(path.exists() for path in kept):
        cluster.load_image(*kept, timeout=600)
        return
    folder.mkdir(parents=True, exist_ok=True)
    wherry = folder / "wherry"
    wherry.write_text(f'#!/bin/sh\nexec {shlex.join([*_command(cluster)])} "$@"\n')
    wherry.chmod(0o755)
    env = {**os.environ, "WHERRY": str(wherry), "WHERRY_ROOT": cluster.config.root}
    subprocess.run([EXAMPLE / "images/build.sh"], env=env, check=True, timeout=900)
    socket = runtime_settings(cluster.config, cluster.config.machines()[0]).socket
    for name, path in zip(NAMES, kept, strict=True):
        part = path.with_suffix(".part")
        export = ["ctr", "-a", str(socket), "-n", "k8s.io", "images", "export", str(part)]
        subprocess.run([*export, f"localhost/wordpress-{name}:1"], check=True, timeout=300)
        part.rename(path)


def _command(cluster: Cluster) -> list[str]:
    return cluster.place.argv([sys.executable, "-m", "wherry.cli.main"])


def _mark() -> str:
    files = sorted(path for path in (EXAMPLE / "images").rglob("*") if path.is_file())
    content = b"\0".join(part for path in files for part in (str(path.name).encode(), path.read_bytes()))
    return hashlib.sha256(content).hexdigest()[:16]
