"""HorizontalPodAutoscaler controller: as many replicas as the metrics ask for, no faster than the behaviour allows.

Wakes on: HorizontalPodAutoscaler; every five seconds each (upstream: fifteen), so that load is met within ten.
Writes:   the /scale of its target; HorizontalPodAutoscaler/status; Events SuccessfulRescale, FailedRescale,
          FailedGetScale, FailedComputeMetricsReplicas and one for each kind of metric that cannot be had.
Upstream: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/

Invariants:
- what cannot be measured never scales down: with any metric missing only more replicas are possible;
- the number of replicas stays within minReplicas and maxReplicas, whatever the metrics say;
- recommendations and changes are remembered in this process only; a restart waits out the windows anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from msgspec.structs import replace

from wherry.api.autoscaling.horizontalpodautoscaler import HORIZONTALPODAUTOSCALER
from wherry.api.core.pod import POD
from wherry.api.types.autoscaling_v2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerSpec,
    MetricStatus,
)
from wherry.controllers.autoscale_behavior import History, Settled, Verdict, longest_memory, settle
from wherry.controllers.autoscale_kinds import plural_of
from wherry.controllers.autoscale_measures import Measured, Target, measure, tolerance
from wherry.controllers.autoscale_replicas import MetricsError
from wherry.machinery import selectors
from wherry.machinery.conditions import put
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key
from wherry.machinery.time import time_at
from wherry.reconcile.context import Context
from wherry.reconcile.controller import AsyncController

PERIOD = 5.0
"""Seconds between two looks at one autoscaler."""


class ScaleError(Exception):
    """The target's scale cannot be had."""


@dataclass(slots=True)
class _Findings:
    """One look: what goes into the status."""

    current: int
    desired: int
    conditions: list[tuple[str, Verdict]] = field(default_factory=list)
    metrics: tuple[MetricStatus, ...] | None = None
    rescaled: bool = False

    def say(self, type_: str, verdict: Verdict) -> None:
        """Set a condition."""
        self.conditions.append((type_, verdict))


class Autoscalers:
    """All autoscalers of the cluster, with what each remembers."""

    def __init__(self) -> None:
        self._histories: dict[tuple[Key, str], History] = {}

    async def reconcile(self, ctx: Context, key: Key) -> float | None:
        """Look once."""
        hpa = ctx.view.get(HORIZONTALPODAUTOSCALER, key)
        if hpa is None or hpa.metadata.deletion_timestamp is not None:
            for known in [known for known in self._histories if known[0] == key]:
                del self._histories[known]
            return None
        history = self._histories.setdefault((key, hpa.metadata.uid), History())
        history.forget(ctx.view.now - longest_memory(hpa.spec))
        look = _Look(ctx, hpa, history)
        findings = await look.run()
        await _report(ctx, hpa, findings)
        return PERIOD


