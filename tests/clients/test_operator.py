"""A Go operator on controller-runtime, unchanged: leader election, webhooks with certificates, conversion, caches."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import program
from tests.support.apiserver import Authority
from tests.support.definitions import condition, definition, version
from tests.support.image import TOOLS
from tests.support.rest import Follower, Refused, Rest
from wherry.testing.cluster import Cluster

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
Json = dict[str, Any]
GROUP = "operator.wherry.test"
NAME = f"sites.{GROUP}"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HOOKS = "/apis/admissionregistration.k8s.io/v1"
TEXT, NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}
STATUS = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Operator:
    """Processes of the operator in a namespace of a cluster, and the webhooks of one of them, at an address that the
    cluster's API server reaches."""

    def __init__(self, cluster: Cluster, rest: Rest, namespace: str, folder: Path) -> None:
        self.cluster, self.rest, self.namespace, self.folder = cluster, rest, namespace, folder
        self.host = str(cluster.place.gateway)
        authority = Authority(folder / "authority")
        self.authority = base64.b64encode(authority.certificate.read_bytes()).decode()
        pair = authority.issue("webhooks", server=True, hosts=[self.host])
        pair.certificate.rename(pair.certificate.with_name("tls.crt"))
        pair.key.rename(pair.key.with_name("tls.key"))
        self.certificates = pair.certificate.parent
        with socket.create_server((self.host, 0)) as free:
            self.port = free.getsockname()[1]

    def target(self, path: str) -> Json:
        """A webhook's client configuration."""
        return {"url": f"https://{self.host}:{self.port}{path}", "caBundle": self.authority}

    @contextlib.contextmanager
    def process(self, identity: str, *, webhooks: bool = False) -> Iterator[subprocess.Popen[bytes]]:
        """One process; what it said is shown when the test fails meanwhile."""
        argv = [str(program.build() / "operator"), f"-identity={identity}", f"-namespace={self.namespace}"]
        if webhooks:
            argv += [f"-host={self.host}", f"-port={self.port}", f"-certificates={self.certificates}"]
        env = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)}
        log = self.folder / f"{identity}.log"
        with log.open("w") as sink, subprocess.Popen(argv, env=env, stdout=sink, stderr=sink) as process:
            try:
                yield process
            except AssertionError as error:
                raise AssertionError(f"{error}; {identity} said:\n{log.read_text()[-6000:]}") from error
            finally:
                process.kill()

    def patch(self, name: str, change: Json) -> str:
        """Change a Site, whatever the operator writes meanwhile; what kubectl said."""
        flags = ("--type=merge", "-p", json.dumps(change))
        return self.cluster.kubectl("patch", "site", name, "-n", self.namespace, *flags, check=False)

    def holder(self) -> str:
        """Who leads; with whom the Lease is."""
        try:
            lease = self.rest.get(f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/sites")
        except Refused:
            return ""
        return str(lease["spec"].get("holderIdentity", ""))


@pytest.fixture
def operator(cluster: Cluster, rest: Rest, namespace: str, tmp_path: Path) -> Iterator[Operator]:
    """The operator's kind and webhooks are there; no process is yet."""
    it = Operator(cluster, rest, namespace, tmp_path)
    rest.call("POST", DEFINITIONS, site_definition(it))
    with Follower(rest, DEFINITIONS) as follower:
        follower.wait(lambda seen: condition(seen[f"/{NAME}"], "Established").get("status") == "True", 20)
    rule = {"apiGroups": [GROUP], "apiVersions": ["v1"], "resources": ["sites"], "scope": "Namespaced"}
    for kind, path, operations in (
        ("Mutating", "mutate", ["CREATE", "UPDATE"]),
        ("Validating", "validate", ["CREATE", "UPDATE", "DELETE"]),
    ):
        hook = {
            "name": NAME,
            "clientConfig": it.target(f"/{path}-operator-wherry-test-v1-site"),
            "rules": [{**rule, "operations": operations}],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        configuration = {"metadata": {"name": "sites"}, "webhooks": [hook]}
        rest.call("POST", f"{HOOKS}/{kind.lower()}webhookconfigurations", configuration)
    yield it
    for kind in ("mutating", "validating"):
        rest.call("DELETE", f"{HOOKS}/{kind}webhookconfigurations/sites")
    rest.call("DELETE", f"{DEFINITIONS}/{NAME}")


def site_definition(operator: Operator) -> Json:
    """Sites in two versions, converted by the operator's webhook."""
    fields: Json = {
        "v1": {"text": TEXT, "image": TEXT, "replicas": NUMBER},
        "v1alpha1": {"message": TEXT, "image": TEXT, "size": TEXT},
    }
    versions = [
        version(
            name,
            {"type": "object", "properties": {"spec": {"type": "object", "properties": spec}, "status": STATUS}},
            storage=name == "v1",
            subresources={"status": {}},
        )
        for name, spec in fields.items()
    ]
    webhook = {"clientConfig": operator.target("/convert"), "conversionReviewVersions": ["v1"]}
    conversion = {"strategy": "Webhook", "webhook": webhook}
    return definition(*versions, kind="Site", group=GROUP, conversion=conversion)


def site(name: str, *, labels: Json | None = None, **spec: Any) -> Json:
    """A Site in v1."""
    meta = {"name": name, "labels": labels or {}}
    return {"apiVersion": f"{GROUP}/v1", "kind": "Site", "metadata": meta, "spec": {"image": TOOLS, **spec}}


def ready(items: dict[str, Json], key: str, leader: str) -> bool:
    """Whether the operator's leader says that a Site is ready as it is now."""
    item = items.get(key, {})
    status = item.get("status", {})
    return status.get("leader") == leader and any(
        one["status"] == "True" and one["observedGeneration"] == item["metadata"]["generation"]
        for one in status.get("conditions", ())
    )


def test_an_operator(operator: Operator, cluster: Cluster, rest: Rest, namespace: str) -> None:
    path = "/apis/" + GROUP + "/{}/namespaces/" + namespace + "/sites"
    sites, old = path.format("v1"), path.format("v1alpha1")
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    with pytest.raises(Refused, match=r'failed calling webhook "sites\.operator\.wherry\.test"'):
        rest.call("POST", sites, site("one", text="hello"))
    with operator.process("first") as first, Follower(rest, leases) as follower:
        follower.wait(lambda _: operator.holder(), 30, "a leader")
        led = operator.holder()
        with operator.process("second", webhooks=True) as second:
            follow_a_site(operator, rest, sites, namespace)
            convert_a_site(operator, rest, sites, old)
            refuse_sites(operator, rest, sites)
            survive_the_server(cluster, rest, sites)
            first.send_signal(signal.SIGKILL)
            follower.wait(lambda _: operator.holder() not in ("", led), 30, "another leader")
            with Follower(rest, sites) as seen:
                rest.call("POST", sites, site("late", text="hello"))
                seen.wait(lambda items: ready(items, f"{namespace}/late", "second"), 60, "led by the second")
                leave(operator, rest, sites, seen)
            second.send_signal(signal.SIGTERM)
            assert second.wait(30) == 0
            assert operator.holder() == "", "the Lease was not given back"


def follow_a_site(operator: Operator, rest: Rest, sites: str, namespace: str) -> None:
    """From a Site to its pods and back into its status; the mutating webhook fills in how many."""
    until_answered(rest, sites)
    with Follower(rest, sites) as seen:
        made = rest.call("POST", sites, site("one", text="hello"))
        assert made["spec"]["replicas"] == 1
        seen.wait(lambda items: ready(items, f"{namespace}/one", "first"), 60, "ready")
        assert "patched" in operator.patch("one", {"spec": {"replicas": 2}})
        seen.wait(lambda items: items[f"{namespace}/one"]["status"]["ready"] == 2, 60, "two ready")
        rest.call("DELETE", f"/api/v1/namespaces/{namespace}/configmaps/one")
    with Follower(rest, f"/api/v1/namespaces/{namespace}/configmaps") as maps:
        maps.wait(lambda items: f"{namespace}/one" in items, 30, "made again")
        assert maps.objects[f"{namespace}/one"]["data"] == {"text": "hello"}


def until_answered(rest: Rest, sites: str) -> None:
    """Until the webhooks listen: a process tells nobody when it does."""
    for _ in range(300):
        try:
            rest.call("POST", f"{sites}?dryRun=All", site("probe", text="hello"))
        except Refused as error:
            if "failed calling webhook" not in str(error):
                raise
        else:
            return
    raise AssertionError("the webhooks do not answer")


def convert_a_site(operator: Operator, rest: Rest, sites: str, old: str) -> None:
    """Each version reads what the other wrote, in gets, lists, watches and patches."""
    spec = rest.get(f"{old}/one")["spec"]
    assert spec == {"message": "hello", "size": "2", "image": TOOLS}
    elder = {**site("elder", message="hi", size="0"), "apiVersion": f"{GROUP}/v1alpha1"}
    assert rest.call("POST", old, elder)["spec"] == {"message": "hi", "size": "0", "image": TOOLS}
    assert rest.get(f"{sites}/elder")["spec"] == {"text": "hi", "replicas": 0, "image": TOOLS}
    assert [item["spec"]["message"] for item in rest.get(old)["items"]] == ["hi", "hello"]
    with Follower(rest, old) as seen:
        assert "patched" in operator.patch("elder", {"spec": {"text": "good day"}})
        seen.wait(
            lambda items: any(one["spec"]["message"] == "good day" for one in items.values()), 20, "a converted event"
        )
    with pytest.raises(Refused, match="is no number"):
        rest.call("POST", old, {**site("odd", message="hi", size="many"), "apiVersion": f"{GROUP}/v1alpha1"})


def refuse_sites(operator: Operator, rest: Rest, sites: str) -> None:
    """The validating webhook's refusals and warnings reach the client."""
    with pytest.raises(Refused, match=r'denied the request: spec\.text: "HELLO" shouts') as refused:
        rest.call("POST", sites, site("loud", text="HELLO"))
    assert refused.value.status == 403
    assert "spec.image: is immutable" in operator.patch("one", {"spec": {"image": "other"}})
    manifest = json.dumps(site("quiet", text="hello", replicas=0))
    said = operator.cluster.kubectl("create", "-n", operator.namespace, "-f", "-", stdin=manifest, check=False)
    assert "Warning: nobody will hear this site" in said
    rest.call("POST", sites, site("kept", text="hello", replicas=0, labels={"keep": "yes"}))
    with pytest.raises(Refused, match="it is to be kept"):
        rest.call("DELETE", f"{sites}/kept")


def survive_the_server(cluster: Cluster, rest: Rest, sites: str) -> None:
    """The API server is killed and comes back; the operator's caches go on, its leader leads on."""
    os.kill(cluster.pid("server"), signal.SIGKILL)
    rest.wait_ready(30)
    with Follower(rest, sites) as seen:
        rest.call("POST", sites, site("after", text="hello"))
        name = f"{sites.split('/')[-2]}/after"
        seen.wait(lambda items: ready(items, name, "first"), 60, "ready after the server's death")


def leave(operator: Operator, rest: Rest, sites: str, seen: Follower) -> None:
    """Sites go once their finalizer has run; what they owned is collected."""
    assert "patched" in operator.patch("kept", {"metadata": {"labels": {"keep": None}}})
    for name in ("one", "elder", "quiet", "kept", "after", "late"):
        rest.call("DELETE", f"{sites}/{name}")
    seen.wait(lambda items: not items, 60, "all gone")
    namespace = operator.namespace
    assert rest.get(f"/api/v1/namespaces/{namespace}/configmaps/one-farewell")["metadata"]["name"] == "one-farewell"
    with Follower(rest, f"/apis/apps/v1/namespaces/{namespace}/deployments") as left:
        left.wait(lambda items: not items, 60, "the garbage collected")
