"""FakeView: a View over a plain list, and a world in which planned actions are simply carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from wherry.machinery.codec import from_dict, to_dict
from wherry.machinery.errors import APIError
from wherry.machinery.meta import Key, Object, T, controller_of, key_of
from wherry.machinery.resource import Resource
from wherry.machinery.time import time_at
from wherry.reconcile.actions import Action, Adopt, Create, Delete, Emit, Patch, Replace, Requeue
from wherry.reconcile.ownership import reference
from wherry.reconcile.view import Index, View

NOW = 1_700_000_000.0


@dataclass
class FakeView:
    """Objects by resource and key; `now` is epoch seconds."""

    objects: dict[tuple[Resource[Any], Key], Object] = field(default_factory=dict)
    now: float = NOW
    last_error: APIError | None = None
    made: int = 0
    emitted: list[Emit] = field(default_factory=list)
    graceful: bool = False  # deleted pods stay, with a deletionTimestamp

    def put(self, resource: Resource[T], *objects: T) -> FakeView:
        """Add or overwrite objects."""
        for obj in objects:
            self.objects[resource, key_of(obj)] = obj
        return self

    def get(self, resource: Resource[T], key: Key) -> T | None:
        return self.objects.get((resource, key))  # type: ignore[return-value]  # keyed by resource

    def list(self, resource: Resource[T], namespace: str = "") -> tuple[T, ...]:
        found = [o for (r, k), o in self.objects.items() if r is resource and namespace in ("", k.namespace)]
        return tuple(found)  # type: ignore[arg-type]  # keyed by resource

    def owned(self, resource: Resource[T], owner: Object) -> tuple[T, ...]:
        return tuple(o for o in self.list(resource) if (r := controller_of(o)) and r.uid == owner.metadata.uid)

    def orphans(self, resource: Resource[T], namespace: str) -> tuple[T, ...]:
        return tuple(o for o in self.list(resource, namespace) if controller_of(o) is None)

    def indexed(self, index: Index[T], value: str) -> tuple[T, ...]:
        return tuple(o for o in self.list(index.resource) if value in index.values(o))

    # --- The world ---

    def carry_out(self, actions: Iterable[Action]) -> Sequence[Action]:
        """Do what was planned; returns the writes among it."""
        done = list(actions)
        for action in done:
            self._do(action)
        return [action for action in done if not isinstance(action, (Requeue, Emit))]

    def settle(self, plan: Callable[[View, Key], Iterable[Action]], key: Key, rounds: int = 10) -> int:
        """Plan and carry out until a plan writes nothing; returns how many rounds that took. Fails if it never ends."""
        for n in range(rounds):
            if not self.carry_out(plan(self, key)):
                return n
        raise AssertionError(f"no fixed point in {rounds} rounds: {list(plan(self, key))}")

    def _do(self, action: Action) -> None:
        match action:
            case Create(resource, obj):
                self._create(resource, obj)
            case Delete(resource, key, uid):
                self._delete(resource, key, uid)
            case Replace(resource, obj):
                self.objects[resource, key_of(obj)] = obj
                self._finalized(resource, obj)
            case Patch(resource, key, patch):
                self._patch(resource, key, patch)
            case Adopt(resource, obj, owner_resource, owner):
                refs = (*obj.metadata.owner_references, reference(owner_resource, owner))
                self.objects[resource, key_of(obj)] = replace(
                    obj, metadata=replace(obj.metadata, owner_references=refs)
                )
            case Emit():
                self.emitted.append(action)
            case Requeue():
                pass

    def _create(self, resource: Resource[Any], obj: Object) -> None:
        self.made += 1
        name = obj.metadata.name or f"{obj.metadata.generate_name}{self.made}"
        assert (resource, Key(obj.metadata.namespace, name)) not in self.objects, f"{name} exists"
        meta = replace(
            obj.metadata, name=name, uid=f"made-{self.made}", generation=1, creation_timestamp=time_at(self.now)
        )
        self.put(resource, resource.default(replace(obj, metadata=meta)))

    def _delete(self, resource: Resource[Any], key: Key, uid: str) -> None:
        old = self.objects.get((resource, key))
        if old is None or old.metadata.uid != uid:
            return
        if old.metadata.finalizers or (self.graceful and resource.kind == "Pod"):
            meta = replace(old.metadata, deletion_timestamp=time_at(self.now))
            self.objects[resource, key] = replace(old, metadata=meta)
        else:
            del self.objects[resource, key]

    def _patch(self, resource: Resource[Any], key: Key, patch: Any) -> None:
        old = self.objects[resource, key]
        new = from_dict(type(old), merge(to_dict(old), patch))
        self.objects[resource, key] = new
        self._finalized(resource, new)

    def _finalized(self, resource: Resource[Any], obj: Object) -> None:
        if obj.metadata.deletion_timestamp is not None and not obj.metadata.finalizers and resource.kind != "Pod":
            del self.objects[resource, key_of(obj)]


def merge(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386) on builtins."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = merge(out.get(name), value)
    return out
