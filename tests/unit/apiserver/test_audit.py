"""The audit log without a server: policies, records, the chain of lines and the file that keeps them."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.aio.clock import SystemClock
from wherry.apiserver.audit import chain
from wherry.apiserver.audit.chain import Head, Tampered
from wherry.apiserver.audit.file import NAME, AuditFile, Limits, files, verify
from wherry.apiserver.audit.policy import DEFAULT, BadPolicy, Policy, decide, read
from wherry.apiserver.authn.user import User, known
from wherry.apiserver.http import Query
from wherry.apiserver.routes import parse

SOMEBODY = known("somebody", "team")
NODE = known("system:node:a", "system:nodes")


def level(policy: Policy, method: str, path: str, user: User = SOMEBODY) -> str:
    """What a policy says of a request."""
    return decide(policy, user, parse(method, path, Query(""))).level


RULES = [
    {"level": "None", "users": ["quiet"]},
    {"level": "Request", "userGroups": ["team"], "namespaces": ["prod"], "resources": [{"group": "apps"}]},
    {"level": "RequestResponse", "resources": [{"group": "", "resources": ["pods/*", "secrets", "configmaps"]}]},
    {"level": "Metadata", "resources": [{"group": "", "resources": ["services"], "resourceNames": ["a"]}]},
    {"level": "Request", "resources": [{"group": "*", "resources": ["*/scale"]}]},
    {"level": "None", "nonResourceURLs": ["/healthz*", "/version"]},
    {"level": "RequestResponse", "verbs": ["create"], "resources": [{"group": "authentication.k8s.io"}]},
    {"level": "Metadata", "nonResourceURLs": ["*"]},
]
POLICY = read({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": RULES, "omitStages": ["RequestReceived"]})


@pytest.mark.parametrize(
    ("method", "path", "user", "expected"),
    [
        ("GET", "/api/v1/namespaces/prod/pods/a/log", known("quiet"), "None"),
        ("PUT", "/apis/apps/v1/namespaces/prod/deployments/a", SOMEBODY, "Request"),
        ("PUT", "/apis/apps/v1/namespaces/test/deployments/a", SOMEBODY, "None"),
        ("PUT", "/apis/apps/v1/namespaces/prod/deployments/a", known("else"), "None"),
        ("GET", "/api/v1/namespaces/prod/pods/a/log", SOMEBODY, "RequestResponse"),
        ("GET", "/api/v1/namespaces/prod/pods/a", SOMEBODY, "RequestResponse"),
        ("GET", "/api/v1/namespaces/prod/configmaps/a/status", SOMEBODY, "None"),
        ("GET", "/api/v1/namespaces/prod/secrets/a", SOMEBODY, "Metadata"),
        ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", SOMEBODY, "Metadata"),
        ("GET", "/api/v1/namespaces/prod/services/a", SOMEBODY, "Metadata"),
        ("GET", "/api/v1/namespaces/prod/services/b", SOMEBODY, "None"),
        ("GET", "/apis/batch/v1/namespaces/x/things/a/scale", SOMEBODY, "Request"),
        ("GET", "/healthz/ping", SOMEBODY, "None"),
        ("GET", "/apis", SOMEBODY, "Metadata"),
    ],
)
def test_rules(method: str, path: str, user: User, expected: str) -> None:
    """The first rule that matches decides; bodies of secrets and tokens are never told."""
    assert level(POLICY, method, path, user) == expected


def test_default_policy() -> None:
    """Every change and every way into a container; neither heartbeats nor reading."""
    assert level(DEFAULT, "POST", "/api/v1/namespaces/a/pods") == "Metadata"
    assert level(DEFAULT, "DELETE", "/api/v1/namespaces/a/secrets") == "Metadata"
    assert level(DEFAULT, "GET", "/api/v1/namespaces/a/pods/a/exec") == "Metadata"
    assert level(DEFAULT, "GET", "/api/v1/namespaces/a/pods") == "None"
    assert level(DEFAULT, "PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", NODE) == "None"
    assert level(DEFAULT, "PATCH", "/api/v1/namespaces/a/pods/b/status", NODE) == "None"
    assert level(DEFAULT, "PATCH", "/api/v1/namespaces/a/pods/b/status") == "Metadata"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "rules[0].level: Required value"),
        ({"level": "Everything"}, 'rules[0].level: Unsupported value: "Everything"'),
        ({"level": "None", "nonResourceURLs": ["x"]}, "must begin with a '/' character"),
        ({"level": "None", "nonResourceURLs": ["/x*y"]}, "must be the final character of the rule"),
        ({"level": "None", "nonResourceURLs": ["/x"], "namespaces": ["a"]}, "cannot apply to both"),
        ({"level": "None", "resources": [{"group": "Apps/v1"}]}, "rules[0].resources.group"),
        ({"level": "None", "resources": [{"resourceNames": ["a"]}]}, "requires at least one resource"),
        ({"level": "None", "omitStages": ["Never"]}, "rules[0].omitStages[0]"),
        ({"level": "None", "colour": "red"}, "colour"),
    ],
)
def test_bad_policies(rule: dict[str, object], message: str) -> None:
    """Refused, with the place."""
    with pytest.raises(BadPolicy) as refused:
        read({"kind": "Policy", "apiVersion": "audit.k8s.io/v1", "rules": [rule]})
    assert message in str(refused.value)


def told(folder: Path) -> list[str]:
    """What `verify` says of each file."""
    lines: list[str] = []
    verify(folder, lines.append)
    return lines


def record(number: int, size: int = 0) -> bytes:
    """A record."""
    return msgspec.json.encode({"kind": "Event", "n": number, "x": "y" * size})


def test_a_log_over_restarts_and_rotation(tmp_path: Path) -> None:
    """The chain goes on; files are private; the oldest go; what is left still verifies."""
    for start in range(0, 60, 20):
        log = AuditFile(tmp_path / "audit", SystemClock(), Limits(size=3000, count=3))
        for number in range(start, start + 20):
            log.write(record(number, 100))
        log.close()
    kept = files(tmp_path / "audit")
    assert len(kept) == 4
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
    lines = told(tmp_path / "audit")
    assert len(lines) == 4
    last = kept[-1].read_bytes().splitlines()[-1]
    assert msgspec.json.decode(last)["n"] == 59


@given(st.data())
def test_any_change_shows(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever single byte is changed, line removed, repeated or swapped: `verify` says so."""
    folder = tmp_path_factory.mktemp("audit")
    log = AuditFile(folder, SystemClock())
    for number in range(8):
        log.write(record(number))
    log.close()
    path = folder / NAME
    lines = path.read_bytes().splitlines(keepends=True)
    what = data.draw(st.sampled_from(["byte", "remove", "repeat", "swap", "cut"]))
    at = data.draw(st.integers(0, len(lines) - 1))
    if what == "byte":
        place = data.draw(st.integers(0, len(lines[at]) - 2))
        changed = (lines[at][place] + data.draw(st.integers(1, 255))) % 256
        lines[at] = lines[at][:place] + bytes([changed]) + lines[at][place + 1 :]
    elif what == "remove":
        del lines[at]
    elif what == "repeat":
        lines.insert(at, lines[at])
    elif what == "swap":
        other = (at + 1) % len(lines)
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[-1] = lines[-1][:-10]
    path.write_bytes(b"".join(lines))
    with pytest.raises(Tampered):
        told(folder)


