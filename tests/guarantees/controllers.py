"""Section 2: what controllers, the garbage collector and agents promise about the objects they keep."""

from __future__ import annotations

from tests.guarantees.row import Edit, Fault, Proof, Row, fault
from tests.guarantees.store import TWO_OWNERS

COLLECTOR = "controllers/garbagecollector.py"
NAMESPACE = "controllers/namespace.py"
LIFECYCLE = "node/lifecycle.py"
ENDS = "tests/integration/controllers/test_ends.py::"
ROUNDS = "tests/integration/controllers/test_ownership_rounds.py::"
RUNNER = "tests/unit/reconcile/test_runner.py::"
FENCE = "tests/unit/node/test_fence.py::"
FENCING = "tests/integration/controllers/test_node_fencing.py::"
NODES = "tests/integration/controllers/test_nodes.py::"
POD = "tests/unit/node/test_lifecycle.py::"
AGENT = "tests/unit/node/test_agent.py::"
SAME_END = "tests/integration/controllers/test_perturbation.py::test_the_end_is_the_same"
SHORT = (("WHERRY_PERTURBATIONS", "8"),)

BY_CACHE = fault(
    "an owner that the cache has not seen counts as gone (kubernetes #65200)",
    COLLECTOR,
    "    cached: Object | None = ctx.view.get(item.resource, key)\n",
    "    cached: Object | None = ctx.view.get(item.resource, key)\n    if cached is None:\n        return None\n",
)
BY_NAME = fault(
    "an owner's namesake counts as the owner",
    COLLECTOR,
    "return live if live.metadata.uid == ref.uid else None",
    "return live",
)
ONE_GONE = fault(
    "one owner that is gone is enough to be deleted",
    COLLECTOR,
    "    if owners.solid:\n",
    "    if owners.solid and not owners.gone:\n",
)
MISPLACED = fault(
    "an owner where none can be counts as gone (kubernetes #88097)",
    COLLECTOR,
    "        return ref\n    key = Key(",
    "        return None\n    key = Key(",
)
CACHED_DEPENDENTS = fault(
    "dependents that the cache has not seen are not let go (kubernetes #89503)",
    COLLECTOR,
    "for kind, obj in await graph.live_dependents(ctx, resource, owner):",
    "for kind, obj in list(graph.dependents(ctx.view, resource, owner)):",
)
OWNER_FIRST = fault(
    "foreground deletion does not wait for the dependents",
    COLLECTOR,
    "        if not blocking:\n",
    "        if True:\n",
)
CIRCLE = Fault(
    "owners in a circle wait for each other for ever",
    (
        Edit(
            COLLECTOR,
            "blocking = blocking or (held and not _in_circle(graph, ctx.view, (kind, obj), uid))",
            "blocking = blocking or held",
        ),
        Edit(COLLECTOR, "        if any(map(_waits, own)):\n", "        if False:\n"),
    ),
)
POLICIES_FIRST = fault(
    "network policies of a namespace go before its pods are gone (CVE-2024-7598)",
    NAMESPACE,
    "            if remains:\n                break\n",
    "",
)
UNASKED = fault(
    "a namespace goes although a group cannot be asked what it holds",
    NAMESPACE,
    "        remains.unknown += _unreachable(ctx.view)\n",
    "",
)
NO_GATE = fault(
    "a key is planned again before the cache has seen its last write (KEP-5647)",
    "reconcile/runner.py",
    "            waits = api.conditions(self._caches)\n",
    "            waits: list[object] = []\n",
)
LOST_ANSWER = fault(
    "after a lost answer the object is made once more",
    "reconcile/context.py",
    "            if error.code >= 500:",
    "            if False:",
)
EDGES = fault(
    "controllers act on changes alone, not on what they find when they start",
    "reconcile/cache.py",
    "        for listener in self._listeners:\n",
    "        for listener in self._listeners if self.synced.is_set() else ():\n",
)
NO_FORGETTING = fault(
    "what vanished while nobody watched stays in the cache",
    "reconcile/cache.py",
    "            for key in [key for key in self.objects if key not in fresh]:\n",
    "            for key in list[Key]():\n",
)
AHEAD = fault(
    "observedGeneration runs ahead of what the controller has seen",
    "controllers/deployment_status.py",
    "observed_generation=rollout.deployment.metadata.generation,",
    "observed_generation=rollout.deployment.metadata.generation + 1,",
)
ALL_LOST = fault(
    "when all nodes fall silent at once, their pods are evicted (kubernetes: a cut control plane)",
    "controllers/nodelifecycle.py",
    "        elif lost and (age < grace + PAUSE or heartbeats.cut_off(view, key.name)):",
    "        elif lost and age < grace + PAUSE:",
)
LAST_BACK = fault(
    "when all nodes come back, the pods of the last one are evicted for its being last",
    "controllers/nodelifecycle.py",
    "too_many(self._silent(before[1]), len(self._last))",
    "False",
)
WALL_CLOCK = fault(
    "a clock that is set makes nodes lost",
    "controllers/nodelifecycle.py",
    "        steady = settings.monotonic() if settings.monotonic is not None else view.now\n",
    "        steady = view.now\n",
)
FEW_WITNESSES = fault(
    "a stateful pod is replaced although its node may have been told to go on",
    "api/core/fencing.py",
    "    return fresh * 2 > witnesses",
    "    return fresh > 0",
)
KEEPS_RUNNING = fault(
    "an agent that is cut off lets its stateful pods run",
    "node/promises.py",
    "        return self.deadline is not None and now >= self.deadline - EARLY",
    "        return False",
)
ENDS_ALONE = fault(
    "an agent ends its stateful pods although the API is away for all",
    "api/core/fencing.py",
    "    return witnesses > 0 and away * 2 >= witnesses",
    "    return False",
)
SECOND_LOST = fault(
    "a node that is lost within a heartbeat of another's return is never fenced",
    "node/fence.py",
    "            if self._choose(self._witnesses()) != self._named:\n",
    "            if False:\n",
)
OLD_SIGNS = Fault(
    "a server that comes back takes silence before its start for that of nodes",
    (
        Edit(
            "controllers/nodelifecycle.py",
            "        self._last[node.metadata.name] = (sign, now)\n        return 0.0\n",
            "        at = now\n"
            "        if before is None and lease is not None and renewed:\n"
            "            at = min(now, datetime.datetime.fromisoformat(str(renewed)).timestamp())\n"
            "        self._last[node.metadata.name] = (sign, at)\n        return now - at\n",
        ),
        Edit("controllers/nodelifecycle.py", "from dataclasses import", "import datetime\nfrom dataclasses import"),
    ),
)
SANDBOX_LEFT = fault(
    "a pod's object goes while its sandbox stands",
    LIFECYCLE,
    "        if not stopping and not facts.busy:\n",
    "        if not facts.busy:\n",
)
WORK_LEFT = Fault(
    "a pod's object goes while its volumes are still being worked on (kubernetes #28160)",
    (
        Edit(
            LIFECYCLE,
            "        if left or working:\n            return\n        self.over",
            "        if left:\n            return\n        self.over",
        ),
        Edit(LIFECYCLE, "        if not stopping and not facts.busy:\n", "        if not stopping:\n"),
    ),
)
CONTAINERS_LEFT = fault(
    "a pod's sandbox is stopped while its containers end (kubernetes #102344)",
    LIFECYCLE,
    "        if left or working:\n            return\n        self.over = True\n        stopping",
    "        if working:\n            return\n        self.over = True\n        stopping",
)
NO_GRACE = fault(
    "a pod that runs is removed from the API at once",
    "apiserver/verbs/delete.py",
    "    if not grace and not waits:\n        return None",
    "    if not waits:\n        return None",
)

