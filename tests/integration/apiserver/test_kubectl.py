"""The real kubectl against a real server: what people type."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.integration.apiserver.conftest import Http
from tests.support.apiserver import KUBECTL

pytestmark = [
    pytest.mark.looptime(False),
    pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl is not installed"),
]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: demo, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: nginx, ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: demo}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


async def test_apply_diff_edit_and_delete(http: Http, tmp_path: Path) -> None:
    kubectl = http.running.kubectl
    made = await kubectl("apply", "-f", "-", stdin=WEB)
    assert made.out.split() == ["deployment.apps/web", "created", "service/web", "created"]
    again = await kubectl("apply", "-f", "-", stdin=WEB)
    assert again.out.split() == ["deployment.apps/web", "unchanged", "service/web", "unchanged"]
    changed = WEB.replace("replicas: 2", "replicas: 3").replace("ports: [{port: 80}]", "ports: [{port: 81}]")
    diff = await kubectl("diff", "-f", "-", stdin=changed)
    assert (diff.code, "+  replicas: 3" in diff.out, diff.err) == (1, True, "")
    assert "configured" in (await kubectl("apply", "-f", "-", stdin=changed)).out
    ports = await kubectl("get", "svc", "web", "-n", "demo", "-o", "jsonpath={.spec.ports[*].port}")
    assert ports.out == "81"
    applied = await kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=changed)
    assert applied.out.split() == ["deployment.apps/web", "serverside-applied", "service/web", "serverside-applied"]
    gone = await kubectl("delete", "-f", "-", stdin=WEB)
    assert gone.code == 0, gone.err
    assert (await kubectl("get", "deploy", "web", "-n", "demo")).err.startswith("Error from server (NotFound)")


async def test_imperative_commands(http: Http) -> None:
    async def run(line: str) -> str:
        ran = await http.running.kubectl(*line.split(), "-n", "demo")
        assert ran.code == 0, ran.err
        return ran.out

    await run("create deployment d --image=nginx --replicas=2")
    await run("create configmap c --from-literal=a=b")
    await run("create secret generic s --from-literal=a=b")
    await run("create service clusterip d --tcp=80")
    await run("create serviceaccount robot")
    await run("create rolebinding r --clusterrole=view --serviceaccount=demo:robot")
    await run("create quota q --hard=pods=10")
    await run("create ingress i --rule=example.com/*=d:80")
    await run("run p --image=nginx")
    await run("scale deployment d --replicas=4")
    await run("set image deployment/d nginx=nginx:2")
    await run("label deployment d tier=web")
    await run("annotate deployment d note=x")
    await run("autoscale deployment d --max=5")
    assert "4" in await run("get deployment d -o jsonpath={.spec.replicas}")
    assert "yes" in await run("auth can-i list pods --as=system:serviceaccount:demo:robot")
    listed = await run("get all,cm,secret,ing,quota,rolebindings -o wide")
    for name in ("deployment.apps/d", "configmap/c", "secret/s", "service/d", "pod/p", "rolebinding"):
        assert name in listed
    described = await run("describe deployment d")
    assert "Image:         nginx:2" in described
    assert await run("delete pod p")


async def test_explain_and_api_resources(http: Http) -> None:
    kubectl = http.running.kubectl
    explained = await kubectl("explain", "deployment.spec.template.spec.containers")
    assert "FIELDS:" in explained.out
    assert "image\t<string>" in explained.out
    assert "ENUM:" in (await kubectl("explain", "pod.spec.restartPolicy")).out
    everything = await kubectl("api-resources", "--verbs=list", "-o", "name")
    assert {"pods", "deployments.apps", "roles.rbac.authorization.k8s.io"} <= set(everything.out.split())
    assert "v1" in (await kubectl("api-versions")).out.split()


async def test_a_misspelt_field_is_refused_by_name(http: Http) -> None:
    ran = await http.running.kubectl("apply", "-f", "-", stdin=WEB.replace("replicas", "replcas"))
    assert ran.code == 1
    assert 'unknown field "spec.replcas"' in ran.err


async def test_get_watch_prints_changes(http: Http) -> None:
    running = http.running
    running.kubeconfig()
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL), "--kubeconfig", str(running.folder / "kubernetes-admin.kubeconfig"),
        "get", "cm", "-n", "demo", "-w", "--no-headers", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            made = await running.kubectl("create", "configmap", "a", "-n", "demo")
            assert made.code == 0
            assert (await process.stdout.readline()).split()[:2] == [b"a", b"0"]
            await running.kubectl("patch", "configmap", "a", "-n", "demo", "-p", '{"data":{"x":"y"}}')
            assert (await process.stdout.readline()).split()[:2] == [b"a", b"1"]
    finally:
        process.kill()
        await process.wait()


async def test_create_of_every_body_format(http: Http) -> None:
    """kubectl create sends protobuf for most kinds; volumes, probes and quantities must survive it."""
    kubectl = http.running.kubectl
    assert (await kubectl("create", "namespace", "other")).code == 0
    ran = await kubectl("create", "job", "j", "--image=busybox", "-n", "demo", "--", "sleep", "1")
    assert ran.code == 0, ran.err
    command = await kubectl(
        "get", "job", "j", "-n", "demo", "-o", "jsonpath={.spec.template.spec.containers[0].command}"
    )
    assert command.out == '["sleep","1"]'
    budget = await kubectl("create", "pdb", "b", "--selector=app=x", "--min-available=1", "-n", "demo")
    assert budget.code == 0, budget.err
    found = await kubectl("get", "pdb", "b", "-n", "demo", "-o", "jsonpath={.spec.minAvailable}")
    assert found.out == "1"
    assert (await kubectl("create", "token", "default", "-n", "demo", "--duration=20m")).out.count(".") == 2
