"""An operator as kopf's users write one, run by `kopf run`: a Garden gets a Deployment of as many pods as it has beds.

`test_kopf.py` starts it and looks at what it does through the API.
"""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client, config

GROUP, VERSION, PLURAL = "kopf.wherry.test", "v1", "gardens"
config.load_kube_config()


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Events as Kubernetes objects, from the first on."""
    settings.posting.level = 20
    settings.persistence.finalizer = f"{GROUP}/finalizer"


@kopf.on.create(GROUP, VERSION, PLURAL)
def plant(spec: kopf.Spec, name: str | None, namespace: str | None, **_: Any) -> dict[str, Any]:
    """Make the Deployment, owned by the Garden; what is returned lands in the status."""
    container = {"name": "main", "image": spec["image"], "command": ["sleep", "3600"]}
    labels = {"garden": name}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-beds", "labels": labels},
        "spec": {
            "replicas": spec["beds"],
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
            },
        },
    }
    kopf.adopt(body)
    made: Any = client.AppsV1Api().create_namespaced_deployment(namespace or "", body)  # type: ignore[arg-type] # a dict
    return {"deployment": made.metadata.name}


@kopf.on.update(GROUP, VERSION, PLURAL, field="spec.beds")
def dig(
    old: Any, new: Any, body: kopf.Body, status: kopf.Status, namespace: str | None, patch: kopf.Patch, **_: Any
) -> None:
    """Change the size."""
    if new > 9:
        kopf.warn(body, reason="TooLarge", message="no garden has room for that")
        raise kopf.PermanentError("no garden has room for that")
    name = status["plant"]["deployment"]
    client.AppsV1Api().patch_namespaced_deployment_scale(name, namespace or "", {"spec": {"replicas": new}})
    patch.status["change"] = f"{old} -> {new}"


@kopf.on.event("apps", "v1", "deployments", labels={"garden": kopf.PRESENT})
def look(body: kopf.Body, namespace: str | None, **_: Any) -> None:
    """Tell the Garden how many of its pods are ready, from what a watch of another kind says."""
    owner = body["metadata"]["ownerReferences"][0]["name"]
    patch = {"status": {"ready": body["status"].get("readyReplicas", 0)}}
    try:
        client.CustomObjectsApi().patch_namespaced_custom_object_status(
            GROUP, VERSION, namespace or "", PLURAL, owner, patch
        )
    except client.ApiException as error:
        if error.status != 404:
            raise


@kopf.on.delete(GROUP, VERSION, PLURAL)
def clear(name: str | None, namespace: str | None, retry: int, **_: Any) -> None:
    """Leave a note behind; not at the first try."""
    if retry == 0:
        raise kopf.TemporaryError("still in bloom", delay=1)
    note = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"{name}-was-here"), data={"tries": str(retry + 1)})
    client.CoreV1Api().create_namespaced_config_map(namespace or "", note)
