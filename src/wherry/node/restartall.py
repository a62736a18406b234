"""RestartAllContainers: a container's end that makes the whole pod start over, in the same sandbox. Pure.

The moment of the last such end is the pod's epoch: what was made before it is stale. Stale containers that run are
killed; then everything is brought up again, init containers first. The epoch follows from the containers themselves, so
an agent that comes back goes on. https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/5532-restart-all-containers-on-container-exits
"""

from __future__ import annotations

from dataclasses import replace

from wherry.api.types.core import Container as Spec
from wherry.api.types.core import Pod
from wherry.node.facts import Facts, exited
from wherry.node.runtime.interface import Container

ACTION = "RestartAllContainers"
CONDITION, STARTED = "AllContainersRestarting", "RestartAllContainersStarted"


def matching_action(spec: Spec, last: Container) -> str:
    """The action of the first restart rule that fits how a container ended, or ""."""
    for rule in spec.restart_policy_rules:
        codes = rule.exit_codes
        if codes is not None and (last.exit_code in codes.values) == (codes.operator == "In"):
            return rule.action
    return ""


def used(pod: Pod) -> bool:
    """Whether any container has such a rule."""
    everyone = (*pod.spec.init_containers, *pod.spec.containers)
    return any(rule.action == ACTION for one in everyone for rule in one.restart_policy_rules)


def epoch(pod: Pod, facts: Facts) -> float:
    """When the pod last had to start over; 0: never."""
    if not used(pod):
        return 0.0
    specs = {one.name: one for one in (*pod.spec.init_containers, *pod.spec.containers)}
    ends = [
        one.finished
        for one in facts.containers
        if one.name in specs and exited(one) and matching_action(specs[one.name], one) == ACTION
    ]
    return max(ends, default=0.0)


def fresh(facts: Facts, since: float) -> Facts:
    """The facts without what is stale."""
    if not since:
        return facts
    return replace(facts, containers=tuple(one for one in facts.containers if one.created >= since))
