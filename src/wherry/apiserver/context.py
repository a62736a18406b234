"""Context: what one request on one resource is about, passed to every step between the route and the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal

from wherry.apiserver.authn.user import User
from wherry.apiserver.http import Query, Request
from wherry.apiserver.routes import RequestInfo
from wherry.apiserver.strategy import owned_once
from wherry.apiserver.views import VIEWS, stored_as
from wherry.machinery.errors import AlreadyExists, Conflict, Invalid, MethodNotAllowed, NotFound, no_such_method
from wherry.machinery.meta import T
from wherry.machinery.resource import Resource
from wherry.machinery.validation import FieldError, invalid, not_supported, refuse, too_long

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

AFTER_ADMISSION = " after mutating admission happens"
_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(slots=True)
class Rounds:
    """Mutating admission looks at an object once, and once more (`number` 1) when somebody from outside changed it."""

    number: int = 0
    again: bool = False
    seen: dict[str, Any] = field(default_factory=dict)
    """What a plugin remembers from round 0, by its name."""


@dataclass(slots=True)
class Context(Generic[T]):
    """One request. `warnings` collects what goes into Warning headers; `undo` what to call when nothing was written."""

    user: User
    resource: Resource[T]
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    operation: Operation = "CREATE"
    dry_run: bool = False
    manager: str = ""
    warnings: list[str] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)
    options: Any = None  # of a DELETE
    view: Any = None  # wherry.apiserver.views.View, when the client speaks another version than is stored
    applied: Any = None  # managedFields that an apply has already worked out
    inside: bool = False  # a part of this process asks
    trusted: bool = False  # the server's own change: neither prepared nor validated again (bindings, scale)
    field_manager: str = ""  # as asked for; `manager` is never empty
    field_validation: str = ""  # as asked for
    annotations: dict[str, str] = field(default_factory=dict)  # what admission adds to the audit log
    rounds: Rounds | None = None  # of the mutating admission that is under way

    def warn(self, text: str) -> None:
        """Tell the client something, once."""
        if text not in self.warnings:
            self.warnings.append(text)

    def cancel(self) -> None:
        """Nothing was written: give back what was reserved."""
        while self.undo:
            self.undo.pop()()

    def owned_once(self, obj: T, when: str = "") -> T:
        """The object without owners that it names twice, of which the client is warned."""
        obj, twice = owned_once(obj)
        if twice:
            self.warn(
                f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in "
                "1.20+, and may reject such requests as early as 1.24; please fix your requests; "
                f"duplicate UID(s) observed: {', '.join(twice)}"
            )
        return obj

    @property
    def details(self) -> dict[str, str]:
        """`details` of a Status about this object."""
        return details(self.resource, self.name)


def details(resource: Resource[Any], name: str) -> dict[str, str]:
    """`details` of a Status about an object."""
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural}


def not_found(resource: Resource[Any], name: str) -> NotFound:
    """404: no such object."""
    return NotFound(f'{resource} "{name}" not found', details=details(resource, name))


def already_exists(resource: Resource[Any], name: str) -> AlreadyExists:
    """409: the name is taken."""
    return AlreadyExists(f'{resource} "{name}" already exists', details=details(resource, name))


def conflict(resource: Resource[Any], name: str, why: str = MODIFIED) -> Conflict:
    """409: not as the client thought it was."""
    return Conflict(f'Operation cannot be fulfilled on {resource} "{name}": {why}', details=details(resource, name))


def no_such_verb(resource: Resource[Any], verb: str) -> MethodNotAllowed:
    """405: the kind has no such verb."""
    if resource.custom is not None and resource.custom.terminating:
        why = f"{verb} not allowed while custom resource definition is terminating"
        return MethodNotAllowed(why, details={"kind": resource.plural})
    if resource.custom is None:
        return no_such_method()
    return MethodNotAllowed(
        f'{verb} is not supported on resources of kind "{resource}"', details={"kind": resource.plural}
    )


def context_of(
    request: Request, info: RequestInfo, resource: Resource[Any], query: Query | None = None
) -> Context[Any]:  # fmt: skip
    """The Context of a request, with its write options checked. Raises Invalid."""
    query = query or request.query
    dry_run = query.all("dryRun")
    if not set(dry_run) <= {"All"}:
        raise bad_option(info.verb, not_supported("dryRun", dry_run, ("All",)))
    manager = query.first("fieldManager")
    if manager:
        _check_manager(info.verb, manager)
    return Context(
        user=request.user,
        resource=stored_as(resource),
        view=VIEWS.get(resource),
        namespace=info.namespace if resource.namespaced else "",
        name=info.name,
        subresource=info.subresource,
        dry_run=bool(dry_run),
        manager=manager or _manager_of(request.headers.get("User-Agent", "")),
        field_manager=manager,
        field_validation=query.first("fieldValidation"),
    )


def bad_option(verb: str, problem: FieldError) -> Invalid:
    """422: what the query asks of a write is refused."""
    return refuse("meta.k8s.io", _OPTIONS.get(verb, "DeleteOptions"), "", [problem])


def _check_manager(verb: str, manager: str) -> None:
    if len(manager.encode()) > 128:
        raise bad_option(verb, too_long("fieldManager", 128))
    for at, char in enumerate(manager):
        if not char.isprintable():
            raise bad_option(
                verb, invalid("fieldManager", manager, f"invalid character U+{ord(char):04X} (at position {at})")
            )


def _manager_of(agent: str) -> str:
    """For a client that names none: its user agent up to the first slash."""
    name = agent.partition("/")[0]
    return name[:128] or "unknown"
