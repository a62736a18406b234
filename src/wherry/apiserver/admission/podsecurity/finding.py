"""Finding: what a check holds against a pod, and how such things are worded. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wherry.api.types.core import Container, EphemeralContainer, PodSecurityContext, PodSpec, SecurityContext


class Finding(NamedTuple):
    """`reason` names the kind of violation, `detail` who commits it."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A pod, or the template of one: its annotations, its spec, and all of its containers."""

    annotations: Mapping[str, str]
    spec: PodSpec
    containers: tuple[Container | EphemeralContainer, ...]

    def secured(self) -> Iterator[tuple[str, SecurityContext]]:
        """(name, security context) of each container that has one."""
        for container in self.containers:
            if container.security_context is not None:
                yield container.name, container.security_context

    @property
    def context(self) -> PodSecurityContext | None:
        """The pod's own security context."""
        return self.spec.security_context

    @property
    def windows(self) -> bool:
        """Whether it says that it is for Windows, where some settings do not exist."""
        return self.spec.os is not None and self.spec.os.name == "windows"

    @property
    def own_users(self) -> bool:
        """Whether it runs in a user namespace of its own."""
        return self.spec.host_users is False


Check = Callable[[Subject], Finding | None]


def subject(annotations: Mapping[str, str], spec: PodSpec) -> Subject:
    """The subject of these parts."""
    return Subject(annotations, spec, (*spec.init_containers, *spec.containers, *spec.ephemeral_containers))


def quoted(items: Iterable[str]) -> str:
    """`"a", "b"`."""
    return ", ".join(f'"{item}"' for item in items)


def go_quoted(text: str) -> str:
    """A text in quotes, escaped."""
    return json.dumps(text, ensure_ascii=False)


def plural(word: str, count: int) -> str:
    """The word for so many."""
    return word if count == 1 else f"{word}s"


def containers(names: Sequence[str]) -> str:
    """`containers "a", "b"`."""
    return f"{plural('container', len(names))} {quoted(names)}"


def setters(names: Sequence[str], *, pod: bool) -> str:
    """`pod and containers "a", "b"`: who sets something."""
    return " and ".join([*(["pod"] if pod else []), *([containers(names)] if names else [])])


def use(names: Sequence[str]) -> str:
    """The verb for so many."""
    return "uses" if len(names) == 1 else "use"
