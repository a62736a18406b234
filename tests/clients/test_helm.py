"""Helm installs, upgrades, tests, rolls back and uninstalls a chart with hooks, a CRD and a subchart."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import suite
from tests.support.rest import Refused, Rest
from wherry.testing.cluster import Cluster, CommandFailed, run

pytestmark = [pytest.mark.host, pytest.mark.looptime(enabled=False)]
CHART = Path(__file__).with_name("charts") / "site"
BANNERS = "/apis/clients.wherry.test/v1"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/banners.clients.wherry.test"


class Helm:
    """Helm in a namespace, with folders of its own."""

    def __init__(self, program: Path, kubeconfig: Path, namespace: str, home: Path) -> None:
        self._argv = [str(program), "--kubeconfig", str(kubeconfig), "--namespace", namespace]
        self._env = {**os.environ, **{f"HELM_{kind}_HOME": str(home) for kind in ("CACHE", "CONFIG", "DATA")}}

    def __call__(self, *arguments: str) -> str:
        """Standard output. Raises CommandFailed."""
        return run([*self._argv, *arguments], env=self._env, check=True, stdin="", timeout=180)

    def history(self, release: str) -> list[tuple[int, str]]:
        """Revisions and their states."""
        return [(entry["revision"], entry["status"]) for entry in json.loads(self("history", release, "-o", "json"))]


@pytest.fixture
def helm(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Helm]:
    """Helm, as the conformance suite's module builds it."""
    yield Helm(suite.build() / "helm", cluster.kubeconfig, namespace, tmp_path)
    cluster.kubectl("delete", "crd", "banners.clients.wherry.test", "--ignore-not-found", "--timeout=60s")


def greeting(rest: Rest, namespace: str) -> Any:
    return rest.get(f"{BANNERS}/namespaces/{namespace}/banners/blog")["spec"]["text"]


def absent(rest: Rest, path: str) -> bool:
    try:
        rest.get(path)
    except Refused as error:
        return error.status == 404
    return False


def test_a_release_from_install_to_uninstall(helm: Helm, cluster: Cluster, rest: Rest, namespace: str) -> None:
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    assert "Bad" not in helm("lint", str(CHART))
    helm("install", "blog", str(CHART), "--set", "replicas=2,store.size=medium", "--wait", "--timeout=90s")
    assert rest.get(f"{apps}/deployments/blog")["status"]["readyReplicas"] == 2
    assert rest.get(f"{core}/configmaps/blog-store")["data"] == {"size": "medium"}
    assert rest.get(f"{core}/configmaps/blog-store")["metadata"]["labels"]["team"] == "web"
    assert rest.get(CRD)["spec"]["names"]["kind"] == "Banner"
    assert greeting(rest, namespace) == "hello"
    assert cluster.kubectl("logs", "-n", namespace, "job/blog-pre-install") == "pre-install of blog, revision 1\n"
    assert helm.history("blog") == [(1, "deployed")]
    assert helm("test", "blog", "--logs", "--timeout=60s").count("Succeeded") == 1

    helm("upgrade", "blog", str(CHART), "--set", "greeting=again,store.enabled=false", "--wait", "--timeout=90s")
    assert greeting(rest, namespace) == "again"
    assert rest.get(f"{apps}/deployments/blog")["status"]["readyReplicas"] == 1
    assert absent(rest, f"{core}/configmaps/blog-store")
    assert absent(rest, f"/apis/batch/v1/namespaces/{namespace}/jobs/blog-post-upgrade")
    helm("test", "blog", "--logs", "--timeout=60s")

    helm("rollback", "blog", "1", "--wait", "--timeout=90s")
    assert helm.history("blog") == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert greeting(rest, namespace) == "hello"
    assert rest.get(f"{core}/configmaps/blog-store")["data"] == {"size": "medium"}
    assert rest.get(f"{apps}/deployments/blog")["status"]["readyReplicas"] == 2
    assert json.loads(helm("get", "values", "blog", "-o", "json")) == {"replicas": 2, "store": {"size": "medium"}}

    helm("uninstall", "blog", "--wait", "--timeout=90s")
    assert cluster.kubectl("logs", "-n", namespace, "job/blog-pre-delete") == "pre-delete of blog, revision 1\n"
    assert json.loads(helm("list", "-o", "json")) == []
    for path in (f"{apps}/deployments/blog", f"{core}/services/blog", f"{BANNERS}/namespaces/{namespace}/banners/blog"):
        assert absent(rest, path), path
    assert rest.get(CRD)["spec"]["group"] == "clients.wherry.test"


def test_what_goes_wrong_is_told(helm: Helm, rest: Rest, namespace: str) -> None:
    with pytest.raises(CommandFailed, match=r"spec\.text: Too long: may not be more than 20"):
        helm("install", "blog", str(CHART), "--set", f"greeting={'x' * 30}")
    assert helm.history("blog") == [(1, "failed")]
    helm("uninstall", "blog")
    helm("install", "blog", str(CHART), "--set", "expected=other", "--wait", "--timeout=90s")
    with pytest.raises(CommandFailed, match="blog-answers"):
        helm("test", "blog", "--logs", "--timeout=60s")
    with pytest.raises(CommandFailed, match="post-upgrade"):
        helm("upgrade", "blog", str(CHART), "--set", "breakUpgrade=true,greeting=broken", "--timeout=60s")
    assert helm.history("blog") == [(1, "deployed"), (2, "failed")]
    helm("upgrade", "blog", str(CHART), "--reset-values", "--server-side=true", "--wait", "--timeout=90s")
    assert greeting(rest, namespace) == "hello"
    assert helm.history("blog")[-1] == (3, "deployed")
    helm("uninstall", "blog")
