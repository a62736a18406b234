"""HorizontalPodAutoscaler controller: as many replicas as the metrics ask for, no faster than the behaviour allows.

Wakes on: HorizontalPodAutoscaler; every five seconds each (upstream: fifteen), so that load is met within ten.
Writes:   the /scale of its target; HorizontalPodAutoscaler/status; Events SuccessfulRescale, FailedRescale,
          FailedGetScale, FailedComputeMetricsReplicas, SelectorRequired, InvalidSelector, AmbiguousSelector and one
          for each metric that cannot be had.
Upstream: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/

Invariants:
- what cannot be measured never scales down: with any metric missing only more replicas are possible;
- the number of replicas stays within minReplicas and maxReplicas, whatever the metrics say;
- an adapter that does not answer keeps no other autoscaler waiting;
- pods that two autoscalers select are scaled by neither;
- a target without replicas is left alone, unless an autoscaler has brought it there (condition ScaledToZero);
- recommendations and changes are remembered in this process only; a restart waits out the windows anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from msgspec.structs import replace

from wherry.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER
from wherry.api.core.pod import POD
from wherry.api.types.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerSpec,
    MetricSpec,
    MetricStatus,
)
from wherry.controllers.autoscale_behavior import History, Settled, Verdict, longest_memory, settle
from wherry.controllers.autoscale_counts import AutoscaleCounts, Error, direction
from wherry.controllers.autoscale_kinds import resource_of
from wherry.controllers.autoscale_measures import Measured, Target, Unmeasured, measure, tolerance
from wherry.controllers.autoscale_replicas import MetricsError
from wherry.controllers.autoscale_selected import Selected, SelectorError
from wherry.controllers.settings import Settings
from wherry.machinery.conditions import is_true, put
from wherry.machinery.errors import APIError, Conflict
from wherry.machinery.meta import Key, key_of
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController
from wherry.reconcile.together import together

PERIOD = 5.0
"""Seconds between two looks at one autoscaler."""


SCALED_TO_ZERO = "ScaledToZero"
_SLEEPS: Verdict = ("True", "ScaledToZero", "the HPA controller scaled the workload to zero")
_AWAKE: Verdict = ("False", "NotScaledToZero", "the HPA controller did not scale the workload to zero")
_TRIES = 5
_BELOW = "Current number of replicas below Spec.MinReplicas"


class ScaleError(Exception):
    """The target's scale cannot be had."""


@dataclass(slots=True)
class _Findings:
    """One look: what goes into the status. None leaves a field as it is."""

    current: int | None = None
    desired: int | None = None
    conditions: list[tuple[str, Verdict]] = field(default_factory=list)
    metrics: tuple[MetricStatus, ...] | None = None
    rescaled: bool = False
    error: Error = "none"

    def say(self, type_: str, verdict: Verdict) -> None:
        """Set a condition."""
        self.conditions.append((type_, verdict))

    @property
    def action(self) -> str:
        """What came of it."""
        return direction(self.current or 0, self.desired or 0) if self.rescaled else "none"


class Autoscalers:
    """All autoscalers of the cluster, with what each remembers."""

    def __init__(self, counts: AutoscaleCounts) -> None:
        self._counts = counts
        self._histories: dict[tuple[Key, str], History] = {}
        self._selected = Selected()

    async def reconcile(self, ctx: Context, key: Key) -> float | None:
        """Look once."""
        hpa = ctx.view.get(HORIZONTALPODAUTOSCALER, key)
        if hpa is None or hpa.metadata.deletion_timestamp is not None:
            for known in [known for known in self._histories if known[0] == key]:
                del self._histories[known]
            self._selected.forget(key)
            self._counts.forget(key)
            return None
        history = self._histories.setdefault((key, hpa.metadata.uid), History())
        history.forget(ctx.view.now - longest_memory(hpa.spec))
        began = self._counts.now()
        findings = await _Look(ctx, hpa, history, self._selected, self._counts).run()
        self._counts.looked(key, findings.action, findings.error, began)
        if findings.desired is not None:
            self._counts.wants(key, findings.desired)
        await _report(ctx, hpa, findings)
        return PERIOD


