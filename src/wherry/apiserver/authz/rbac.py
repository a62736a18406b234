"""Rbac: roles and bindings of the windows, indexed by subject, followed as they change.

`rules_for(user, namespace)` is what a user may do; decisions are remembered until a role or binding changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from wherry.api.rbac.clusterrole import CLUSTERROLE
from wherry.api.rbac.clusterrolebinding import CLUSTERROLEBINDING
from wherry.api.rbac.role import ROLE
from wherry.api.rbac.rolebinding import ROLEBINDING
from wherry.api.types.rbac import ClusterRoleBinding, PolicyRule, RoleBinding, RoleRef, Subject
from wherry.apiserver.authn.user import User
from wherry.apiserver.authz.rules import Attributes, allows
from wherry.store.entry import Entry, Event
from wherry.store.windows import Windows

_REMEMBERED = 20_000
_UNKNOWN = "nobody has asked yet"


class Grant(NamedTuple):
    """A binding as one of its subjects sees it; namespace "" is the whole cluster. `text` names it to people."""

    namespace: str
    role: RoleRef
    text: str = ""


class Rbac:
    """Follows the four RBAC kinds. Make it after the windows are loaded."""

    def __init__(self, windows: Windows) -> None:
        self._grants: dict[str, dict[str, Grant]] = {}
        self._rules: dict[tuple[str, str], tuple[PolicyRule, ...]] = {}
        self._decided: dict[Attributes, str | None] = {}
        for resource in (ROLE, CLUSTERROLE):
            self._follow(windows, resource, self._role_changed)
        for binding in (ROLEBINDING, CLUSTERROLEBINDING):
            self._follow(windows, binding, self._binding_changed)

    def _follow(self, windows: Windows, resource: Any, changed: Any) -> None:
        window = windows.of(resource)
        page = window.list()
        for entry in page.items:
            changed(entry, None)

        def sink(event: Event[Any]) -> bool:
            changed(None if event.type == "DELETED" else event.entry, event.previous)
            self._decided.clear()
            return True

        window.watch(page.revision, sink)

    def _role_changed(self, entry: Entry[Any] | None, previous: Entry[Any] | None) -> None:
        if entry is not None:
            self._rules[entry.namespace, entry.name] = entry.obj.rules
        elif previous is not None:
            self._rules.pop((previous.namespace, previous.name), None)

    def _binding_changed(
        self, entry: Entry[RoleBinding | ClusterRoleBinding] | None,
        previous: Entry[RoleBinding | ClusterRoleBinding] | None,
    ) -> None:  # fmt: skip
        if previous is not None:
            for subject in previous.obj.subjects:
                self._grants.get(subject_key(subject, previous.namespace), {}).pop(previous.key, None)
        if entry is not None:
            for subject in entry.obj.subjects:
                grants = self._grants.setdefault(subject_key(subject, entry.namespace), {})
                grants[entry.key] = Grant(entry.namespace, entry.obj.role_ref, _text(entry.obj, subject))

    def allowed(self, asked: Attributes) -> bool:
        """Whether some rule allows it."""
        return self.why(asked) is not None

    def why(self, asked: Attributes) -> str | None:
        """Which binding allows it, in upstream's words; None where none does."""
        known = self._decided.get(asked, _UNKNOWN)
        if known is _UNKNOWN:
            known = self._why(asked)
            if len(self._decided) >= _REMEMBERED:
                self._decided.clear()
            self._decided[asked] = known
        return known

    def _why(self, asked: Attributes) -> str | None:
        for key in _keys(asked.user):
            for grant in self._grants.get(key, {}).values():
                rules = self.rules_of(grant.role, grant.namespace) if grant.namespace in ("", asked.namespace) else ()
                if any(allows(rule, asked) for rule in rules):
                    return f"RBAC: allowed by {grant.text}"
        return None

    def rules_for(self, user: User, namespace: str) -> Iterator[PolicyRule]:
        """Every rule that holds for a user in a namespace ("": cluster-wide ones only)."""
        for key in _keys(user):
            for grant in self._grants.get(key, {}).values():
                if grant.namespace in ("", namespace):
                    yield from self.rules_of(grant.role, grant.namespace)

    def rules_of(self, role: RoleRef, namespace: str) -> tuple[PolicyRule, ...]:
        """The rules of a role that is referred to from a namespace."""
        return self._rules.get((namespace if role.kind == "Role" else "", role.name), ())

    def known_role(self, role: RoleRef, namespace: str) -> bool:
        """Whether the role exists."""
        return (namespace if role.kind == "Role" else "", role.name) in self._rules


def _text(binding: RoleBinding | ClusterRoleBinding, subject: Subject) -> str:
    name = binding.metadata.name
    if binding.metadata.namespace:
        name += f"/{binding.metadata.namespace}"
    who = subject.name
    if subject.kind == "ServiceAccount":
        who += f"/{subject.namespace or binding.metadata.namespace}"
    role = binding.role_ref
    return f'{binding.kind} "{name}" of {role.kind} "{role.name}" to {subject.kind} "{who}"'


def subject_key(subject: Subject, namespace: str) -> str:
    """How a subject is indexed."""
    if subject.kind == "ServiceAccount":
        return f"u:system:serviceaccount:{subject.namespace or namespace}:{subject.name}"
    return f"{'g' if subject.kind == 'Group' else 'u'}:{subject.name}"


def _keys(user: User) -> Iterator[str]:
    yield f"u:{user.name}"
    for group in user.groups:
        yield f"g:{group}"