ROWS = (
    Row(
        "2.garbage-collection",
        "An object is collected only when the API itself says that each of its owners, by uid, is gone; an owner that "
        "cannot be is told of, never acted on",
        (
            Proof(ENDS + "test_after_a_restart_what_lost_its_owner_meanwhile_goes", (BY_NAME,)),
            Proof(ENDS + "test_one_living_owner_is_enough", (ONE_GONE,)),
            Proof(ROUNDS + "test_an_owner_that_the_cache_has_not_seen_is_asked_for", (BY_CACHE,)),
            Proof(ROUNDS + "test_rounds", (MISPLACED,), (("WHERRY_ROUNDS", "60"),)),
            Proof(ROUNDS + "test_an_owner_that_nothing_without_namespace_can_have", (MISPLACED,)),
        ),
        longer="10,000 rounds, the collector restarted meanwhile: WHERRY_ROUNDS=10000 (`make test`: 200)",
    ),
    Row(
        "2.foreground-and-orphans",
        "Foreground removes the owner last, circles end, orphans are let go even when made a moment before",
        (
            Proof(ENDS + "test_foreground_removes_the_owner_last", (OWNER_FIRST,)),
            Proof(ENDS + "test_a_circle_of_owners_goes", (CIRCLE,)),
            Proof(ROUNDS + "test_dependents_that_the_cache_has_not_seen_are_let_go", (CACHED_DEPENDENTS,)),
        ),
    ),
    Row(
        "2.namespace-deletion",
        "A namespace's pods go first, its network policies when the last pod is gone; nothing is let go unasked",
        (
            Proof(ENDS + "test_a_namespace_gets_its_defaults_and_goes_with_all_it_holds", (POLICIES_FIRST,)),
            Proof(ENDS + "test_a_namespace_waits_for_servers_that_cannot_be_asked", (UNASKED,)),
        ),
        missing="packets of a pod that outlives SIGTERM in a dying namespace are not sent and counted",
    ),
    Row(
        "2.rollout-status",
        "`rollout status` never says done while the status is of an older generation",
        (Proof("tests/unit/controllers/test_deployment.py::test_a_rollout_is_never_called_done_too_early", (AHEAD,)),),
    ),
    Row(
        "2.graceful-deletion",
        "A pod's object goes, and its name is free, only after its containers and its sandbox are stopped",
        (
            Proof(POD + "test_deletion_drains_then_kills_then_removes", (SANDBOX_LEFT, CONTAINERS_LEFT)),
            Proof(POD + "test_deletion_waits_for_work_in_flight", (WORK_LEFT,)),
            Proof(AGENT + "test_the_end_of_a_pod", (CONTAINERS_LEFT,)),
            Proof("tests/integration/apiserver/test_objects.py::test_a_scheduled_pod_goes_gracefully", (NO_GRACE,)),
        ),
    ),
    Row(
        "2.level-driven",
        "Controllers that are killed between two writes, miss events, see them twice, look at the past or lose an "
        "answer end where undisturbed ones end, and make no more pods on the way (Sieve's patterns, Anvil's oracle)",
        (
            Proof(SAME_END + "[crash after]", (EDGES,), SHORT),
            Proof(SAME_END + "[crash before]", (EDGES,), SHORT),
            Proof(RUNNER + "test_an_unclear_failure_makes_no_second_object", (LOST_ANSWER,)),
            Proof(RUNNER + "test_a_key_that_is_woken_meanwhile_waits_for_its_own_write", (NO_GATE,)),
        ),
        missing="a fault that the patterns `unseen`, `twice` and `stale` see and the unit tests do not",
        longer="every place of every story: WHERRY_PERTURBATIONS=all (`make test` tries 4 of each)",
    ),
    Row(
        "2.no-time-travel",
        "A controller never acts on a state older than its own last write, and forgets what vanished unseen",
        (
            Proof(RUNNER + "test_a_key_that_is_woken_meanwhile_waits_for_its_own_write", (NO_GATE,)),
            Proof(RUNNER + "test_what_vanished_while_nobody_watched_is_dropped", (NO_FORGETTING,)),
        ),
    ),
    Row(
        "2.one-leader",
        "There is one set of controllers per store, because there is one process per store: no lease decides it",
        (
            Proof(
                "tests/contracts/store/test_sqlite.py::test_a_second_opening_is_refused_until_the_first_is_closed",
                (TWO_OWNERS,),
            ),
        ),
    ),
    Row(
        "2.api-downtime",
        "An API that is away for a minute and more costs no pod, no readiness, no restart",
        (
            Proof(NODES + "test_when_all_nodes_are_lost_nothing_is_evicted", (ALL_LOST,)),
            Proof(NODES + "test_nodes_have_time_to_report_to_a_server_that_was_away", (OLD_SIGNS,)),
            Proof(NODES + "test_nodes_come_back_one_after_the_other_and_the_last_has_time", (LAST_BACK,)),
            Proof(FENCE + "test_stateful_pods_go_on_where_the_api_is_gone_for_most", (ENDS_ALONE,)),
        ),
        longer="three nodes, and the API cut from all of them for 80 seconds: `make outage`",
    ),
    Row(
        "2.stateful-once",
        "A stateful pod of a lost node is replaced once its node is fenced, after 60 seconds, and never runs twice",
        (
            Proof(FENCE + "test_a_node_that_is_cut_off_ends_its_stateful_pods_and_no_others", (KEEPS_RUNNING,)),
            Proof(FENCE + "test_the_promise_names_others_as_soon_as_others_are_ready", (SECOND_LOST,)),
            Proof(FENCING + "test_nothing_is_fenced_while_most_witnesses_are_silent", (FEW_WITNESSES,)),
            Proof(FENCING + "test_a_clock_that_is_put_right_makes_nobody_lost_or_found", (WALL_CLOCK,)),
        ),
        missing="what ADR 21 lists as not covered: a whole machine that is paused and goes on, and the like",
        longer="real nodes, an agent cut off and an agent stopped: `make outage`",
    ),
)
