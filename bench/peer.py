"""The same requests against a stock kube-apiserver with etcd, side by side: wherry, the other, wherry, the other ...

Built from their Go modules (`peer_programs/go.mod`; some minutes, once), both servers of the other on the one core that
wherry's server has, TLS with the same client certificate, etcd and SQLite with full durability. A tool for measuring;
nothing of it is part of wherry.

`make bench-peer`, or `python -m bench peer`. PEER_ROUNDS: how often each side has its turn (default 5).
"""

from __future__ import annotations

import asyncio
import os
import ssl
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import uvloop

from bench import api
from bench.rows import Row, percentile
from bench.server import Running, access, apart, free_port, placed, server, wait
from tests.conformance import cache
from wherry.app.config import Config

MODULE = Path(__file__).parent / "peer_programs"
ROUNDS = int(os.environ.get("PEER_ROUNDS", "5"))
READY_WITHIN = 60.0
Side = Callable[[], AbstractContextManager[Running]]
Figures = tuple[float, float, float, float]
"""Requests per second, p50 and p99 in milliseconds, microseconds of CPU for each."""


def programs() -> Path:
    """The folder with `kube-apiserver` and `server` (etcd). Raises SystemExit when they cannot be built."""

    def make(folder: Path) -> None:
        sys.stderr.write("building kube-apiserver and etcd (a quarter of an hour when nothing is cached) ...\n")
        environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
        argv = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", f"{folder}/", "tool"]
        done = subprocess.run(argv, cwd=MODULE, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"kube-apiserver cannot be built: {done.stderr[-2000:]}")

    try:
        return cache.made("peer", [(MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes()], make)
    except FileNotFoundError:
        raise SystemExit("kube-apiserver is a Go program and there is no Go; run `make go`") from None


@contextmanager
def stock(folder: Path) -> Iterator[Running]:
    """kube-apiserver and etcd with wherry's keys, until the block ends."""
    with placed() as config:
        client, peer = free_port(), free_port()
        begun = time.perf_counter()
        with apart(_etcd(folder, config, client, peer), _apiserver(folder, config, client)) as processes:
            wait(config.port, processes, READY_WITHIN)
            way = access(config)
            _ready(config.port, way.context())
            yield Running(tuple(one.pid for one in processes), way, time.perf_counter() - begun)


def _etcd(folder: Path, config: Config, client: int, peer: int) -> list[str]:
    here, there = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    urls = {
        "listen-client-urls": here, "advertise-client-urls": here, "listen-peer-urls": there,
        "initial-advertise-peer-urls": there, "initial-cluster": f"default={there}",
    }  # fmt: skip
    flags = [f"--{name}={url}" for name, url in urls.items()]
    return [str(folder / "server"), f"--data-dir={config.root}/etcd", "--log-level=error", *flags]


def _apiserver(folder: Path, config: Config, etcd: int) -> list[str]:
    pki = Path(config.pki)
    flags = {
        "etcd-servers": f"http://127.0.0.1:{etcd}",
        "secure-port": config.port,
        "bind-address": "127.0.0.1",
        "tls-cert-file": pki / "apiserver.crt",
        "tls-private-key-file": pki / "apiserver.key",
        "client-ca-file": pki / "ca.crt",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": pki / "sa.pub",
        "service-account-signing-key-file": pki / "sa.key",
        "authorization-mode": "Node,RBAC",
        "service-cluster-ip-range": "10.96.0.0/16",
    }
    return [str(folder / "kube-apiserver"), *(f"--{name}={value}" for name, value in flags.items())]


def _ready(port: int, context: ssl.SSLContext) -> None:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=context, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("kube-apiserver does not get ready")


async def _requests(running: Running) -> list[Figures]:
    await api.prepare(running)
    found: list[Figures] = []
    for _, connections, one, _ in api.REQUESTS:
        took, cpu = await api.load(running, connections, one)
        middle, slow = statistics.median(took) * 1000, percentile(took, 0.99) * 1000
        found.append((len(took) / api.SECONDS, middle, slow, cpu / len(took) * 1e6))
        await asyncio.sleep(0.5)
    return found


def _figure(rounds: list[Figures]) -> str:
    """The medians of all rounds, with the least and the most of the rate."""
    rate, middle, slow, cpu = (statistics.median(values) for values in zip(*rounds, strict=True))
    rates = [one[0] for one in rounds]
    spread = f"{rate:,.0f}/s ({min(rates):,.0f}-{max(rates):,.0f})"
    return f"{spread}, p50 {middle:.2f} ms, p99 {slow:.2f} ms, {cpu:.0f} us CPU each"


def rows() -> Iterator[Row]:
    """Every row of this file; the goal's column is the other's figure."""
    folder = programs()
    sides: dict[str, Side] = {"wherry": server, "stock": lambda: stock(folder)}
    found: dict[str, list[list[Figures]]] = {name: [] for name in sides}
    starts: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            with side() as running:
                starts[name].append((running.started, running.memory() / 2**20))
                found[name].append(uvloop.run(_requests(running)))
    begins = {name: [statistics.median(values) for values in zip(*many, strict=True)] for name, many in starts.items()}
    yield Row("start to answering, memory then", *(f"{s * 1000:.0f} ms, {m:.0f} MiB" for s, m in begins.values()))
    for number, (what, *_) in enumerate(api.REQUESTS):
        yield Row(what, *(_figure([one[number] for one in found[name]]) for name in sides))
    ratios = [
        statistics.median(ours[number][0] / theirs[number][0] for ours, theirs in zip(*found.values(), strict=True))
        for number in range(len(api.REQUESTS))
    ]
    yield Row("rate, wherry to stock", ", ".join(f"{one:.2f}" for one in ratios), "in the order of the rows above")
    yield from _streams(sides)


def _streams(sides: dict[str, Side]) -> Iterator[Row]:
    """The long list and the watch, once each."""
    lists: list[Row] = []
    watches: list[list[Row]] = []
    for side in sides.values():
        with side() as running:
            lists.append(uvloop.run(api.listing(running)))
        with side() as running:
            watches.append(uvloop.run(api.watching(running)))
    for ours, theirs in zip(*([one, *more] for one, more in zip(lists, watches, strict=True)), strict=True):
        yield Row(ours.what, ours.figure, theirs.figure)
