"""Upstream's conformance suite of the Gateway API against a cluster of wherry: `make gateway-conformance` (root, Go).

Builds the suite and the program of its backends from the Go module in this folder, makes images of that program under
the names that the suite asks for, brings up a cluster and runs the profile GATEWAY-HTTP with the features that the
class says it supports, from within the node's network: the suite wants an address for each Gateway, and those of
`wherry-internal` are the cluster's own. What it prints last is the suite's own report. `RUN=name` runs one test,
`CLASS=name` takes another class, `BUILT=folder` what has been built before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gateway.image import archive
from wherry.testing.cluster import Cluster

HERE = Path(__file__).parent
ECHO = "sigs.k8s.io/gateway-api/conformance/echo-basic"
IMAGES = (
    "registry.k8s.io/gateway-api/echo-basic:v1.5.1",
    "registry.k8s.io/gateway-api/echo-basic:v1.6.0-dev.3",
    "registry.k8s.io/coredns/coredns:v1.12.2",  # only has to run: nothing asks it under this profile
)
DEFINITIONS = ("backendtlspolicies", "grpcroutes", "listenersets", "tcproutes", "tlsroutes", "udproutes")
"""Definitions of the standard channel that the suite's client wants to see, and that wherry does not bring."""


def build(folder: Path) -> tuple[Path, Path]:
    """The suite, and the program of its backends."""
    suite, echo = folder / "suite", folder / "echo-basic"
    env = {**os.environ, "CGO_ENABLED": "0"}
    subprocess.run(["go", "test", "-c", "-o", suite, "."], cwd=HERE, env=env, check=True)
    subprocess.run(["go", "build", "-o", echo, ECHO], cwd=HERE, env=env, check=True)
    return suite, echo


def definitions() -> list[Path]:
    """The files of `DEFINITIONS`."""
    found = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api"],
        cwd=HERE, check=True, capture_output=True, text=True,
    )  # fmt: skip
    folder = Path(found.stdout.strip()) / "config/crd/standard"
    return [folder / f"gateway.networking.k8s.io_{plural}.yaml" for plural in DEFINITIONS]


def supported(cluster: Cluster, name: str) -> list[str]:
    """The features that a GatewayClass names."""
    cluster.kubectl("wait", f"gatewayclass/{name}", "--for=condition=Accepted", "--timeout=60s")
    status = json.loads(cluster.kubectl("get", f"gatewayclass/{name}", "-o", "json"))["status"]
    return [one["name"] for one in status["supportedFeatures"]]


def main() -> int:
    """The suite's exit status."""
    with tempfile.TemporaryDirectory(prefix="wherry-gateway-") as made:
        folder = Path(made)
        built = os.environ.get("BUILT")
        suite, echo = (Path(built) / "suite", Path(built) / "echo-basic") if built else build(folder)
        with Cluster(folder / "cluster") as cluster:
            cluster.load_image(archive(folder / "echo.tar", echo, IMAGES))
            for file in definitions():
                cluster.kubectl("apply", "--server-side", "-f", str(file))
            name = os.environ.get("CLASS") or "wherry-internal"
            argv = [
                str(suite), "-test.v", "-test.timeout=60m", f"--gateway-class={name}",
                "--conformance-profiles=GATEWAY-HTTP", f"--supported-features={','.join(supported(cluster, name))}",
                "--organization=wherry", "--project=wherry", "--url=https://wherry.dev", "--version=dev",
                "--contact=none", f"--report-output={folder / 'report.yaml'}", *sys.argv[1:],
            ]  # fmt: skip
            if os.environ.get("RUN"):
                argv.append(f"--run-test={os.environ['RUN']}")
            env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
            return subprocess.run(cluster.place.argv(argv), env=env, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
