"""What can be asked of a kind: paths, methods and operations, from which both versions of OpenAPI are written. Pure.

They derive from the verbs of the kind and of its subresources. Kinds that are built in have the old watch paths too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from wherry.apiserver.discovery import spoken_by
from wherry.apiserver.handlers import RETURN_DELETED
from wherry.apiserver.http import JSON
from wherry.apiserver.openapi_parameters import Names, parameters
from wherry.apiserver.operation_ids import document_id, operation_id, tag
from wherry.machinery.resource import Resource

Kind = tuple[str, str, str]
Item = tuple[str, dict[str, "Operation"]]
"""(path, method -> operation)."""

META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
TEXT: Final = "string"
"""The answer of what is no object."""
_METHODS: Final[Mapping[str, str]] = {
    "get": "get", "list": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete",
    "deletecollection": "delete",
}  # fmt: skip
_COLLECTION: Final = ("list", "create", "deletecollection")
_OBJECT: Final = ("get", "update", "patch", "delete")
_CODES: Final[Mapping[str, Names]] = {
    "post": ("200", "201", "202"), "put": ("200", "201"), "patch": ("200", "201"), "delete": ("200", "202"),
}  # fmt: skip
_PATCHES: Final = (
    "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
_CUSTOM_PATCHES: Final = tuple(kind for kind in _PATCHES if "strategic" not in kind)
_ANY: Final = ("*/*",)
_DOCUMENTS: Final[Mapping[str, str]] = {
    "api": f"{META}APIVersions", "apis": f"{META}APIGroupList", "version": "io.k8s.apimachinery.pkg.version.Info",
    "openid/v1/jwks": TEXT, ".well-known/openid-configuration": TEXT,
}  # fmt: skip
"""What answers at the paths of no group."""


_DELETED: Final = RETURN_DELETED - {"namespaces"}
"""Whose delete answers with the object, as upstream documents it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`body` and `answer` are names of definitions, "" of any object; a body of None is none."""

    id: str
    tag: str
    action: str = ""
    kind: Kind | None = None
    parameters: Names = ()
    body: str | None = None
    must: bool = True  # whether a body has to be there
    answer: str = ""
    codes: Names = ("200",)
    takes: Names = _ANY
    gives: Names = (JSON,)


def document(place: str) -> Item:
    """A discovery document, or another one of no kind, as the item of its path."""
    answer = _DOCUMENTS.get(place)
    if answer is None:
        of_version = place.startswith("api/") or place.count("/") == 2
        answer = f"{META}APIResourceList" if of_version else f"{META}APIGroup"
    gives = ("application/jwk-set+json",) if place == "openid/v1/jwks" else (JSON,)
    return f"/{place}/", {"get": Operation(document_id(place), tag(place), answer=answer, takes=(JSON,), gives=gives)}


def items(resource: Resource[Any], names: Mapping[Kind, str]) -> Iterator[Item]:
    """Every path of a kind. `names`: the definitions of kinds."""
    root = place_of(resource)
    make = _Maker(resource, names, tag(root))
    below = f"/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"/{resource.plural}"
    here, one = f"/{root}{below}", f"/{root}{below}/{{name}}"
    yield here, make.plain(here, _COLLECTION)
    yield one, make.plain(one, _OBJECT)
    if resource.namespaced and "list" in resource.verbs:
        path = f"/{root}/{resource.plural}"
        yield path, {"get": make.operation(path, "list", everywhere=True)}
    for name in resource.subresources:
        yield from make.subresource(one, name)
    if "watch" in resource.verbs and resource.custom is None:
        watched = f"/{root}/watch{below}"
        yield watched, {"get": make.operation(watched, "watchlist")}
        yield f"{watched}/{{name}}", {"get": make.operation(f"{watched}/{{name}}", "watch")}
        if resource.namespaced:
            path = f"/{root}/watch/{resource.plural}"
            yield path, {"get": make.operation(path, "watchlist", everywhere=True)}


def place_of(resource: Resource[Any]) -> str:
    """Where a kind's document is, and all its paths."""
    return f"apis/{resource.group}/{resource.version}" if resource.group else f"api/{resource.version}"


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the operations of one kind."""

    resource: Resource[Any]
    names: Mapping[Kind, str]
    tag: str

    def plain(self, path: str, verbs: Iterable[str]) -> dict[str, Operation]:
        return {
            _METHODS[verb]: self.operation(path, verb if verb == "list" else _action(verb))
            for verb in verbs
            if verb in self.resource.verbs
        }

    def operation(self, path: str, action: str, *, everywhere: bool = False) -> Operation:
        """What is done to the kind itself, or to a collection of it."""
        return Operation(
            id=operation_id(self.resource, action, everywhere=everywhere),
            answer=self._answer(action),
            **self._common(path, action, self._own()),
        )

    def subresource(self, one: str, name: str) -> Iterator[Item]:
        """The paths of a subresource."""
        *kind, verbs = spoken_by(self.resource, name)
        spoken = (kind[0], kind[1], kind[2])
        if spoken[2].endswith("Options"):
            methods = [_METHODS[verb] for verb in verbs]
            paths = (name, f"{name}/{{path}}") if name == "proxy" else (name,)
            methods += ["head", "options"] if name == "proxy" else []
            for part in paths:
                path = f"{one}/{part}"
                yield path, {method: self._connection(path, part, method, spoken) for method in methods}
            return
        path = f"{one}/{name}"
        found = {}
        for verb in verbs:
            action = _action(verb)
            text = {"answer": TEXT, "gives": ("text/plain", JSON)} if name == "log" else {}
            common = self._common(path, action, spoken, name)
            found[_METHODS[verb]] = Operation(
                **{"id": operation_id(self.resource, action, name), "answer": self._name(spoken), **common, **text}
            )
        yield path, found

    def _connection(self, path: str, part: str, method: str, spoken: Kind) -> Operation:
        return Operation(
            id=operation_id(self.resource, "connect", part, method=method),
            tag=self.tag, action="connect", kind=spoken, answer=TEXT, gives=_ANY,
            parameters=parameters(path, "connect", part),
        )  # fmt: skip

    def _own(self) -> Kind:
        return self.resource.group, self.resource.version, self.resource.kind

    def _name(self, kind: Kind) -> str:
        return self.names.get(kind, "")

    def _answer(self, action: str) -> str:
        group, version, kind = self._own()
        if action in ("watch", "watchlist"):
            return f"{META}WatchEvent"
        if action == "list":
            custom = self.resource.custom
            return self._name((group, version, f"{kind}List" if custom is None else custom.list_kind))
        if action == "deletecollection" or (action == "delete" and self.resource.plural not in _DELETED):
            return f"{META}Status"
        return self._name((group, version, kind))

    def _common(self, path: str, action: str, spoken: Kind, subresource: str = "") -> dict[str, Any]:
        custom = self.resource.custom is not None
        out: dict[str, Any] = {
            "tag": self.tag, "action": action, "kind": self._own() if custom else spoken,
            "parameters": parameters(path, action, subresource, custom=custom),
            "codes": ("200",) if custom and action == "patch" else _CODES.get(action, ("200",)),
        }  # fmt: skip
        if action in ("post", "put"):
            out["body"] = self._name(spoken)
        elif action == "patch":
            out |= {"body": f"{META}Patch", "takes": _CUSTOM_PATCHES if custom else _PATCHES}
        elif action == "delete" or (action == "deletecollection" and not custom):
            out |= {"body": f"{META}DeleteOptions", "must": False}
        return out


def _action(verb: str) -> str:
    return {"create": "post", "update": "put"}.get(verb, verb)
