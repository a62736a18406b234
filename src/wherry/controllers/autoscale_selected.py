"""Which pods an autoscaler measures, and that no other measures them too. Pure.

What each autoscaler selects is learned when it is looked at, so two that share pods both stop at the second one's look,
and the first goes on once the second is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from wherry.api.types.core import Pod
from wherry.machinery import selectors
from wherry.machinery.meta import Key


class SelectorError(Exception):
    """The pods cannot be told. `event`: the reason of the event; `reason` and `told` are for ScalingActive."""

    def __init__(self, problem: str, event: str, reason: str, told: str = "") -> None:
        super().__init__(problem)
        self.event, self.reason, self.told = event, reason, told or problem


class Selected:
    """The selectors of all autoscalers."""

    def __init__(self) -> None:
        self._wants: dict[Key, Callable[[Mapping[str, str]], bool]] = {}

    def forget(self, key: Key) -> None:
        """This autoscaler is gone."""
        self._wants.pop(key, None)

    def select(self, key: Key, selector: str, pods: Iterable[Pod]) -> tuple[Pod, ...]:
        """The pods of an autoscaler, out of those of its namespace. Raises SelectorError."""
        if not selector:
            told = "the HPA target's scale is missing a selector"
            raise SelectorError("selector is required", "SelectorRequired", "InvalidSelector", told)
        try:
            wants = selectors.parse_labels(selector)
        except ValueError as error:
            problem = f"couldn't convert selector into a corresponding internal selector object: {error}"
            raise SelectorError(problem, "InvalidSelector", "InvalidSelector") from None
        self._wants[key] = wants
        matching = tuple(pod for pod in pods if wants(pod.metadata.labels))
        others = sorted(
            other
            for other, also in self._wants.items()
            if other != key and other.namespace == key.namespace and any(also(pod.metadata.labels) for pod in matching)
        )
        if others:
            both = " ".join(f"{one.namespace}/{one.name}" for one in sorted((key, others[0])))
            problem = f"pods by selector {selector} are controlled by more than one HPA (e.g. [{both}])"
            raise SelectorError(problem, "AmbiguousSelector", "AmbiguousSelector")
        return matching
