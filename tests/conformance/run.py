"""One run: a fresh cluster of two nodes, the images beside it, the suite over it, and what is left to look at.

`run()` leaves in its folder: `outcomes.jsonl`, `suite-*.log`, `logs/` of the cluster, and for each failed spec
`failures/<spec>/` with its output, the objects of its namespace, and what server and agents logged meanwhile. The suite
runs where the cluster's first node is, in its network namespace.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.conformance import outcomes, specs
from tests.conformance.images import store
from tests.conformance.images.registry import Registry
from tests.conformance.outcomes import Outcome
from wherry.testing.cluster import Cluster

NODES = 2
PUBLIC = "https://registry.k8s.io/v2/"
CUT_OFF = "3h"
LONG_PROCS = 8
"""Specs in long.txt mostly wait: they run beside the others, so that the last minutes are not theirs alone."""


@dataclass(frozen=True, slots=True)
class Part:
    """Specs that one invocation of the suite runs, with how many processes."""

    name: str
    names: frozenset[str]
    procs: int


@dataclass(frozen=True, slots=True)
class Suite:
    """The built suite in `programs`, run with `procs` processes; everything it leaves goes to `out`."""

    programs: Path
    procs: int
    out: Path

    def run(self, selected: frozenset[str]) -> list[Outcome]:
        """Run these specs; one outcome for each, by name."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        scratch = Path(tempfile.mkdtemp(prefix="wherry-conformance-"))
        try:
            with (
                Cluster(scratch / "cluster", nodes=NODES, start=False) as cluster,
                _images(self, cluster) as repositories,
            ):
                try:
                    serial = frozenset(name for name in selected if specs.SERIAL in name)
                    long = (selected & specs.read(specs.LONG)) - serial
                    beside = Part("parallel", selected - serial - long, self.procs), Part("long", long, LONG_PROCS)
                    self._run(cluster, beside, repositories)
                    self._run(cluster, (Part("serial", serial, 1),), repositories)
                finally:
                    self._keep_logs(cluster)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return outcomes.complete(outcomes.read(self.out / "outcomes.jsonl"), selected)

    def _run(self, cluster: Cluster, parts: Iterable[Part], repositories: Path | None) -> None:
        """Run parts beside each other; print each spec as it ends."""
        with contextlib.ExitStack() as running:
            processes = [
                running.enter_context(self._started(cluster, part, repositories)) for part in parts if part.names
            ]
            seen = set(outcomes.read(self.out / "outcomes.jsonl"))
            while processes:
                processes = [process for process in processes if process.poll() is None]
                for name, outcome in outcomes.read(self.out / "outcomes.jsonl").items():
                    if name not in seen:
                        seen.add(name)
                        line = f"{len(seen)} {outcome.state} {outcome.seconds:.0f} s {name}"
                        print(line, file=sys.stderr, flush=True)
                time.sleep(0.5)

    @contextlib.contextmanager
    def _started(self, cluster: Cluster, part: Part, repositories: Path | None) -> Iterator[subprocess.Popen[bytes]]:
        """The suite over one part, ended at the latest when the block is."""
        home = cluster.config.state.parent / f"home-{part.name}"
        home.mkdir()
        env = {"HOME": str(home), "PATH": os.environ["PATH"], "TMPDIR": str(home)}
        if repositories is not None:
            env["KUBE_TEST_REPO_LIST"] = str(repositories)
        argv = cluster.place.argv(self._argv(cluster, part))
        with (self.out / f"suite-{part.name}.log").open("wb") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, env=env, cwd=home)
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(60)
                    process.kill()

    def _argv(self, cluster: Cluster, part: Part) -> list[str]:
        procs = min(part.procs, len(part.names))
        chosen = [f"--procs={procs}", f"--focus={specs.focus(part.names)}", f"--timeout={CUT_OFF}"]
        quiet = ["--no-color", "--silence-skips", "--succinct", "--output-interceptor-mode=none"]
        told = [
            f"-kubeconfig={cluster.kubeconfig}",
            f"-kubectl-path={self.programs / 'kubectl'}",
            f"-outcomes={self.out}",
            f"-num-nodes={NODES}",
            f"-dns-domain={cluster.config.cluster_domain}",
            "-provider=skeleton",
        ]
        return [
            str(self.programs / "ginkgo"),
            "run",
            *chosen,
            *quiet,
            str(self.programs / "conformance.test"),
            "--",
            *told,
        ]

    def _keep_logs(self, cluster: Cluster) -> None:
        logs = self.out / "logs"
        if cluster.config.logs.is_dir():
            shutil.copytree(cluster.config.logs, logs)
        for node in cluster.node_names:
            log = cluster.node_root(node) / "containerd" / "containerd.log"
            if log.exists():
                shutil.copy(log, logs / f"containerd-{node}.log")
        for outcome in outcomes.read(self.out / "outcomes.jsonl").values():
            if outcome.folder and outcome.started and outcome.ended:
                _cut(logs, self.out / outcome.folder, outcome)


def _cut(logs: Path, folder: Path, outcome: Outcome) -> None:
    """Copy what server and agents logged while a spec ran. Their lines begin with the time in UTC."""
    if outcome.started is None or outcome.ended is None:
        return
    begin, end = (moment.isoformat()[:19] for moment in (outcome.started, outcome.ended))
    for log in logs.glob("*.log"):
        if log.name.startswith("containerd-"):
            continue
        inside, kept = False, []
        for line in log.read_text(errors="replace").splitlines():
            if line[:4].isdigit() and line[10:11] == "T":
                inside = begin <= line[:19] <= end
            if inside:
                kept.append(line)
        (folder / log.name).write_text("\n".join(kept) + "\n")


@contextlib.contextmanager
def _images(suite: Suite, cluster: Cluster) -> Iterator[Path | None]:
    """Bring the cluster up with the images in its reach; the suite's list of registries, None for the public ones."""
    if _public():
        cluster.up()
        yield None
        return
    address = str(cluster.place.gateway)
    with Registry(store.build(suite.programs), suite.out / "registry.log", address=address) as registry:
        cluster.up("--registry", f"{store.HOST}={registry.url}")
        listed = suite.out / "repositories.yaml"
        listed.write_text(yaml.safe_dump(store.repository_list()))
        yield listed


def _public() -> bool:
    """Whether the registry with the suite's own images can be reached."""
    try:
        with urllib.request.urlopen(PUBLIC, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
