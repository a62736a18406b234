"""Whatever happens in whatever order, the state machine keeps its promises.

A model of the runtime carries out instructions in a random order, lets containers end at random and deletes the pod at
some point; after every step the promises are checked.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.node.pods import NOW, container, deleted, pod
from wherry.api.types.core import Pod
from wherry.node import facts as f
from wherry.node.lifecycle import decide
from wherry.node.runtime.interface import Container, Sandbox, State


@dataclass
class Model:
    """A runtime of one pod, and what a worker would remember."""

    pod: Pod
    now: float = NOW
    sandboxes: list[Sandbox] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    images: dict[tuple[str, int], str] = field(default_factory=dict)
    volumes: bool = False
    drained: bool = False
    finished: bool = False
    starts: list[tuple[str, int]] = field(default_factory=list)
    serial: itertools.count[int] = field(default_factory=itertools.count)

    def facts(self) -> f.Facts:
        """What the state machine is told."""
        return f.Facts(
            sandboxes=tuple(reversed(self.sandboxes)), containers=tuple(reversed(self.containers)),
            host_ips=("192.0.2.1",), volumes_ready=self.volumes, images=self.images, drained=self.drained,
            stopping_since=NOW if self.pod.metadata.deletion_timestamp else 0.0,
        )  # fmt: skip

    def step(self) -> tuple[f.Instruction, ...]:
        """Decide, and take the status over."""
        decision = decide(self.pod, self.facts(), self.now)
        self.pod = msgspec.structs.replace(self.pod, status=decision.status)
        return tuple(one for one in decision.instructions if not isinstance(one, f.Say))

    def change(self, identity: str, **fields: object) -> None:
        """Change a container."""
        self.containers = [replace(c, **fields) if c.id == identity else c for c in self.containers]  # type: ignore[arg-type] # by name

    def end(self, identity: str, code: int) -> None:
        """A container's process ends."""
        self.change(identity, state=State.EXITED, exit_code=code, finished=self.now)

    def act(self, order: f.Instruction) -> None:  # noqa: C901 - one branch per instruction
        """Carry an instruction out, checking what must hold at that moment."""
        match order:
            case f.CreateSandbox(attempt):
                assert not any(one.ready for one in self.sandboxes)
                assert all(one.attempt < attempt for one in self.sandboxes)
                self.sandboxes.append(Sandbox(f"s{attempt}", "p", "default", "u", attempt, True, self.now, ips=("1",)))
            case f.MountVolumes():
                self.volumes = True
            case f.GetImage(name, attempt):
                self.images[name, attempt] = "i"
            case f.Start():
                self._start(order)
            case f.Kill(_, identity):
                self.end(identity, 143)
            case f.StopSandbox(identity):
                for one in self.containers:
                    if one.sandbox == identity and one.state is State.RUNNING:
                        self.end(one.id, 137)
                self.sandboxes = [replace(s, ready=False) if s.id == identity else s for s in self.sandboxes]
            case f.RemoveContainer(identity):
                self.containers = [one for one in self.containers if one.id != identity]
            case f.Drain():
                self.drained = True
            case f.Finish():
                assert not any(one.state is State.RUNNING for one in self.containers)
                assert not any(one.ready for one in self.sandboxes)
                self.finished = True
            case _:
                raise AssertionError(order)

    def _start(self, order: f.Start) -> None:
        assert (order.name, order.attempt) not in self.starts, "started twice"
        assert not any(one.name == order.name and one.state is State.RUNNING for one in self.containers)
        assert self.volumes
        assert self.sandboxes
        assert self.sandboxes[-1].ready
        assert self.pod.metadata.deletion_timestamp is None
        if order.role == "main":
            self._initialized()
        self.starts.append((order.name, order.attempt))
        spec = next(c for c in (*self.pod.spec.containers, *self.pod.spec.init_containers) if c.name == order.name)
        self.containers.append(
            Container(
                f"{order.name}-{next(self.serial)}", self.sandboxes[-1].id, order.name, order.attempt, State.RUNNING,
                self.now, annotations={f.STEP: str(order.step), f.HASH: f.container_hash(spec)}, started=self.now,
                detailed=True,
            )
        )  # fmt: skip

    def _initialized(self) -> None:
        here = self.sandboxes[-1].id
        if any(one.sandbox == here and one.name in ("a", "b") for one in self.containers):
            return  # they had started before
        for init in self.pod.spec.init_containers:
            mine = [one for one in self.containers if one.name == init.name and one.sandbox == here]
            assert mine, f"{init.name} has not run"
            if f.is_sidecar(init):
                assert mine[-1].state is State.RUNNING
            else:
                assert (mine[-1].state, mine[-1].exit_code) == (State.EXITED, 0)


INIT = (container("i"), container("s", restartPolicy="Always"), container("j"))
CHOICE = st.one_of(
    st.tuples(st.just("act"), st.integers(0, 9)),
    st.tuples(st.just("end"), st.integers(0, 9), st.sampled_from([0, 0, 0, 1])),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 5.0, 11.0, 301.0, 700.0])),
    st.tuples(st.just("lose"), st.just(0)),
)


@settings(max_examples=300, deadline=None)
@given(
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    choices=st.lists(CHOICE, max_size=60),
    delete=st.booleans(),
)
def test_promises(policy: str, choices: list[tuple[object, ...]], *, delete: bool) -> None:
    model = Model(pod("a", "b", init=INIT, restartPolicy=policy))
    for choice in choices:
        orders = model.step()
        model.now += 0.01
        alive = [one for one in model.containers if one.state is State.RUNNING]
        number = int(str(choice[1]).partition(".")[0])
        if choice[0] == "act" and orders:
            model.act(orders[number % len(orders)])
        elif choice[0] == "end" and alive:
            model.end(alive[number % len(alive)].id, int(str(choice[2])))
        elif choice[0] == "wait":
            model.now += float(str(choice[1]))
        elif choice[0] == "lose" and model.sandboxes:
            model.sandboxes[-1] = replace(model.sandboxes[-1], ready=False)
            for one in alive:
                model.end(one.id, 137)
    if delete:
        model.pod = deleted(model.pod)
    _settle(model, ends=delete)


def _settle(model: Model, *, ends: bool) -> None:
    """Left alone, the pod comes to rest: deleted pods finish, others want nothing more or only time."""
    for _ in range(100):
        orders = model.step()
        if model.finished or (not orders and not ends):
            break
        for order in orders[:1]:
            model.act(order)
        model.now += 400.0
    assert model.finished or not ends
    if model.finished:
        assert model.pod.status.phase in ("Succeeded", "Failed")
