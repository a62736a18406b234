"""Section 1, watches: etcd's nine validators, the bugs that they found in etcd, and those of kine's watches.

https://github.com/etcd-io/etcd/tree/main/tests/robustness  https://github.com/k3s-io/kine
"""

from __future__ import annotations

from tests.guarantees.row import Edit, Fault, Proof, Row, fault

WINDOW = "store/window.py"
HISTORY = "store/history.py"
WINDOWS = "store/windows.py"
WATCH = "apiserver/verbs/watch.py"
VALIDATORS = "tests/integration/apiserver/test_watch_validators.py::test_watchers_are_told_exactly_what_happened"
MODEL = "tests/unit/store/test_window_model.py::TestModel"
UNIT = "tests/unit/store/test_window.py::"
TOLD = "fits = event is None or self.sink(event)"

UNFILTERED = fault(
    "a watch by label is told of everything", WINDOW, "moment.event(self.predicate)", "moment.event(None)"
)
REVERSED = fault("what a watch missed is replayed newest first", HISTORY, "        found.reverse()\n", "")
AGAIN = Fault(
    "a watch that resumes is told its last event again",
    (
        Edit(HISTORY, "if moment.revision <= revision:", "if moment.revision < revision:"),
        Edit(WINDOW, "if moment.revision <= self._since:", "if moment.revision < self._since:"),
    ),
)
SPLIT = Fault(
    "a change is told in two parts, a deletion and an addition of one revision",
    (
        Edit(
            WINDOW,
            TOLD,
            "parts = () if event is None else (event,)\n"
            '            if event is not None and event.type == "MODIFIED":\n'
            '                parts = (Event("DELETED", event.entry, None), Event("ADDED", event.entry, None))\n'
            "            fits = all([self.sink(part) for part in parts])",
        ),
    ),
)
AHEAD = fault(
    "a bookmark names a revision that was not told yet (kine b71c7b0, etcd #15220)",
    WINDOW,
    "return max(self._since, self._window.progress.delivered)",
    "return max(self._since, self._window.progress.delivered) + 1",
)
BEHIND = fault(
    "a bookmark stays where the watch began",
    WINDOW,
    "return max(self._since, self._window.progress.delivered)",
    "return self._since",
)
SKIPPED = fault(
    "a watch that resumes misses the first event after where it was",
    HISTORY,
    "        return found\n\n    def undone",
    "        return found[1:]\n\n    def undone",
)
STARVED = fault(
    "what does not fit a slow watcher's queue is dropped, and the watch goes on (etcd #17529)",
    WINDOW,
    "        if not fits:\n            self._window.end(self)",
    "        if not fits:\n            pass",
)
NO_PREVIOUS = fault(
    "what an object was before is taken from what it is now",
    WINDOW,
    "moment = Moment(change.revision, entry, previous, at)",
    "moment = Moment(change.revision, entry, previous and (entry or previous), at)",
)
OLD_DELETE = fault(
    "a deletion carries the object's last revision instead of its own",
    HISTORY,
    "entry = previous.at(self.revision)",
    "entry = previous",
)
BEFORE_UNSEEN = fault(
    "an object that begins to match a selector is told as MODIFIED",
    HISTORY,
    "            if previous is not None and not predicate(previous):\n                previous = None\n",
    "",
)
NO_CREATE = fault(
    "what is created is told as MODIFIED",
    HISTORY,
    '"ADDED" if previous is None else "MODIFIED"',
    '"MODIFIED"',
)
FUTURE = fault(
    "a watch from a revision in the future is told of changes before it (etcd #20221)",
    WINDOW,
    "if moment.revision <= self._since:",
    "if moment.revision < 0:",
)
GAP = fault(
    "a watch from before what is kept is given what is left, and no error (kine c1da9bf)",
    HISTORY,
    "        self.require(revision)\n        found =",
    "        found =",
)
STRICT = fault(
    "a watch from the very revision of compaction is refused",
    HISTORY,
    "if revision < self.floor:",
    "if revision <= self.floor:",
)
NO_TOMBSTONE = fault(
    "a deletion right after the revision where a watch opens is missing (etcd #19179)",
    WINDOW,
    "if change.value == UNREADABLE:",
    "if change.value is None or change.value == UNREADABLE:",
)
SILENT = fault(
    "a quiet resource's watch does not advance while others change",
    WINDOWS,
    "            self.progress.done(change.revision)",
    '            if "/things/" in change.key or "/configmaps/" in change.key:\n'
    "                self.progress.done(change.revision)",
)
ZERO = fault(
    "progress begins at nothing after a restart (kine c40fead)",
    WINDOWS,
    "        self.progress.done(revision)\n",
    "",
)
EARLY = fault(
    "what is written while the windows load is forgotten",
    WINDOWS,
    "self._deliver([change for change in early if change.revision > revision])",
    "del early",
)
ROWS = (
    Row(
        "1.watch-filter",
        "A watch is told only of what its selector and namespace let through",
        (Proof(VALIDATORS, (UNFILTERED,)), Proof(MODEL, (UNFILTERED,))),
    ),
    Row(
        "1.watch-ordered",
        "Events come in the order of their revisions, also those that were missed",
        (Proof(VALIDATORS, (REVERSED,)), Proof(MODEL, (REVERSED,))),
    ),
    Row(
        "1.watch-unique",
        "No event is told twice, also over reconnects",
        (Proof(VALIDATORS, (AGAIN,)), Proof(MODEL, (AGAIN,))),
    ),
    Row(
        "1.watch-atomic",
        "One revision is one event, never two",
        (Proof(VALIDATORS, (SPLIT,)), Proof(MODEL, (SPLIT,))),
    ),
    Row(
        "1.watch-bookmarkable",
        "After a bookmark no event at or below it comes, and progress never goes back nor below the last event",
        (Proof(VALIDATORS, (AHEAD, BEHIND)), Proof(MODEL, (AHEAD,))),
    ),
    Row(
        "1.watch-resumable",
        "The first event after a reconnect at a revision is the first real one after it",
        (Proof(VALIDATORS, (SKIPPED,)), Proof(MODEL, (SKIPPED,))),
    ),
    Row(
        "1.watch-reliable",
        "Nothing is dropped: who is too slow is cut off and resumes",
        (
            Proof(MODEL, (STARVED,)),
            Proof(UNIT + "test_a_full_or_broken_watcher_is_cut_and_told", (STARVED,)),
        ),
    ),
    Row(
        "1.watch-previous",
        "What an event says that was before is what was before",
        (Proof(MODEL, (NO_PREVIOUS,)), Proof(VALIDATORS, (OLD_DELETE,))),
    ),
    Row(
        "1.watch-is-create",
        "ADDED is told if and only if the watcher could not see the object before",
        (Proof(VALIDATORS, (BEFORE_UNSEEN, NO_CREATE)), Proof(MODEL, (BEFORE_UNSEEN, NO_CREATE))),
    ),
    Row(
        "1.watch-from-the-future",
        "A watch from a revision that has not happened is told of nothing before it",
        (Proof(UNIT + "test_a_watch_from_the_future_tells_nothing_old", (FUTURE,)),),
    ),
    Row(
        "1.watch-from-lost-history",
        "A watch from before what is kept is an error and no event; from its very edge it is complete",
        (
            Proof(UNIT + "test_forgotten_history_is_gone_not_skipped", (GAP, STRICT)),
            Proof(MODEL, (GAP, NO_TOMBSTONE)),
        ),
    ),
    Row(
        "1.watch-over-restarts",
        "A watch goes on over a restart of the server where it was, and never goes back in time",
        (
            Proof(
                "tests/integration/apiserver/test_restart.py::test_what_a_client_sees_over_a_restart", (SKIPPED, ZERO)
            ),
        ),
    ),
    Row(
        "1.windows-load",
        "What is written while a server starts is seen by who reads and watches",
        (Proof(UNIT + "test_what_is_written_while_windows_load_is_there", (EARLY,)),),
    ),
    Row(
        "1.progress-of-quiet-resources",
        "A resource that nobody changes advances with the store",
        (Proof(UNIT + "test_quiet_windows_advance_with_the_store", (SILENT,)),),
    ),
)