class _Look:
    """One look at one autoscaler."""

    def __init__(
        self, ctx: Context, hpa: HorizontalPodAutoscaler, history: History, selected: Selected, counts: AutoscaleCounts
    ) -> None:  # fmt: skip
        self._ctx, self._hpa, self._history, self._selected, self._counts = ctx, hpa, history, selected, counts
        self._spec: HorizontalPodAutoscalerSpec = hpa.spec
        self._least = 1 if hpa.spec.min_replicas is None else hpa.spec.min_replicas
        self._slept = is_true(hpa.status.conditions, SCALED_TO_ZERO)
        """Whether it was this autoscaler that has taken the last replica away."""

    async def run(self) -> _Findings:
        """Measure, decide, scale."""
        found = _Findings()
        try:
            place, scale = await self._scale()
        except ScaleError as error:
            found.error = "internal"
            text = f"the HPA controller was unable to get the target's current scale: {error}"
            found.say("AbleToScale", ("False", "FailedGetScale", text))
            self._warn("FailedGetScale", str(error))
            return found
        text = "the HPA controller was able to get the target's current scale"
        found.say("AbleToScale", ("True", "SucceededGetScale", text))
        current = found.current = int((scale.get("spec") or {}).get("replicas") or 0)
        self._history.begin(self._ctx.view.now, current)
        wanted, why = await self._wanted(scale, current, found)
        if wanted is None:
            return found
        if wanted != current:
            await self._rescale(place, scale, wanted, why, found)
        else:
            found.desired = wanted
        return found

    async def _scale(self) -> tuple[str, dict[str, Any]]:
        """The path of the target's scale, and the Scale. Raises ScaleError."""
        ref, namespace = self._spec.scale_target_ref, self._hpa.metadata.namespace
        try:
            target = await resource_of(self._ctx.api, ref.api_version, ref.kind)
            place = f"{target.base}/namespaces/{namespace}/{target.plural}/{quote(ref.name, safe='')}/scale"
            return place, await self._ctx.api.raw("GET", place)
        except APIError as error:
            raise ScaleError(str(error)) from None

    async def _wanted(self, scale: dict[str, Any], current: int, found: _Findings) -> tuple[int | None, str]:
        """How many replicas there should be, and why; None when nobody can say."""
        spec, least = self._spec, self._least
        found.metrics = ()
        if current == 0 and not self._wakes():
            text = "scaling is disabled since the replica count of the target is zero"
            found.say("ScalingActive", ("False", "ScalingDisabled", text))
            return 0, ""
        if current > spec.max_replicas:
            return spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
        if 0 < current < least:
            return least, _BELOW
        try:
            proposed, name = await self._proposed(scale, current, found)
        except MetricsError as error:
            found.error = "internal" if found.error == "none" else found.error
            self._warn("FailedComputeMetricsReplicas", str(error))
            return None, ""
        why = f"{name} above target" if proposed > current else "All metrics below target" if proposed < current else ""
        settled: Settled = settle(spec, current, proposed, self._history, self._ctx.view.now)
        found.say("AbleToScale", settled.able)
        found.say("ScalingLimited", settled.limited)
        if current == 0 and settled.replicas < least:
            return least, why or _BELOW
        return settled.replicas, why

    def _wakes(self) -> bool:
        """Whether a target without replicas is looked at: only one that an autoscaler has brought there."""
        return self._slept and (self._least != 0 or _measures_beyond_pods(self._spec))

    async def _measured(self, metric: MetricSpec, current: int, target: Target) -> Measured | Unmeasured:
        began = self._counts.now()
        try:
            one = await measure(self._ctx.api, self._hpa.metadata.namespace, metric, target)
        except Unmeasured as error:
            self._counts.measured("none", "internal", metric.type, began)
            return error
        self._counts.measured(direction(current, one.replicas), "none", metric.type, began)
        return one

    async def _proposed(self, scale: dict[str, Any], current: int, found: _Findings) -> tuple[int, str]:
        """The most that any metric asks for, and the metric's name. Raises MetricsError."""
        target = self._target(current, scale, found)
        best: Measured | None = None
        failed: list[Unmeasured] = []
        statuses: list[MetricStatus] = []
        for one in await together(self._measured(metric, current, target) for metric in self._spec.metrics):
            if isinstance(one, Unmeasured):
                self._warn(one.reason, one.problem)
                failed.append(one)
                statuses.append(MetricStatus())
                continue
            statuses.append(one.status)
            if best is None or best.replicas == 0 or one.replicas > best.replicas:
                best = one
        found.metrics = tuple(statuses)
        if best is None or (failed and best.replicas < current):
            text = f"the HPA was unable to compute the replica count: {failed[0].problem}"
            found.say("ScalingActive", ("False", failed[0].reason, text))
            count = f"{len(failed)} invalid out of {len(self._spec.metrics)}"
            raise MetricsError(f"invalid metrics ({count}), first error is: {failed[0]}")
        text = f"the HPA was able to successfully calculate a replica count from {best.name}"
        found.say("ScalingActive", ("True", "ValidMetricFound", text))
        return best.replicas, best.name

    def _target(self, current: int, scale: dict[str, Any], found: _Findings) -> Target:
        """Whose metrics count. Raises MetricsError: the scale does not say, or another autoscaler has its pods."""
        status = scale.get("status") or {}
        selector = str(status.get("selector") or "")
        key = key_of(self._hpa)
        pods = self._ctx.view.list(POD, key.namespace)
        try:
            matching = self._selected.select(key, selector, pods)
        except SelectorError as error:
            found.error = "spec"
            self._warn(error.event, str(error))
            found.say("ScalingActive", ("False", error.reason, error.told))
            raise MetricsError(str(error)) from None
        served = int(status.get("replicas") or 0)
        return Target(matching, selector, current, served, tolerance(self._spec.behavior), self._ctx.view.now)

    async def _rescale(self, place: str, scale: dict[str, Any], wanted: int, why: str, found: _Findings) -> None:
        current = found.current or 0
        try:
            await self._put(place, scale, wanted)
        except APIError as error:
            found.error = "internal"
            self._warn("FailedRescale", f"New size: {wanted}; reason: {why}; error: {error}")
            text = f"the HPA controller was unable to update the target scale: {error}"
            found.say("AbleToScale", ("False", "FailedUpdateScale", text))
            return
        text = f"the HPA controller was able to update the target scale to {wanted}"
        found.say("AbleToScale", ("True", "SucceededRescale", text))
        self._tell("Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        self._history.scaled(self._ctx.view.now, current, wanted)
        slept = current > 0 and wanted == 0 and self._least == 0 and _measures_beyond_pods(self._spec)
        found.say(SCALED_TO_ZERO, _SLEEPS if slept else _AWAKE)
        found.desired, found.rescaled = wanted, True

    async def _put(self, place: str, scale: dict[str, Any], wanted: int) -> None:
        """Ask for so many; somebody else's change to the target in between is no reason to fail. Raises APIError."""
        api = self._ctx.api
        for _ in range(_TRIES - 1):
            try:
                await api.raw("PUT", place, _sized(scale, wanted))
            except Conflict:
                scale = await api.raw("GET", place)
            else:
                return
        await api.raw("PUT", place, _sized(scale, wanted))

    def _warn(self, reason: str, message: str) -> None:
        self._tell("Warning", reason, message)

    def _tell(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        self._ctx.emit(self._hpa, kind, reason, message)


def _sized(scale: dict[str, Any], wanted: int) -> dict[str, Any]:
    return {**scale, "spec": {**(scale.get("spec") or {}), "replicas": wanted}}


def _measures_beyond_pods(spec: HorizontalPodAutoscalerSpec) -> bool:
    """Whether there is something to measure when there are no pods."""
    return any(metric.type in ("Object", "External") for metric in spec.metrics)


async def _report(ctx: Context, hpa: HorizontalPodAutoscaler, found: _Findings) -> None:
    now = time_at(ctx.view.now)
    conditions = hpa.status.conditions
    for type_, (status, reason, message) in found.conditions:
        one = HorizontalPodAutoscalerCondition(type=type_, status=status, reason=reason, message=message)
        conditions = put(conditions, one, now)
    fresh = replace(
        hpa.status,
        observed_generation=hpa.metadata.generation or None,
        current_replicas=hpa.status.current_replicas if found.current is None else found.current,
        desired_replicas=hpa.status.desired_replicas if found.desired is None else found.desired,
        conditions=conditions,
        current_metrics=hpa.status.current_metrics if found.metrics is None else found.metrics,
        last_scale_time=now if found.rescaled else hpa.status.last_scale_time,
    )
    if fresh != hpa.status:
        await ctx.api.replace(HORIZONTALPODAUTOSCALER, replace(hpa, status=fresh), "status")


def _spec_changed(old: HorizontalPodAutoscaler, new: HorizontalPodAutoscaler) -> bool:
    return old.spec != new.spec or old.metadata.uid != new.metadata.uid


def controller(settings: Settings) -> AsyncController:
    """The controller, with a memory of its own."""
    return AsyncController(
        name="horizontalpodautoscaler",
        reconcile=Autoscalers(settings.autoscaling).reconcile,
        primary=HORIZONTALPODAUTOSCALER,
        reads=(POD,),
        changed=_spec_changed,
        component="horizontal-pod-autoscaler",
        concurrency=16,
    )
