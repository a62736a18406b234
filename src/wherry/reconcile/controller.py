"""Controller: a name, what wakes it, and what it does: a pure plan, or (the few that must ask the API) a coroutine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from wherry.machinery.meta import Key, Object
from wherry.machinery.resource import Resource
from wherry.reconcile.actions import Action
from wherry.reconcile.view import View

if TYPE_CHECKING:
    from wherry.reconcile.context import Context

Mapper: TypeAlias = Callable[[View, Any], Iterable[Key]]
Changed: TypeAlias = Callable[[Any, Any], bool]


def always(old: Object, new: Object) -> bool:
    """Every update wakes."""
    return True


@dataclass(frozen=True, slots=True)
class Watch:
    """Changes of `resource` wake the keys that `keys(view, obj)` names, for the object before and after the change.

    `changed(old, new)` says whether an update matters at all (heartbeats do not).
    """

    resource: Resource[Any]
    keys: Mapper
    changed: Changed = always


def _nobody(view: View, resource: Resource[Any]) -> Iterable[Key]:
    return ()


@dataclass(frozen=True, slots=True)
class Customs:
    """For controllers that also look after custom kinds, which come and go while they run.

    `watch(resource)`: a kind is there, what of it wakes. `joined(view, resource)`: all its objects have been seen, what
    is to be looked at again. `left(resource)`: it is gone.
    """

    watch: Callable[[Resource[Any]], Watch]
    left: Callable[[Resource[Any]], None]
    joined: Callable[[View, Resource[Any]], Iterable[Key]] = _nobody


@dataclass(frozen=True, slots=True)
class Controller:
    """A plan and what wakes it. `reads` are resources it looks at without being woken by them.

    `primary` None: only `watches` wake it, and keys mean what it likes.
    """

    name: str
    primary: Resource[Any] | None
    plan: Callable[[View, Key], Iterable[Action]]
    owns: tuple[Resource[Any], ...] = ()  # a change to an owned object wakes its controller
    watches: tuple[Watch, ...] = ()
    reads: tuple[Resource[Any], ...] = ()
    changed: Changed = always  # which updates of the primary matter
    component: str = ""  # who events say they are from; "<name>-controller" if empty
    concurrency: int = 4
    customs: Customs | None = None


@dataclass(frozen=True, slots=True)
class AsyncController:
    """For what a plan cannot do: ask the API itself. Returns seconds until it wants to run again, or None.

    `primary` None: only `watches` wake it, and keys mean what it likes.
    """

    name: str
    reconcile: Callable[[Context, Key], Awaitable[float | None]]
    primary: Resource[Any] | None = None
    owns: tuple[Resource[Any], ...] = ()
    watches: tuple[Watch, ...] = ()
    reads: tuple[Resource[Any], ...] = ()
    changed: Changed = always
    component: str = ""
    concurrency: int = 4
    customs: Customs | None = None


AnyController: TypeAlias = Controller | AsyncController


def resources_of(controller: AnyController) -> tuple[Resource[Any], ...]:
    """Everything it must have in its caches, each once."""
    primary = () if controller.primary is None else (controller.primary,)
    watched = tuple(watch.resource for watch in controller.watches)
    return tuple(dict.fromkeys((*primary, *controller.owns, *watched, *controller.reads)))
