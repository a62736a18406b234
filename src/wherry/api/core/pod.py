"""v1 Pod: what the API adds to its schema (`wherry.api.types.core`).

https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
What others ask about pods is importable from here; it lives in `pod_state` and `pod_resources`.
"""

from __future__ import annotations

from wherry.api.core.pod_columns import COLUMNS
from wherry.api.core.pod_prepare import prepare
from wherry.api.core.pod_resources import amounts, compute_qos, is_sidecar, pod_limits, pod_requests, qos_class
from wherry.api.core.pod_state import (
    condition,
    grace,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    ready_since,
)
from wherry.api.core.pod_status_validation import validate_status
from wherry.api.core.pod_validation import check_binding, check_ephemeral, check_resize, validate
from wherry.api.core.pod_warnings import pod_warnings
from wherry.api.core.podspec_defaults import default_pod
from wherry.api.declare import declare
from wherry.api.types.core import Pod

__all__ = [
    "POD",
    "amounts",
    "compute_qos",
    "condition",
    "grace",
    "is_active",
    "is_available",
    "is_ready",
    "is_sidecar",
    "is_terminal",
    "pod_limits",
    "pod_requests",
    "qos_class",
    "ready_since",
]

FIELDS = {
    "spec.nodeName": lambda pod: pod.spec.node_name,
    "spec.restartPolicy": lambda pod: pod.spec.restart_policy,
    "spec.schedulerName": lambda pod: pod.spec.scheduler_name,
    "spec.serviceAccountName": lambda pod: pod.spec.service_account_name,
    "spec.hostNetwork": lambda pod: "true" if pod.spec.host_network else "false",
    "status.phase": lambda pod: pod.status.phase,
    "status.podIP": lambda pod: pod.status.pod_ip,
    "status.nominatedNodeName": lambda pod: pod.status.nominated_node_name,
}

CHECKS = {"binding": check_binding, "ephemeralcontainers": check_ephemeral, "resize": check_resize}

POD = declare(
    Pod,
    columns=COLUMNS,
    fields=FIELDS,
    grace=grace,
    default=default_pod,
    prepare=prepare,
    validate=validate,
    validate_status=validate_status,
    checks=CHECKS,
    warn=pod_warnings,
)
