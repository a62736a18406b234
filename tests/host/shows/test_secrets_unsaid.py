"""No Secret, password or token is in any log of a whole cluster that is as loud as it can be.

The counterpart, with real processes, of tests/integration/apiserver/test_log_secrets.py: server, agent, containerd and
supervisor write their logs, commands print, while credentials go through everything that handles them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.manifests import pod
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
PLANTED = "pl4nt3d-and-never-to-be-said"
NAMESPACE = "hush"


@pytest.fixture
def loud(tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster whose server and agent log all they can."""
    for name in ("WHERRY_SERVER_VERBOSE", "WHERRY_AGENT_VERBOSE"):
        monkeypatch.setenv(name, "1")
    with Cluster(tmp_path / "cluster") as it:
        it.load_image(tools)
        yield it


def secret(name: str, kind: str, data: dict[str, str]) -> str:
    return json.dumps({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data,
    })  # fmt: skip


def use(cluster: Cluster) -> list[str]:
    """Secrets as files, as variables and to pull images with; tokens of accounts and machines. What was given out."""

    def make(manifest: str) -> None:
        cluster.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=manifest)

    cluster.kubectl("create", "namespace", NAMESPACE)
    make(secret("word", "Opaque", {"word": PLANTED}))
    login = {"auths": {"registry.invalid": {"username": "eve", "password": PLANTED}}}
    make(secret("login", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": json.dumps(login)}))
    make(json.dumps(pod(
        "reads", volumes=[{"name": "word", "secret": {"secretName": "word"}}],
        container={
            "volumeMounts": [{"name": "word", "mountPath": "/word"}],
            "env": [{"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "word", "key": "word"}}}],
            "readinessProbe": {"exec": {"command": ["/bin/sh", "-c", 'test "$(cat /word/word)" = "$WORD"']}},
            "lifecycle": {"postStart": {"exec": {"command": ["/bin/sh", "-c", 'test -n "$WORD"']}}},
        },
    )))  # fmt: skip
    make(json.dumps(pod("pulls", image="registry.invalid/none:1", imagePullSecrets=[{"name": "login"}])))
    make(json.dumps(pod("lacks", container={"envFrom": [{"secretRef": {"name": "absent"}}]})))
    wait = ("wait", "-n", NAMESPACE, "--timeout=60s")
    cluster.kubectl(*wait, "--for=condition=Ready", "pod/reads")
    cluster.kubectl(*wait, "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff",
                    "pod/pulls")  # fmt: skip
    mounted = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    held = cluster.kubectl("exec", "-n", NAMESPACE, "reads", "--", "cat", mounted)
    asked = cluster.kubectl("create", "token", "-n", NAMESPACE, "default")
    joining = cluster.wherry("token", "create")
    words = [word for word in joining.split() if word.count(".") == 1 and len(word) == 23]
    assert len(words) == 1, joining
    make(secret("word", "Opaque", {"word": f"{PLANTED}, again"}))
    cluster.kubectl("delete", "pod", "-n", NAMESPACE, "--all")
    return [held.strip(), asked.strip(), words[0].partition(".")[2]]


def needles(words: list[str]) -> dict[str, bytes]:
    """What must not be found: the words themselves, in base64, and tokens' signatures."""
    found = {f"word {n}": word.encode() for n, word in enumerate(words)}
    found |= {
        f"signature {n}": word.rpartition(".")[2].encode() for n, word in enumerate(words) if word.count(".") == 2
    }
    found |= {f"base64 of word {n}": base64.b64encode(word.encode())[:-4] for n, word in enumerate(words)}
    return found


def test_no_secret_is_said(loud: Cluster) -> None:
    for part in ("server", "agent"):
        assert f"WHERRY_{part.upper()}_VERBOSE=1".encode() in Path(f"/proc/{loud.pid(part)}/environ").read_bytes()
    tokens = use(loud)
    with ThreadPoolExecutor() as together:
        commands = [("status",), ("doctor",), ("bench", "-o", "json")]
        printed = "".join(together.map(lambda command: loud.wherry(*command, check=False), commands))
    logs = [path for path in (*loud.config.logs.rglob("*"), *loud.config.audit_logs.rglob("*")) if path.is_file()]
    said = {str(path): path.read_bytes() for path in logs} | {"commands": printed.encode()}
    everything = b"".join(said.values())
    assert b"/api/v1/namespaces/hush/secrets/word" in everything, "the audit log tells of the Secret"
    told = [
        f"{what} in {where}"
        for what, needle in needles([PLANTED, *tokens]).items() for where, text in said.items() if needle in text
    ]  # fmt: skip
    assert not told, told
