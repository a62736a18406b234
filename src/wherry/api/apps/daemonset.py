"""apps/v1 DaemonSet: what the API adds to its schema (`wherry.api.types.apps`)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from wherry.api.checks import Errors, immutable, nonnegative, unsupported
from wherry.api.columns import AGE, workload_columns
from wherry.api.core.pod_warnings import template_warnings
from wherry.api.core.podspec_defaults import default_template
from wherry.api.core.template_validation import always_running, selects_template, template, workload_selector
from wherry.api.counts_validation import at_most_all, collisions, int_or_percent, number_of
from wherry.api.declare import declare
from wherry.api.defaulting import fill, within
from wherry.api.types.apps import DaemonSet, DaemonSetUpdateStrategy, RollingUpdateDaemonSet
from wherry.machinery.resource import Column
from wherry.machinery.selectors import format_labels
from wherry.machinery.validation import invalid, required

COLUMNS: tuple[Column[DaemonSet], ...] = (
    Column("Desired", lambda d, _: d.status.desired_number_scheduled, type="integer"),
    Column("Current", lambda d, _: d.status.current_number_scheduled, type="integer"),
    Column("Ready", lambda d, _: d.status.number_ready, type="integer"),
    Column("Up-to-date", lambda d, _: d.status.updated_number_scheduled, type="integer"),
    Column("Available", lambda d, _: d.status.number_available, type="integer"),
    Column("Node Selector", lambda d, _: format_labels(d.spec.template.spec.node_selector)),
    AGE,
    *workload_columns(lambda d: d.spec.template, lambda d: d.spec.selector),
)


def default(ds: DaemonSet) -> DaemonSet:
    """Rolling one by one, ten revisions kept."""
    spec = fill(ds.spec, revision_history_limit=10)
    return replace(ds, spec=within(spec, template=default_template, update_strategy=_default_strategy))


def _default_strategy(strategy: DaemonSetUpdateStrategy) -> DaemonSetUpdateStrategy:
    strategy = fill(strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    return replace(
        strategy,
        rolling_update=fill(strategy.rolling_update or RollingUpdateDaemonSet(), max_unavailable=1, max_surge=0),
    )


def validate(new: DaemonSet, old: DaemonSet | None) -> Errors:
    """Selector and template fit, and the selector stays."""
    spec = new.spec
    if old is not None:
        yield from immutable("spec.selector", spec.selector, old.spec.selector)
    if spec.selector is not None:  # without one, it is the template that does not match
        yield from workload_selector("spec.selector", spec.selector, "daemonset")
    yield from selects_template("spec.template", spec.selector, spec.template)
    yield from template("spec.template", spec.template)
    yield from always_running("spec.template", spec.template, "DaemonSet")
    yield from nonnegative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from _strategy("spec.updateStrategy", spec.update_strategy)
    yield from nonnegative("spec.revisionHistoryLimit", spec.revision_history_limit)


def _strategy(path: str, strategy: DaemonSetUpdateStrategy) -> Errors:
    rolling = strategy.rolling_update
    if strategy.type == "OnDelete":
        return
    if strategy.type != "RollingUpdate":
        yield unsupported(path, strategy, ("RollingUpdate", "OnDelete"))
    elif rolling is None:
        yield required(f"{path}.rollingUpdate")
    else:
        down, up = f"{path}.rollingUpdate.maxUnavailable", f"{path}.rollingUpdate.maxSurge"
        for at, value in ((down, rolling.max_unavailable), (up, rolling.max_surge)):
            yield from int_or_percent(at, value)
            yield from at_most_all(at, value)
        unavailable, surge = number_of(rolling.max_unavailable), number_of(rolling.max_surge)
        if unavailable and surge:
            yield invalid(up, rolling.max_surge, "may not be set when maxUnavailable is non-zero")
        elif not unavailable and not surge:
            yield required(down, "cannot be 0 when maxSurge is 0")


def validate_status(new: DaemonSet, old: DaemonSet | None) -> Errors:
    """No negative count."""
    status = new.status
    for path, count in (
        ("currentNumberScheduled", status.current_number_scheduled),
        ("numberMisscheduled", status.number_misscheduled),
        ("desiredNumberScheduled", status.desired_number_scheduled),
        ("numberReady", status.number_ready),
        ("observedGeneration", status.observed_generation),
        ("updatedNumberScheduled", status.updated_number_scheduled),
        ("numberAvailable", status.number_available),
        ("numberUnavailable", status.number_unavailable),
    ):
        yield from nonnegative(f"status.{path}", count)
    yield from collisions(status, old and old.status)


def daemon_warnings(new: DaemonSet, old: DaemonSet | None) -> Iterator[str]:
    """About the template, if it is new or has changed."""
    yield from template_warnings("spec.template", new.spec.template, old.spec.template if old else None)


GENERATION = "deprecated.daemonset.template.generation"


def prepare(new: DaemonSet, old: DaemonSet | None) -> DaemonSet:
    """How often the template has changed, in an annotation as clients have known it."""
    before = old.metadata.annotations.get(GENERATION, "0") if old is not None else "0"
    count = int(before) if before.isdecimal() and before.isascii() and len(before) < 18 else 0
    if old is None or old.spec.template != new.spec.template:
        count += 1
    annotations = {**new.metadata.annotations, GENERATION: str(count)}
    if annotations == new.metadata.annotations:
        return new
    return replace(new, metadata=replace(new.metadata, annotations=annotations))


DAEMONSET = declare(
    DaemonSet,
    prepare=prepare,
    columns=COLUMNS,
    default=default,
    validate=validate,
    validate_status=validate_status,
    warn=daemon_warnings,
)
