"""The objects that the benchmark looks at, read from the API. Values of Secrets are passed over."""

from __future__ import annotations

from wherry.app.benchmark.facts import Object, World
from wherry.app.config import Config
from wherry.app.rest import Rest

RBAC = "/apis/rbac.authorization.k8s.io/v1"
HOOKS = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
)


def world(rest: Rest, config: Config) -> World:
    """Everything there is. Raises ApiUnreachable, ApiRefused."""
    secrets = rest.items("/api/v1/secrets")
    return World(
        namespaces=_all(rest, "/api/v1/namespaces"),
        pods=_all(rest, "/api/v1/pods"),
        service_accounts=_all(rest, "/api/v1/serviceaccounts"),
        roles=_all(rest, f"{RBAC}/roles"),
        bindings=_all(rest, f"{RBAC}/rolebindings"),
        cluster_roles=_all(rest, f"{RBAC}/clusterroles"),
        cluster_bindings=_all(rest, f"{RBAC}/clusterrolebindings"),
        network_policies=_all(rest, "/apis/networking.k8s.io/v1/networkpolicies"),
        secrets=tuple((f"{s['metadata']['namespace']}/{s['metadata']['name']}", s.get("type", "")) for s in secrets),
        services=_all(rest, "/api/v1/services"),
        requests=_all(rest, "/apis/certificates.k8s.io/v1/certificatesigningrequests"),
        hooks=tuple(one for path in HOOKS for one in _all(rest, path)),
        authorities=_authorities(rest, config),
    )


def _all(rest: Rest, path: str) -> tuple[Object, ...]:
    return tuple(rest.items(path))


def _authorities(rest: Rest, config: Config) -> dict[str, bool]:
    """Namespace -> whether pods there are told the cluster's CA."""
    own = config.authority.read_text()
    maps = {
        one["metadata"]["namespace"]: (one.get("data") or {}).get("ca.crt", "")
        for one in rest.items("/api/v1/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt")
    }
    names = [one["metadata"]["name"] for one in rest.items("/api/v1/namespaces")]
    return {name: maps.get(name, "").strip() == own.strip() for name in names}
