"""Validation of pod templates, as workloads have them: the pod spec, its labels, and the selector that must match."""

from __future__ import annotations

from wherry.api.checks import Errors, annotation_map, label_map, selector, unsupported
from wherry.api.core.pod_annotations import pod_annotations
from wherry.api.core.podspec_validation import pod_spec
from wherry.api.types.core import PodTemplateSpec
from wherry.machinery.meta import LabelSelector
from wherry.machinery.selectors import matches
from wherry.machinery.validation import forbidden, invalid, required


def template(path: str, own: PodTemplateSpec) -> Errors:
    """A pod template on its own."""
    yield from label_map(f"{path}.labels", own.metadata.labels)
    yield from annotation_map(f"{path}.annotations", own.metadata.annotations)
    yield from pod_annotations(f"{path}.annotations", own.metadata.annotations, own.spec)
    yield from pod_spec(f"{path}.spec", own.spec)
    if own.spec.ephemeral_containers:
        yield forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")


def always_running(path: str, own: PodTemplateSpec, kind: str) -> Errors:
    """What workloads that run for ever refuse in their template; `kind` as upstream names it in the message."""
    if own.spec.restart_policy != "Always":
        yield unsupported(f"{path}.spec.restartPolicy", own.spec.restart_policy, ("Always",))
    if own.spec.active_deadline_seconds is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", why)


def workload_template(
    path: str, own: LabelSelector | None, whole: PodTemplateSpec, kind: str, malformed: str = "invalid label selector"
) -> Errors:
    """Selector at `path.selector`, template at `path.template`; a malformed selector hides what is wrong with it."""
    if any(True for _ in selector("", own)):
        yield invalid(f"{path}.selector", own, malformed)
        return
    yield from selects_template(f"{path}.template", own, whole)
    yield from template(f"{path}.template", whole)
    yield from always_running(f"{path}.template", whole, kind)


def workload_selector(path: str, own: LabelSelector | None, kind: str) -> Errors:
    """The selector of a workload: there, well-formed, not empty. `kind` in lower case, for the message."""
    if own is None:
        yield required(path)
        return
    yield from selector(path, own)
    if not own.match_labels and not own.match_expressions:
        yield invalid(path, own, f"empty selector is invalid for {kind}")


def selects_template(path: str, own: LabelSelector | None, template_: PodTemplateSpec) -> Errors:
    """The selector must match the labels of the template at `path`."""
    if own is not None and not own.match_labels and not own.match_expressions:
        return
    if any(True for _ in selector("", own)):  # refused already
        return
    if not matches(own, template_.metadata.labels):
        why = "`selector` does not match template `labels`"
        yield invalid(f"{path}.metadata.labels", template_.metadata.labels or None, why)
