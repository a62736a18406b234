"""MutatingAdmissionPolicy: expressions that change the object of a request.

Policies run by name, their mutations in order, each on what those before have made. When the object has been changed
since, those that ask for it (reinvocationPolicy IfNeeded) run once more.
https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wherry.apiserver.admission.matching import Place
from wherry.apiserver.admission.plugin import Plugin
from wherry.apiserver.admission.policies.table import Bound
from wherry.apiserver.admission.request import Request
from wherry.apiserver.context import Context
from wherry.apiserver.ownership import type_info
from wherry.machinery.errors import Cause, Forbidden

if TYPE_CHECKING:
    from wherry.apiserver.admission.policies.compiled import Mutating
    from wherry.apiserver.admission.policies.evaluation import Evaluation
    from wherry.apiserver.api import Api

_NAME: Final = "MutatingAdmissionPolicy"
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "CONNECT"})
_Key = tuple[str, str, str]


class Refused(Forbidden):
    """403 with the reason Invalid: a policy that could not be evaluated."""

    reason = "Invalid"


class _Invocation(NamedTuple):
    """A policy with one binding and one parameter. `key` tells it from the others of the same request."""

    bound: Bound[Mutating]
    place: Place
    binding: str
    param: Any
    key: _Key


@dataclass(slots=True)
class _Memory:
    """What is remembered between the two rounds."""

    invoked: set[_Key] = field(default_factory=set)
    due: set[_Key] = field(default_factory=set)
    last: Any = None

    def require(self) -> None:
        """Somebody has changed the object since."""
        self.due |= self.invoked
        self.invoked.clear()


class _Problem(NamedTuple):
    policy: str
    binding: str
    message: str
    invalid: bool  # an evaluation that failed, not a mistake in the configuration

    def __str__(self) -> str:
        if self.binding:
            return f"policy '{self.policy}' with binding '{self.binding}' denied request: {self.message}"
        return f'policy "{self.policy}" denied request: {self.message}'


async def _mutate(api: Api, ctx: Context[Any], obj: Any, old: Any) -> Any:
    table = api.policies.mutating
    if not table.bound or obj is None:
        return obj
    request = Request(api, ctx, obj, old)
    relevant = table.relevant(request.asked)
    if not relevant:
        return obj
    problems: list[_Problem] = []
    invocations = [one for bound, place in relevant for one in _invocations(request, bound, place, problems)]
    if invocations:
        await _run(request, invocations, problems)
    if problems:
        raise _refusal(ctx, problems)
    return request.obj


def _refusal(ctx: Context[Any], problems: list[_Problem]) -> Forbidden:
    error = Refused if problems[0].invalid else Forbidden
    return error(str(problems[0]), details=ctx.details, causes=[Cause("", str(problem)) for problem in problems])


def _invocations(request: Request, bound: Bound[Mutating], place: Place, problems: list[_Problem]) -> list[_Invocation]:
    from wherry.apiserver.admission.policies.evaluation import Failed
    from wherry.apiserver.admission.policies.params import params_of
    from wherry.apiserver.admission.policies.scope import admitted, bound_here

    found: list[_Invocation] = []
    try:
        if not admitted(request, bound.policy.spec.match_constraints):
            return found
    except Failed as error:
        _note(problems, bound, "", f"failed to configure policy: {error}")
        return found
    for binding in bound.bindings:
        name = binding.metadata.name
        try:
            if bound_here(request, binding):
                kind = bound.policy.spec.param_kind
                params = params_of(request.api, kind, binding.spec.param_ref, request.asked.namespace)
                found += [_Invocation(bound, place, name, param, _key(bound, name, param)) for param in params]
        except Failed as error:
            _note(problems, bound, name, f"failed to configure binding: {error}")
    return found


def _key(bound: Bound[Any], binding: str, param: Any) -> _Key:
    meta = {} if param is None else param.get("metadata") or {}
    return bound.name, binding, f"{meta.get('namespace', '')}/{meta.get('name', '')}"


def _note(problems: list[_Problem], bound: Bound[Any], binding: str, message: str, *, invalid: bool = False) -> None:
    if not bound.ignores_failures:
        problems.append(_Problem(bound.name, binding, message, invalid))


async def _run(request: Request, invocations: list[_Invocation], problems: list[_Problem]) -> None:
    rounds = request.ctx.rounds
    assert rounds is not None
    memory: _Memory = rounds.seen.setdefault(_NAME, _Memory())
    if rounds.number and request.obj != memory.last:
        memory.require()
    for one in invocations:
        if rounds.number and one.key not in memory.due:
            continue
        before = request.obj
        if not await _invoke(request, one, problems):
            continue
        if request.obj != before:
            memory.require()
            rounds.again = True
        if one.bound.policy.spec.reinvocation_policy == "IfNeeded":
            memory.invoked.add(one.key)
    memory.last = request.obj


async def _invoke(request: Request, one: _Invocation, problems: list[_Problem]) -> bool:
    """Evaluate one policy's mutations; False when its match conditions do not hold."""
    from wherry.apiserver.admission.policies.evaluation import Evaluation, Failed, bindings_of
    from wherry.apiserver.admission.policies.views import seen

    compiled = one.bound.compiled
    evaluation = Evaluation(await bindings_of(request, one.place), compiled.common.variables, one.param)
    try:
        if not evaluation.matches(compiled.common.conditions):
            return False
    except Failed as error:
        _note(problems, one.bound, one.binding, str(error), invalid=True)
        return False
    for kind, expression in compiled.mutations:
        try:
            raw = await request.object_at(one.place)
            changed = _changed(request, kind, evaluation, (expression, raw or {}))
            if changed is not raw:
                request.obj = await request.changed(one.place, changed)
                evaluation.bind_object(seen(await request.object_at(one.place), request.obj))
        except Failed as error:
            _note(problems, one.bound, one.binding, str(error), invalid=True)
    return True


def _changed(request: Request, kind: str, evaluation: Evaluation, work: tuple[Any, dict[str, Any]]) -> dict[str, Any]:
    from wherry.apiserver.admission.policies import patches
    from wherry.machinery.cel.budget import Budget

    expression, raw = work
    value = evaluation.value(expression, Budget())
    if kind == "JSONPatch":
        return patches.patched(raw, value)
    return patches.merged(raw, value, type_info(request.ctx.resource))


PLUGIN = Plugin(_NAME, ask_mutate=_mutate, operations=_OPERATIONS, subresources=None)
