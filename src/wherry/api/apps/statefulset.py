"""apps/v1 StatefulSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, named, nonnegative, unsupported
from wherry.api.columns import AGE, workload_columns
from wherry.api.core.claim_validation import claim_spec
from wherry.api.core.persistentvolumeclaim import default as default_claim
from wherry.api.core.pod_warnings import workload_warnings
from wherry.api.core.podspec_defaults import default_template
from wherry.api.core.template_validation import workload_selector, workload_template
from wherry.api.counts_validation import at_most_all, int_or_percent, number_of, replica_counts
from wherry.api.declare import declare
from wherry.api.defaulting import each, fill, within
from wherry.api.types.apps import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetUpdateStrategy,
)
from wherry.api.types.core import PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume
from wherry.machinery.names import dns_label
from wherry.machinery.resource import Column
from wherry.machinery.validation import invalid

COUNTS = (
    ("ready_replicas", "readyReplicas"),
    ("current_replicas", "currentReplicas"),
    ("updated_replicas", "updatedReplicas"),
    ("available_replicas", "availableReplicas"),
)

COLUMNS: tuple[Column[StatefulSet], ...] = (
    Column("Ready", lambda s, _: f"{s.status.ready_replicas}/{s.spec.replicas or 0}"),
    AGE,
    *workload_columns(lambda s: s.spec.template, lambda s: s.spec.selector)[:2],
)


def default(sts: StatefulSet) -> StatefulSet:
    """One replica, in order, rolling one by one; claims are kept."""
    spec = fill(sts.spec, replicas=1, revision_history_limit=10, pod_management_policy="OrderedReady")
    retention = spec.persistent_volume_claim_retention_policy or StatefulSetPersistentVolumeClaimRetentionPolicy()
    spec = replace(
        spec,
        persistent_volume_claim_retention_policy=fill(retention, when_deleted="Retain", when_scaled="Retain"),
        update_strategy=_default_strategy(spec.update_strategy),
    )
    return replace(sts, spec=within(spec, template=default_template, volume_claim_templates=each(default_claim)))


def _default_strategy(strategy: StatefulSetUpdateStrategy) -> StatefulSetUpdateStrategy:
    if not strategy.type:
        rolling = strategy.rolling_update or RollingUpdateStatefulSetStrategy()
        strategy = replace(strategy, type="RollingUpdate", rolling_update=rolling)
    if strategy.type != "RollingUpdate":
        return strategy
    return within(strategy, rolling_update=lambda rolling: fill(rolling, partition=0, max_unavailable=1))


def validate(new: StatefulSet, old: StatefulSet | None) -> Errors:
    """Selector and template fit; selector, service, order and claims stay."""
    spec = new.spec
    if spec.pod_management_policy not in ("OrderedReady", "Parallel"):
        why = "must be 'OrderedReady' or 'Parallel'"
        yield invalid("spec.podManagementPolicy", spec.pod_management_policy, why)
    yield from _strategy("spec.updateStrategy", spec.update_strategy)
    yield from _retention("spec.persistentVolumeClaimRetentionPolicy", spec)
    if old is None:
        for index, claim in enumerate(spec.volume_claim_templates):
            yield from claim_spec(f"spec.volumeClaimTemplates[{index}].spec", claim.spec)
    yield from nonnegative("spec.replicas", spec.replicas)
    yield from nonnegative("spec.minReadySeconds", spec.min_ready_seconds)
    if spec.ordinals is not None:
        yield from nonnegative("spec.ordinals.start", spec.ordinals.start)
    if spec.service_name and old is None:
        yield from named("spec.serviceName", spec.service_name, dns_label)
    yield from workload_selector("spec.selector", spec.selector, "statefulset")
    yield from workload_template("spec", spec.selector, _with_claims(spec), "StatefulSet", malformed="")
    if old is not None:
        yield from immutable("spec.selector", spec.selector, old.spec.selector)
        yield from immutable("spec.volumeClaimTemplates", spec.volume_claim_templates, old.spec.volume_claim_templates)
        yield from immutable("spec.serviceName", spec.service_name, old.spec.service_name)
        yield from immutable("spec.podManagementPolicy", spec.pod_management_policy, old.spec.pod_management_policy)


def _with_claims(spec: StatefulSetSpec) -> PodTemplateSpec:
    """The template as pods will have it: a volume per claim; name and subdomain are the controller's."""
    names = dict.fromkeys(claim.metadata.name for claim in spec.volume_claim_templates)
    claimed = tuple(
        Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=name)) for name in names
    )
    own = tuple(volume for volume in spec.template.spec.volumes if volume.name not in names)
    return replace(spec.template, spec=replace(spec.template.spec, volumes=(*claimed, *own), subdomain="", hostname=""))


def _strategy(path: str, strategy: StatefulSetUpdateStrategy) -> Errors:
    rolling = strategy.rolling_update
    if strategy.type == "OnDelete":
        if rolling is not None:
            yield invalid(f"{path}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    elif strategy.type != "RollingUpdate":
        yield invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")
    elif rolling is not None:
        yield from nonnegative(f"{path}.rollingUpdate.partition", rolling.partition)
        if rolling.max_unavailable is not None:
            at = f"{path}.rollingUpdate.maxUnavailable"
            yield from int_or_percent(at, rolling.max_unavailable)
            if not number_of(rolling.max_unavailable):
                yield invalid(at, rolling.max_unavailable, "cannot be 0")
            yield from at_most_all(at, rolling.max_unavailable)


def _retention(path: str, spec: StatefulSetSpec) -> Errors:
    policy = spec.persistent_volume_claim_retention_policy
    if policy is None:
        return
    for field, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)):
        if value not in ("Retain", "Delete"):
            yield unsupported(f"{path}.{field}", value, ("Retain", "Delete"))


def validate_status(new: StatefulSet, old: StatefulSet | None) -> Errors:
    """Counts that can be true together."""
    yield from replica_counts(new.status, old and old.status, COUNTS, ready="status.readyReplicas")


STATEFULSET = declare(
    StatefulSet,
    columns=COLUMNS,
    default=default,
    validate=validate,
    validate_status=validate_status,
    warn=workload_warnings,
)
