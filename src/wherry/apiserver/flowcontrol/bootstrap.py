"""LEVELS and SCHEMAS: the priority levels and flow schemas that every cluster begins with.

`exempt` and `catch-all` are mandatory; the others are kept as they are here unless their annotation says otherwise.
https://kubernetes.io/docs/concepts/cluster-administration/flow-control/#default-configuration
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.api.flowcontrol.mandatory import CATCH_ALL, EXEMPT, FLOW_SCHEMAS, PRIORITY_LEVELS
from wherry.api.types.flowcontrol import (
    FlowDistinguisherMethod,
    FlowSchema,
    FlowSchemaSpec,
    GroupSubject,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationReference,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
    ResourcePolicyRule,
    ServiceAccountSubject,
    Subject,
    UserSubject,
)
from wherry.machinery.meta import ObjectMeta

AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec"
MANDATORY = frozenset(FLOW_SCHEMAS)
_EVERYTHING = ResourcePolicyRule(
    verbs=("*",), api_groups=("*",), resources=("*",), namespaces=("*",), cluster_scope=True
)
_EVERY_PATH = NonResourcePolicyRule(verbs=("*",), non_resource_urls=("*",))
_EVERYBODY = ("system:unauthenticated", "system:authenticated")


def _meta(name: str) -> ObjectMeta:
    return ObjectMeta(name=name, annotations={AUTOUPDATE: "true"})


def _level(name: str, shares: int, lendable: int, queues: int, hand: int) -> PriorityLevelConfiguration:
    queuing = QueuingConfiguration(queues=queues, hand_size=hand, queue_length_limit=50)
    limited = LimitedPriorityLevelConfiguration(
        nominal_concurrency_shares=shares,
        lendable_percent=lendable,
        limit_response=LimitResponse(type="Queue", queuing=queuing),
    )
    spec = PriorityLevelConfigurationSpec(type="Limited", limited=limited)
    return PriorityLevelConfiguration(metadata=_meta(name), spec=spec)


def _mandatory_level(name: str) -> PriorityLevelConfiguration:
    return PriorityLevelConfiguration(metadata=_meta(name), spec=PRIORITY_LEVELS[name])


LEVELS = (
    *(_mandatory_level(name) for name in PRIORITY_LEVELS),
    _level("system", 30, 33, 64, 6),
    _level("node-high", 40, 25, 64, 6),
    _level("leader-election", 10, 0, 16, 4),
    _level("workload-high", 40, 50, 128, 6),
    _level("workload-low", 100, 90, 128, 6),
    _level("global-default", 20, 50, 128, 6),
)


def _groups(*names: str) -> tuple[Subject, ...]:
    return tuple(Subject(kind="Group", group=GroupSubject(name=name)) for name in names)


def _users(*names: str) -> tuple[Subject, ...]:
    return tuple(Subject(kind="User", user=UserSubject(name=name)) for name in names)


_SYSTEM_ACCOUNTS = (
    Subject(kind="ServiceAccount", service_account=ServiceAccountSubject(namespace="kube-system", name="*")),
)


def _leases(*verbs: str) -> ResourcePolicyRule:
    return ResourcePolicyRule(
        verbs=verbs, api_groups=("coordination.k8s.io",), resources=("leases",), namespaces=("*",)
    )


def _schema(
    name: str, level: str, precedence: int, by: str, subjects: Sequence[Subject],
    rules: tuple[Sequence[ResourcePolicyRule], Sequence[NonResourcePolicyRule]] = ((_EVERYTHING,), (_EVERY_PATH,)),
) -> FlowSchema:  # fmt: skip
    rule = PolicyRulesWithSubjects(
        subjects=tuple(subjects), resource_rules=tuple(rules[0]), non_resource_rules=tuple(rules[1])
    )
    spec = FlowSchemaSpec(
        priority_level_configuration=PriorityLevelConfigurationReference(name=level),
        matching_precedence=precedence,
        distinguisher_method=FlowDistinguisherMethod(type=by) if by else None,
        rules=(rule,),
    )
    return FlowSchema(metadata=_meta(name), spec=spec)


def _mandatory_schema(name: str) -> FlowSchema:
    return FlowSchema(metadata=_meta(name), spec=FLOW_SCHEMAS[name])


SCHEMAS = (
    _mandatory_schema(EXEMPT),
    _schema(
        "probes", EXEMPT, 2, "", _groups(*_EVERYBODY),
        ((), (NonResourcePolicyRule(verbs=("get",), non_resource_urls=("/healthz", "/readyz", "/livez")),)),
    ),
    _schema(
        "system-leader-election", "leader-election", 100, "ByUser",
        (*_users("system:kube-controller-manager", "system:kube-scheduler"), *_SYSTEM_ACCOUNTS),
        ((_leases("get", "create", "update"),), ()),
    ),
    _schema(
        "system-node-high", "node-high", 400, "ByUser", _groups("system:nodes"),
        (
            (
                ResourcePolicyRule(
                    verbs=("*",), api_groups=("",), resources=("nodes", "nodes/status"), namespaces=("*",),
                    cluster_scope=True,
                ),
                _leases("*"),
            ),
            (),
        ),
    ),
    _schema("system-nodes", "system", 500, "ByUser", _groups("system:nodes")),
    _schema(
        "kube-controller-manager", "workload-high", 800, "ByNamespace", _users("system:kube-controller-manager")
    ),
    _schema("kube-scheduler", "workload-high", 800, "ByNamespace", _users("system:kube-scheduler")),
    _schema("kube-system-service-accounts", "workload-high", 900, "ByNamespace", _SYSTEM_ACCOUNTS),
    _schema("service-accounts", "workload-low", 9000, "ByUser", _groups("system:serviceaccounts")),
    _schema("global-default", "global-default", 9900, "ByUser", _groups(*_EVERYBODY)),
    _mandatory_schema(CATCH_ALL),
)  # fmt: skip
