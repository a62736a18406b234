"""Which pods keep a node from being removed, and how its certificates are taken back."""

from __future__ import annotations

from typing import Any

from wherry.app.removal import revoked, to_move

NOW = 1_790_000_000.0


def pod(name: str, owner: str = "", phase: str = "Running", **annotations: str) -> dict[str, Any]:
    owners = [{"kind": owner, "controller": True}] if owner else []
    meta = {"name": name, "ownerReferences": owners, "annotations": annotations}
    return {"metadata": meta, "status": {"phase": phase}}


def test_what_must_go_first() -> None:
    pods = [
        pod("web", "ReplicaSet"), pod("alone"), pod("agent", "DaemonSet"), pod("over", phase="Succeeded"),
        pod("failed", "Job", phase="Failed"), pod("own", "Node", **{"kubernetes.io/config.mirror": "x"}),
    ]  # fmt: skip
    assert [one["metadata"]["name"] for one in to_move(pods)] == ["web", "alone"]


def test_certificates_until_now_are_refused_and_old_notes_dropped() -> None:
    present = {"old": "2020-01-01T00:00:00Z", "new": "2026-09-01T00:00:00Z"}
    assert revoked(present, "gone", NOW) == {"old": None, "gone": "2026-09-21T14:08:20Z"}
