"""A cluster made with the command line, as a user makes one, in a root and under a kubeconfig of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "still"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "memory", "emptyDir": {"medium": "Memory"}}],
        "containers": [
            {
                "name": "still",
                "image": "wherry.local/pause:1",
                "imagePullPolicy": "Never",
                "volumeMounts": [{"name": "memory", "mountPath": "/memory"}],
            }
        ],
    },
}


class Cluster:
    """A cluster in its own root, under its own kubeconfig."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.kubeconfig = folder / "kubeconfig"

    def wherry(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        """Run the command line; its standard output."""
        argv = [sys.executable, "-m", "wherry.cli.main", *arguments]
        env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.root.parent),
            "KUBECONFIG": str(self.kubeconfig),
            "WHERRY_ROOT": str(self.root),
        }
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, input=stdin, timeout=180)
        if check and done.returncode:
            raise AssertionError(f"wherry {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done.stdout

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl against it; its standard output."""
        return self.wherry("kubectl", *arguments, stdin=stdin)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(json.dumps(one) for one in objects))
