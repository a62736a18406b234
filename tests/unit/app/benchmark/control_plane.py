"""What is wrong with a control plane, one thing at a time: sections 1 to 3."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tests.unit.app.benchmark.good import (
    CONFIG,
    GOOD,
    N1,
    NODE,
    PKI,
    PLANE,
    ROOT,
    SERVER,
    UNIT,
    named,
    node,
    plane,
    world,
)
from wherry.app.benchmark.facts import Audit as FactsOfAudit
from wherry.app.benchmark.facts import Certificate, Door, Facts, File
from wherry.app.config import Audit


def with_file(*files: File) -> Facts:
    """The same with other files, or as others."""
    kept = {one.path: one for one in (*PLANE.files, *files)}
    return plane(files=tuple(kept.values()))


def door(**changed: object) -> Facts:
    return plane(door=replace(PLANE.door, **changed))  # type: ignore[arg-type]


def audit(**changed: object) -> Facts:
    return replace(GOOD, config=msgspec.structs.replace(CONFIG, audit=Audit(**changed)))  # type: ignore[arg-type]


READABLE = plane(unit=(replace(UNIT, mode=0o644),))
FOREIGN = plane(unit=(replace(UNIT, uid=1000),))
CNI = File(f"{NODE}/cni/10-wherry.conflist", 0o644)
LISTENS = plane(listeners=("0.0.0.0:6443", "0.0.0.0:2379"))

FILES = {
    **{f"1.1.{n}": READABLE for n in (1, 3, 5, 7)},
    **{f"1.1.{n}": FOREIGN for n in (2, 4, 6, 8)},
    "1.1.9": node(files=(*N1.files, CNI)),
    "1.1.10": node(files=(*N1.files, replace(CNI, mode=0o600, gid=1000))),
    "1.1.11": with_file(File(SERVER, 0o755, folder=True)),
    "1.1.12": with_file(File(f"{SERVER}/state.db", 0o600, uid=1000)),
    "1.1.13": with_file(File(f"{SERVER}/admin.kubeconfig", 0o640)),
    "1.1.14": with_file(File(f"{SERVER}/admin.kubeconfig", 0o600, gid=100)),
    "1.1.15": with_file(File(f"{SERVER}/scheduler.kubeconfig", 0o644)),
    "1.1.16": with_file(File(f"{SERVER}/scheduler.kubeconfig", 0o600, uid=7)),
    "1.1.17": with_file(File(f"{SERVER}/controller-manager.kubeconfig", 0o644)),
    "1.1.18": with_file(File(f"{SERVER}/controller-manager.kubeconfig", 0o600, uid=7)),
    "1.1.19": with_file(File(f"{PKI}/ca.crt", 0o644, uid=1000)),
    "1.1.20": with_file(File(f"{PKI}/ca.crt", 0o664)),
    "1.1.21": with_file(File(f"{PKI}/ca.key", 0o640)),
}
API = {
    "1.2.1": door(nobody=403),
    "1.2.2": with_file(File(f"{ROOT}/server/tokens.csv", 0o600)),
    "1.2.3": plane(admission={"DenyServiceExternalIPs": 201}),
    "1.2.4": plane(agents={"n1": 401}),
    "1.2.5": node(door=Door("127.0.0.1:10250", verified="self-signed certificate")),
    "1.2.6": plane(may=dict(PLANE.may) | {"a stranger list pods": True}),
    "1.2.7": plane(may=dict(PLANE.may) | {"a node read its own Node": False}),
    "1.2.8": plane(may=dict(PLANE.may) | {"the scheduler bind pods": False}),
    "1.2.9": plane(plugins=()),
    "1.2.10": plane(admission={"ServiceAccount": 201}),
    "1.2.11": plane(always_pulls=False),
    "1.2.12": plane(admission={"ServiceAccount": 201}),
    "1.2.13": plane(admission={"NamespaceLifecycle": 0}),
    "1.2.14": plane(admission={"NodeRestriction": 201}),
    "1.2.15": plane(debugging={"/debug/pprof/": 200}),
    "1.2.16": audit(enabled=False),
    "1.2.17": audit(days=7.0),
    "1.2.18": audit(files=2),
    "1.2.19": audit(size=10),
    "1.2.20": plane(body_seconds=3600.0),
    "1.2.21": plane(ghost=True),
    "1.2.22": plane(token_keys=()),
    "1.2.23": LISTENS,
    "1.2.24": door(verified="certificate has expired"),
    "1.2.25": door(stranger=200),
    "1.2.26": LISTENS,
    "1.2.27": replace(GOOD, config=msgspec.structs.replace(CONFIG, encrypt=("configmaps",))),
    "1.2.28": plane(plaintext=("shop/password",)),
    "1.2.29": door(weak=("TLSv1",)),
    "1.2.30": plane(token_seconds=31536000),
}
PARTS = {
    "1.3.1": world(pods=tuple(named(f"p{n}", "shop", spec={}, status={"phase": "Failed"}) for n in range(12_501))),
    "1.3.2": plane(debugging={"/debug/pprof/": 200}),
    "1.3.3": plane(identities=("system:kube-controller-manager",)),
    "1.3.4": plane(files=tuple(one for one in PLANE.files if not one.path.endswith("sa.key"))),
    "1.3.5": world(authorities={"default": True, "shop": False}),
    "1.3.6": node(certificates=(Certificate(f"{NODE}/pki/server.crt", 0.9),)),
    "1.3.7": LISTENS,
    "1.4.1": plane(debugging={"/debug/pprof/": 403}),
    "1.4.2": LISTENS,
    **{f"2.{n}": LISTENS for n in range(1, 8)},
}
SILENT = plane(audit=FactsOfAudit({"Secrets are read": "None", "a pod is made": "None"}, written=True))
PEOPLE = {
    "3.1.1": world(requests=(named("mallory", spec={"signerName": "kubernetes.io/kube-apiserver-client"}),)),
    "3.1.2": world(secrets=(("shop/robot", "kubernetes.io/service-account-token"),)),
    "3.1.3": world(secrets=(("kube-system/bootstrap-token-abcdef", "bootstrap.kubernetes.io/token"),)),
    "3.2.1": SILENT,
    "3.2.2": plane(audit=FactsOfAudit({"Secrets are read": "None", "a pod is made": "Metadata"}, written=True)),
}
WRONG = {**FILES, **API, **PARTS, **PEOPLE}