def test_a_line_cut_short_by_a_crash_is_no_tampering(tmp_path: Path) -> None:
    """The machine died in the middle of a line: the log goes on after it and verifies."""
    log = AuditFile(tmp_path, SystemClock())
    log.write(record(1))
    log.close()
    with (tmp_path / NAME).open("ab") as file:
        file.write(record(2)[:9])
    again = AuditFile(tmp_path, SystemClock())
    again.write(record(3))
    again.close()
    assert told(tmp_path) == ["audit.log: 2 records"]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is taken back; when there is room again, the log says how many records are missing."""
    log = AuditFile(tmp_path, SystemClock())
    log.write(record(1))
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:-19])

    monkeypatch.setattr(os, "write", full)
    for number in (2, 3):
        with pytest.raises(OSError, match="No space left"):
            log.write(record(number))
    monkeypatch.setattr(os, "write", real)
    log.write(record(4))
    log.close()
    links = [msgspec.json.decode(line) for line in (tmp_path / NAME).read_bytes().splitlines()]
    assert [(one.get("n"), one.get("lost")) for one in links] == [(None, None), (1, None), (None, 2), (4, None)]
    assert told(tmp_path) == ["audit.log: 2 records"]


def test_a_replaced_file_cannot_be_a_link(tmp_path: Path) -> None:
    """A symbolic link in the log's place is not followed."""
    (tmp_path / "canary").write_text("keep")
    (tmp_path / NAME).symlink_to(tmp_path / "canary")
    with pytest.raises(OSError, match="symbolic"):
        AuditFile(tmp_path, SystemClock())
    assert (tmp_path / "canary").read_text() == "keep"


def test_the_hash_covers_the_number() -> None:
    """Two logs never share a line."""
    head, line = chain.linked(Head(), b'{"a":1}')
    assert chain.head_of(line) == head
    assert chain.linked(Head(5), b'{"a":1}')[0].hash != head.hash