class _Look:
    """One look at one autoscaler."""

    def __init__(self, ctx: Context, hpa: HorizontalPodAutoscaler, history: History) -> None:
        self._ctx, self._hpa, self._history = ctx, hpa, history
        self._spec: HorizontalPodAutoscalerSpec = hpa.spec

    async def run(self) -> _Findings:
        """Measure, decide, scale."""
        found = _Findings(self._hpa.status.current_replicas, self._hpa.status.desired_replicas)
        try:
            place, scale = await self._scale()
        except ScaleError as error:
            text = f"the HPA controller was unable to get the target's current scale: {error}"
            found.say("AbleToScale", ("False", "FailedGetScale", text))
            self._warn("FailedGetScale", str(error))
            return found
        text = "the HPA controller was able to get the target's current scale"
        found.say("AbleToScale", ("True", "SucceededGetScale", text))
        found.current = int((scale.get("spec") or {}).get("replicas") or 0)
        wanted, why = await self._wanted(scale, found)
        if wanted is None:
            found.desired = found.current
            return found
        if wanted == found.current:
            found.desired = wanted
            return found
        await self._rescale(place, scale, wanted, why, found)
        return found

    async def _scale(self) -> tuple[str, dict[str, Any]]:
        """The path of the target's scale, and the Scale. Raises ScaleError."""
        ref, namespace = self._spec.scale_target_ref, self._hpa.metadata.namespace
        try:
            plural, base = await plural_of(self._ctx.api, ref.api_version, ref.kind)
            place = f"{base}/namespaces/{namespace}/{plural}/{ref.name}/scale"
            return place, await self._ctx.api.raw("GET", place)
        except APIError as error:
            raise ScaleError(str(error)) from None

    async def _wanted(self, scale: dict[str, Any], found: _Findings) -> tuple[int | None, str]:
        """How many replicas there should be, and why; None when nobody can say."""
        spec, current = self._spec, found.current
        least = 1 if spec.min_replicas is None else spec.min_replicas
        if current == 0 and least != 0:
            text = "scaling is disabled since the replica count of the target is zero"
            found.say("ScalingActive", ("False", "ScalingDisabled", text))
            return 0, ""
        if current > spec.max_replicas:
            return spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
        if current < least:
            return least, "Current number of replicas below Spec.MinReplicas"
        try:
            proposed, name = await self._proposed(scale, found)
        except MetricsError as error:
            self._warn("FailedComputeMetricsReplicas", str(error))
            return None, ""
        why = f"{name} above target" if proposed > current else "All metrics below target"
        settled: Settled = settle(spec, current, proposed, self._history, self._ctx.view.now)
        found.say("AbleToScale", settled.able)
        found.say("ScalingLimited", settled.limited)
        return settled.replicas, why

    async def _proposed(self, scale: dict[str, Any], found: _Findings) -> tuple[int, str]:
        """The most that any metric asks for, and the metric's name. Raises MetricsError."""
        text = str((scale.get("status") or {}).get("selector") or "")
        if not text:
            problem = "selector is required"
            self._warn("SelectorRequired", problem)
            found.say("ScalingActive", ("False", "InvalidSelector", "the HPA target's scale is missing a selector"))
            raise MetricsError(problem)
        target = self._target(text, found.current, scale)
        done: list[Measured] = []
        failed: list[tuple[str, str]] = []
        for metric in self._spec.metrics:
            try:
                done.append(await measure(self._ctx.api, self._hpa.metadata.namespace, metric, target))
            except MetricsError as error:
                failed.append((f"FailedGet{metric.type}Metric", str(error)))
        found.metrics = tuple(one.status for one in done)
        best = max(done, key=lambda one: one.replicas, default=None)
        for reason, problem in failed[:1]:
            self._warn(reason, problem)
        if best is None or (failed and best.replicas < found.current):
            reason, problem = failed[0]
            text = f"the HPA was unable to compute the replica count: {problem}"
            found.say("ScalingActive", ("False", reason, text))
            raise MetricsError(
                f"invalid metrics ({len(failed)} invalid out of {len(self._spec.metrics)}), first error is: {problem}"
            )
        text = f"the HPA was able to successfully calculate a replica count from {best.name}"
        found.say("ScalingActive", ("True", "ValidMetricFound", text))
        return best.replicas, best.name

    def _target(self, selector: str, current: int, scale: dict[str, Any]) -> Target:
        try:
            wants = selectors.parse_labels(selector)
        except ValueError as error:
            problem = f"couldn't convert selector into a corresponding internal selector object: {error}"
            raise MetricsError(problem) from None
        pods = self._ctx.view.list(POD, self._hpa.metadata.namespace)
        matching = tuple(pod for pod in pods if wants(pod.metadata.labels))
        served = int((scale.get("status") or {}).get("replicas") or 0)
        return Target(matching, selector, current, served, tolerance(self._spec.behavior), self._ctx.view.now)

    async def _rescale(self, place: str, scale: dict[str, Any], wanted: int, why: str, found: _Findings) -> None:
        body = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": wanted}}
        try:
            await self._ctx.api.raw("PUT", place, body)
        except APIError as error:
            self._warn("FailedRescale", f"New size: {wanted}; reason: {why}; error: {error}")
            text = f"the HPA controller was unable to update the target scale: {error}"
            found.say("AbleToScale", ("False", "FailedUpdateScale", text))
            found.desired = found.current
            return
        self._tell("Normal", "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        text = f"the HPA controller was able to update the target scale to {wanted}"
        found.say("AbleToScale", ("True", "SucceededRescale", text))
        self._history.scaled(self._ctx.view.now, found.current, wanted)
        found.desired, found.rescaled = wanted, True

    def _warn(self, reason: str, message: str) -> None:
        self._tell("Warning", reason, message)

    def _tell(self, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        self._ctx.emit(self._hpa, kind, reason, message)


async def _report(ctx: Context, hpa: HorizontalPodAutoscaler, found: _Findings) -> None:
    now = time_at(ctx.view.now)
    conditions = hpa.status.conditions
    for type_, (status, reason, message) in found.conditions:
        one = HorizontalPodAutoscalerCondition(type=type_, status=status, reason=reason, message=message)
        conditions = put(conditions, one, now)
    fresh = replace(
        hpa.status,
        observed_generation=hpa.metadata.generation or None,
        current_replicas=found.current,
        desired_replicas=found.desired,
        conditions=conditions,
        current_metrics=hpa.status.current_metrics if found.metrics is None else found.metrics,
        last_scale_time=now if found.rescaled else hpa.status.last_scale_time,
    )
    if fresh != hpa.status:
        await ctx.api.replace(HORIZONTALPODAUTOSCALER, replace(hpa, status=fresh), "status")


def _spec_changed(old: HorizontalPodAutoscaler, new: HorizontalPodAutoscaler) -> bool:
    return old.spec != new.spec or old.metadata.uid != new.metadata.uid


def controller(_settings: object) -> AsyncController:
    """The controller, with a memory of its own."""
    return AsyncController(
        name="horizontalpodautoscaler",
        reconcile=Autoscalers().reconcile,
        primary=HORIZONTALPODAUTOSCALER,
        reads=(POD,),
        changed=_spec_changed,
        component="horizontal-pod-autoscaler",
    )
