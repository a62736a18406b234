"""Checks of the machine, on facts of our making."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from wherry.aio.clock import SystemClock
from wherry.host import checks, programs
from wherry.host.checks import Finding, Subject


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(
        root=tmp_path / "not" / "there",
        ports=(),
        networks=(("pod-cidr", "10.244.0.0/16"),),
        own_pids=frozenset(),
        own_links=("cni",),
        clock=SystemClock(),
        authority=tmp_path / "ca.crt",
    )


def only(findings: Iterator[Finding]) -> Finding:
    (finding,) = findings
    return finding


def test_a_taken_port_names_its_holder(subject: Subject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        finding = only(checks.check_ports(replace(subject, ports=(port,))))
        assert finding.level == "fail"
        assert f"(pid {os.getpid()})" in finding.cause
        ours = only(checks.check_ports(replace(subject, ports=(port,), own_pids=frozenset({os.getpid()}))))
        assert (ours.level, ours.cause) == ("ok", "ours")
    assert only(checks.check_ports(replace(subject, ports=(port,)))).cause == "free"


def test_missing_programs_come_with_the_command_that_installs_them(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "find", lambda name: None if name in ("runc", "buildah") else f"/bin/{name}")
    monkeypatch.setattr(programs, "cni_folder", lambda: None)
    monkeypatch.setattr(checks, "loadable", lambda library: True)
    broken, optional = checks.check_programs(subject)
    assert broken.level == "fail"
    assert "runc (starts containers for containerd)" in broken.cause
    assert broken.remedy == "apt-get install runc containernetworking-plugins"
    assert (optional.level, optional.remedy) == ("warn", "apt-get install buildah")


@pytest.mark.parametrize(
    ("link", "network", "level"),
    [
        ("eth0", "10.0.0.0/8", "fail"),
        ("tun0", "10.244.7.0/24", "fail"),
        ("cni0", "10.244.0.0/24", "ok"),
        ("eth0", "0.0.0.0/0", "ok"),
        ("eth0", "192.168.0.0/16", "ok"),
    ],
)
def test_networks_of_the_host_must_not_be_hidden(
    subject: Subject, monkeypatch: pytest.MonkeyPatch, link: str, network: str, level: str
) -> None:
    monkeypatch.setattr(checks, "routes", lambda: [(link, IPv4Network(network))])
    finding = only(checks.check_networks(subject))
    assert finding.level == level
    if level == "fail":
        assert link in finding.cause
        assert finding.remedy == "choose another with --pod-cidr"


def test_a_full_disk_is_a_failure(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100 << 30, 100 << 30, 5 << 20))
    finding = only(checks.check_disk(subject))
    assert finding.level == "fail"
    assert "disk full" in finding.cause


def test_a_clock_that_is_behind_is_a_failure(subject: Subject) -> None:
    class Past(SystemClock):
        def now(self) -> float:
            return 1_000_000_000.0

    assert only(checks.check_clock(replace(subject, clock=Past()))).level == "fail"
    assert only(checks.check_clock(subject)).level == "ok"


def test_routes_of_this_machine_can_be_read() -> None:
    assert all(isinstance(network, IPv4Network) for _, network in checks.routes())
