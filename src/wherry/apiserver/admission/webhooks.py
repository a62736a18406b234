"""MutatingAdmissionWebhook and ValidatingAdmissionWebhook: others decide about requests too.

Mutating webhooks are asked one after the other, by the names of their configurations; those that ask for it once more
when somebody after them has changed the object. Validating webhooks are asked at the same time. Nobody is asked about
webhook configurations and admission policies themselves, so that what is wrong with them can be mended.
https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wherry.api.core.namespace import NAMESPACE
from wherry.api.types.admissionregistration import MutatingWebhook
from wherry.apiserver.admission.matching import Place, match_namespace, match_object
from wherry.apiserver.admission.namespace_lifecycle import forbidden
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.request import Request, namespace_labels
from wherry.apiserver.context import Context, not_found
from wherry.apiserver.webhooks import review
from wherry.apiserver.webhooks.client import CallFailed
from wherry.apiserver.webhooks.review import Refused, Response
from wherry.apiserver.webhooks.table import Hook
from wherry.machinery.errors import APIError, BadRequest, Cause, InternalError
from wherry.machinery.patch.json import json_patch

if TYPE_CHECKING:
    from wherry.apiserver.api import Api

log = logging.getLogger(__name__)

_NAME: Final = "MutatingAdmissionWebhook"
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_HARMLESS: Final = ("None", "NoneOnDryRun")


class NotAsked(Exception):
    """A webhook could not be asked, or gave no answer: what its failure policy is about."""


@dataclass(slots=True)
class _Memory:
    """What is remembered between the two rounds: who may be asked again, who must be, and what came out last."""

    called: set[tuple[str, str]] = field(default_factory=set)
    due: set[tuple[str, str]] = field(default_factory=set)
    last: Any = None

    def require(self) -> None:
        """Somebody has changed the object since: those asked before must look at it again."""
        self.due |= self.called
        self.called.clear()


async def _mutate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> Any:
    if not api.hooks.mutating.hooks:
        return obj
    request = Request(api, ctx, obj, old)
    rounds = ctx.rounds
    assert rounds is not None
    memory: _Memory = rounds.seen.setdefault(_NAME, _Memory())
    if rounds.number and request.obj != memory.last:
        memory.require()
    for hook, place in api.hooks.mutating.relevant(request.asked):
        key = (hook.configuration, hook.name)
        if (rounds.number and key not in memory.due) or not await _concerned(request, hook, place):
            continue
        if await _change(request, hook, place):
            memory.require()
            rounds.again = True
        if isinstance(hook.spec, MutatingWebhook) and hook.spec.reinvocation_policy == "IfNeeded":
            memory.called.add(key)
    memory.last = request.obj
    return request.obj


async def _change(request: Request, hook: Hook, place: Place) -> bool:
    """Ask one webhook; whether it has changed the object. Raises APIError."""
    ctx = request.ctx
    changed = False
    at = f"round_{ctx.rounds.number if ctx.rounds else 0}_index_{hook.index}"
    try:
        response = await _ask(request, hook, place, mutating=True)
        before = request.obj
        document = _document(response)
        if document:
            request.obj = await _patched(request, hook, place, document)
            ctx.annotations[f"patch.webhook.admission.k8s.io/{at}"] = _annotation(
                hook, {"patch": document, "patchType": "JSONPatch"}
            )
        changed = request.obj != before
    except NotAsked as error:
        _failed(ctx, hook, error, f"failed-open.mutation.webhook.admission.k8s.io/{at}")
    finally:
        ctx.annotations[f"mutation.webhook.admission.k8s.io/{at}"] = _annotation(hook, {"mutated": changed})
    return changed


def _annotation(hook: Hook, more: Mapping[str, object]) -> str:
    return msgspec.json.encode({"configuration": hook.configuration, "webhook": hook.name, **more}).decode()


def _document(response: Response) -> Any:
    """The patch in an answer. Raises NotAsked."""
    if not response.patch:
        return None
    if response.patch_type not in (None, "JSONPatch"):
        raise NotAsked(f'unsupported patch type "{response.patch_type}"')
    try:
        return msgspec.json.decode(response.patch)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAsked(f"received undecodable patch in webhook response: {error}") from None


async def _patched(request: Request, hook: Hook, place: Place, document: Any) -> Any:
    raw = await request.object_at(place)
    if raw is None:
        raise _internal(
            f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this operation'
        )
    try:
        return await request.changed(place, json_patch(raw, document))
    except (APIError, msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _internal(str(error)) from None


async def _validate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> None:
    if not api.hooks.validating.hooks:
        return
    request = Request(api, ctx, obj, old)
    pairs = api.hooks.validating.relevant(request.asked)
    asked = [(hook, place) for hook, place in pairs if await _concerned(request, hook, place)]
    if len(asked) == 1:
        await _permit(request, *asked[0])
        return
    answers = await asyncio.gather(*(_permit(request, hook, place) for hook, place in asked), return_exceptions=True)
    for answer in answers:
        if answer is not None:
            raise answer


async def _permit(request: Request, hook: Hook, place: Place) -> None:
    """Ask one webhook. Raises APIError when it refuses."""
    try:
        await _ask(request, hook, place, mutating=False)
    except NotAsked as error:
        at = f"failed-open.validating.webhook.admission.k8s.io/round_0_index_{hook.index}"
        _failed(request.ctx, hook, error, at)


async def _concerned(request: Request, hook: Hook, place: Place) -> bool:
    """Whether the selectors of a webhook admit a request that one of its rules matches. Raises APIError."""
    asked, spec = request.asked, hook.spec
    if not match_object(spec.object_selector, request.obj, request.old):
        return False
    found = match_namespace(
        spec.namespace_selector, asked, request.obj, lambda name: namespace_labels(request.api, name)
    )  # fmt: skip
    if found is None:
        raise not_found(NAMESPACE, asked.namespace)
    return found and (not hook.conditions or await _conditions_hold(request, hook, place))


async def _conditions_hold(request: Request, hook: Hook, place: Place) -> bool:
    """Whether the match conditions of a webhook hold. Raises APIError where they fail and so must the request."""
    from wherry.apiserver.admission.policies.evaluation import Evaluation, Failed, bindings_of

    evaluation = Evaluation(await bindings_of(request, place))
    try:
        return evaluation.matches(hook.conditions)
    except Failed as error:
        if hook.ignores_failures:
            return False
        raise forbidden(request.ctx, str(error)) from None


async def _ask(request: Request, hook: Hook, place: Place, *, mutating: bool) -> Response:
    """What a webhook answers to a request it allows. Raises NotAsked, and APIError when it refuses."""
    ctx, spec = request.ctx, hook.spec
    if ctx.dry_run and spec.side_effects not in _HARMLESS:
        raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
    uid = request.api.uid()
    try:
        version = review.version_for(spec.admission_review_versions)
    except Refused as error:
        raise NotAsked(f"could not create admission objects: {error}") from None
    body = review.question(
        version, uid, request.attributes(place), await request.object_at(place), await request.old_at(place)
    )  # fmt: skip
    try:
        answered = await request.api.webhooks.post(hook.target, body, hook.seconds)
        response = review.answer(answered, version, uid, mutating=mutating)
    except CallFailed as error:
        raise NotAsked(f"failed to call webhook: {error}") from None
    except Refused as error:
        raise NotAsked(str(error)) from None
    for key, value in (response.audit_annotations or {}).items():
        ctx.annotations[f"{hook.name}/{key}"] = value
    for text in response.warnings or ():
        ctx.warn(text)
    if not response.allowed:
        raise review.denied(hook.name, response.status)
    return response


def _failed(ctx: Context[Any], hook: Hook, error: NotAsked, annotation: str) -> None:
    """Go on or not, as the failure policy says."""
    text = f'failed calling webhook "{hook.name}": {error}'
    if not hook.ignores_failures:
        raise _internal(text)
    log.warning("failing open: %s", text)
    ctx.annotations[annotation] = hook.name


def _internal(text: str) -> InternalError:
    return InternalError(f"Internal error occurred: {text}", causes=[Cause("", text)])


MUTATING = Plugin(_NAME, ask_mutate=_mutate, operations=_OPERATIONS, subresources=None)
VALIDATING = Plugin("ValidatingAdmissionWebhook", ask_validate=_validate, operations=_OPERATIONS, subresources=None)
