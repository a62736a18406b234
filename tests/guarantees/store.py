"""Section 1, the store: etcd's robustness tests, SQLite's practice, and kine's bugs, as far as one store can have them.

https://github.com/etcd-io/etcd/tree/main/tests/robustness  https://github.com/k3s-io/kine
"""

from __future__ import annotations

from tests.guarantees.row import Edit, Fault, Proof, Row, fault

SQLITE = "store/sqlite.py"
DATABASE = "store/database.py"
WINDOW = "store/window.py"
LIST = "apiserver/verbs/list.py"
LOG = "tests/contracts/store/test_log.py::"
FILE = "tests/contracts/store/test_sqlite.py::"
CUT = "tests/integration/test_power_cut.py::"
DISK = "tests/integration/test_disk_errors.py::"
UNIT = "tests/unit/store/test_window.py::"
MATRIX = "tests/integration/apiserver/test_revision_matrix.py::"
POSTED = "        if rows:\n            database.commit(rows)\n        self._post(changes, outcomes)"

NORMAL = fault(
    "synchronous is NORMAL, as the field has it", DATABASE, 'db.pragma("synchronous", synchronous)',
    'db.pragma("synchronous", "NORMAL")',
)  # fmt: skip
ANSWERED_FIRST = fault(
    "a write is acknowledged before it is committed (etcd #14370)",
    SQLITE,
    POSTED,
    "        self._post(changes, outcomes)\n        if rows:\n            database.commit(rows)",
)
RETRIED = fault(
    "after a failed sync the handle is used again (USENIX ATC 2020)",
    SQLITE,
    '                self._failed = f"the store failed and must be opened again: {error}"\n',
    "                self._refuse(jobs)\n                return\n",
)
LEFT_WAL = fault("a WAL that was left behind is trusted to be on the disk", DATABASE, "        copy.replace(wal)\n", "")
REVISION_BACK = fault(
    "the revision counts only what is left after compaction (etcd #17780)",
    DATABASE,
    "self.revision = self.compacted\n        positions",
    "self.revision = 0\n        positions",
)
UNSWEPT = fault(
    "a compaction that was interrupted is taken for finished",
    DATABASE,
    'self._swept: int = meta["swept"]',
    'self._swept: int = meta["compacted"]',
)
TOMBSTONE = fault(
    "compacting on a deletion drops the next one too (etcd #18089)",
    DATABASE,
    '"DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND value IS NULL"',
    '"DELETE FROM log WHERE revision > ?1 AND revision <= ?2 + 4 AND value IS NULL"',
)
DROPPED_VALUE = fault(
    "compaction drops a value that still stands (kine 41dd99b)",
    DATABASE,
    '"DELETE FROM log WHERE revision > ?1 AND revision <= ?2 AND value IS NULL"',
    '"DELETE FROM log WHERE revision > ?1 AND revision <= ?2"',
)
OLD_KEYS = fault(
    "a restart forgets live keys that are older than the compaction (kine #311)",
    DATABASE,
    "value IS NULL FROM log ORDER BY revision",
    "value IS NULL FROM log WHERE revision > (SELECT value FROM meta WHERE name = 'compacted') ORDER BY revision",
)
UNNOTED = Fault(
    "that history is gone is noted only when the store is closed (a crash before it)",
    (
        Edit(
            DATABASE,
            "            self._db.execute(\"UPDATE meta SET value = ? WHERE name = 'compacted'\", (target,))\n",
            "",
        ),
        Edit(
            DATABASE,
            "                if clean:\n",
            "                if clean:\n"
            "                    mark = \"UPDATE meta SET value = ? WHERE name = 'compacted'\"\n"
            "                    db.execute(mark, (self.compacted,))\n",
        ),
    ),
)
ANY_REVISION = fault(
    "an update is accepted at any revision (kine 874fa16)",
    SQLITE,
    "(job.expected is not None and job.expected != current) or ",
    "",
)
ZERO_UNCHECKED = fault(
    "expected revision 0 is not checked (kine b190005)",
    SQLITE,
    "(job.expected is not None and job.expected != current) or ",
    "(job.expected and job.expected != current) or ",
)
EARLY_ANSWER = fault(
    "a writer is woken before its revision is published: a bogus future revision (kine 0ec37c6)",
    SQLITE,
    "        self._post(changes, outcomes)\n        database.checkpoint",
    "        self._post((), outcomes)\n"
    "        self._loop.call_soon_threadsafe(self._loop.call_later, 0.002, self._publish, changes, ())\n"
    "        database.checkpoint",
)
DISORDER = fault(
    "changes of one commit are published out of order (kine #676)",
    SQLITE,
    "        self._post(changes, outcomes)\n        database.checkpoint",
    "        self._post(changes[::-1], outcomes)\n        database.checkpoint",
)
GAP_FILL = Fault(
    "rows that only fill up a statement are written too (kine e0ae664)",
    (
        Edit(DATABASE, " WHERE column1 IS NOT NULL", ""),
        Edit(DATABASE, "_NO_ROW = (None, None, None, None, None)", '_NO_ROW = (None, "/fill", None, 0, 0)'),
    ),
)
PREFIX_GET = fault(
    "a GET finds the first key with that beginning (kine 2ce089a)",
    WINDOW,
    "        return self._live.get(key)\n",
    "        return next((entry for name, entry in self._live.items() if name.startswith(key)), None)\n",
)
REQUESTED_HEADER = fault(
    "a list's revision is the requested one, not its own (kine 60bd963)",
    LIST,
    '        return Listed(_whole(window, namespace, selection), "")',
    "        page = _whole(window, namespace, selection)\n"
    '        return Listed(Page(page.items, revision or page.revision), "")',
)
TOKEN_OFF = fault(
    "a page begins with the last item of the one before (kine 135886d)",
    WINDOW,
    "low = bisect_right(self._keys, start_after)",
    "low = bisect_left(self._keys, start_after)",
)
NO_MORE = fault(
    "a page never says that there is more (kine e4469f1)",
    WINDOW,
    "return Page(items, revision, more=True, remaining=remaining)",
    "return Page(items, revision, more=False, remaining=remaining)",
)
REMAINING = fault(
    "remainingItemCount is off by one (kine ab4df41)",
    WINDOW,
    "remaining = 1 + sum(1 for _ in entries)",
    "remaining = sum(1 for _ in entries)",
)
TWO_OWNERS = fault(
    "a second process may open the store", DATABASE, "fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass"
)
OLD_SQLITE = fault(
    "an SQLite with the WAL-reset bug is taken",
    DATABASE,
    'if tuple(map(int, apsw.sqlite_lib_version().split("."))) < _OLDEST_SQLITE:',
    "if False:",
)
ALL_503 = fault(
    "a write whose outcome is unknown is answered as one that did not happen",
    "apiserver/api.py",
    "if isinstance(error, OutcomeUnknown):",
    "if False:",
)
SERVES_ON = fault(
    "a server whose store has failed goes on serving",
    "app/server.py",
    "        except Unavailable as error:\n            return str(error)",
    "        except Unavailable:\n            pass",
)

FORGETFUL = fault(
    "a server that starts does not know the newest writes",
    DATABASE,
    "value IS NULL FROM log ORDER BY revision",
    "value IS NULL FROM log WHERE revision < (SELECT max(revision) FROM log) ORDER BY revision",
)
WITHOUT_WAL = fault(
    "the store is copied without its write-ahead log",
    DATABASE,
    '            with target.backup("main", self._db, "main") as job:\n',
    "            target.close()\n            to.write_bytes(Path(self._db.filename).read_bytes())\n            return\n"
    '            with target.backup("main", self._db, "main") as job:\n',
)

ROWS = (
    Row(
        "0.acknowledged-writes-survive",
        "An acknowledged write survives the loss of power, torn and lost sectors included",
        (
            Proof(CUT + "test_power_cuts_lose_nothing_that_was_acknowledged", (NORMAL, ANSWERED_FIRST)),
            Proof(
                CUT + "test_the_cuts_do_bite",
                (
                    fault(
                        "what the tests cut is synced anyway: the cuts prove nothing",
                        DATABASE,
                        'db.pragma("synchronous", synchronous)',
                        'db.pragma("synchronous", "FULL")',
                    ),
                ),
            ),
        ),
        longer="1,000 cuts: WHERRY_CUTS=1000 (`make test` makes 100)",
    ),
    Row(
        "0.no-stale-read",
        "After a restart no list, watch or read is older than what was answered before it",
        (
            Proof("tests/integration/apiserver/test_restart.py::test_what_a_client_sees_over_a_restart", (FORGETFUL,)),
            Proof(CUT + "test_kill_9_loses_nothing_that_was_acknowledged", (FORGETFUL,)),
        ),
    ),
    Row(
        "0.backup",
        "A backup restores on a bare host, and is tried on schedule; revisions are never given twice after it",
        missing="all of it: there is a copy of the store before an upgrade, and no backup yet",
    ),
    Row(
        "1.copies",
        "A copy of the store is whole, with what its write-ahead log holds",
        (Proof(FILE + "test_a_copy_has_what_the_write_ahead_log_has", (WITHOUT_WAL,)),),
    ),
    Row(
        "1.kill-9",
        "A server that is killed loses nothing that it acknowledged, and its file is whole",
        (Proof(CUT + "test_kill_9_loses_nothing_that_was_acknowledged", (ANSWERED_FIRST,)),),
    ),
    Row(
        "1.failed-sync",
        "After a failed sync nothing is tried again on the same handle; opening anew loses nothing",
        (
            Proof(CUT + "test_after_a_failed_sync_the_handle_is_dead", (RETRIED,)),
            Proof(FILE + "test_a_write_ahead_log_that_was_left_is_written_anew", (LEFT_WAL,)),
        ),
    ),
    Row(
        "1.failed-write",
        "Whichever write of the disk fails, and when the disk is full: nothing acknowledged is lost, the file is whole",
        (
            Proof(
                DISK + "test_whichever_write_fails_the_handle_is_dead_and_nothing_is_lost", (RETRIED, ANSWERED_FIRST)
            ),
            Proof(DISK + "test_a_full_disk_is_said_to_be_full_and_nothing_is_lost", (RETRIED, ANSWERED_FIRST)),
        ),
    ),
    Row(
        "1.unknown-outcome",
        "A client is told when it is not known whether its write happened (500), and when it did not (503); the server "
        "ends, and the next one has everything that was acknowledged",
        (
            Proof(DISK + "test_a_client_is_told_when_the_outcome_is_unknown", (ALL_503, RETRIED)),
            Proof(
                "tests/integration/app/test_store_fails.py::"
                "test_a_server_whose_store_failed_ends_and_starts_anew_with_everything",
                (ALL_503, SERVES_ON),
            ),
        ),
    ),
    Row(
        "1.sqlite-version",
        "An SQLite that can corrupt a write-ahead log (before 3.51.3) is refused",
        (Proof(DISK + "test_an_old_sqlite_is_refused", (OLD_SQLITE,)),),
    ),
    Row(
        "1.revision-never-goes-back",
        "The revision never goes back, not even with nothing left",
        (Proof(FILE + "test_the_revision_never_goes_back_even_with_nothing_left", (REVISION_BACK,)),),
    ),
    Row(
        "1.compaction-forgets-history-alone",
        "Compaction drops no live value and no deletion that is still history",
        (
            Proof(LOG + "test_compaction_forgets_history_and_nothing_else", (TOMBSTONE, DROPPED_VALUE)),
            Proof(FILE + "test_live_keys_older_than_compaction_survive_restarts", (OLD_KEYS,)),
            Proof(FILE + "test_an_interrupted_sweep_is_finished_later", (UNSWEPT,)),
            Proof(CUT + "test_power_cuts_lose_nothing_that_was_acknowledged", (UNNOTED,)),
        ),
    ),
    Row(
        "1.compare-and-swap",
        "A write is made only at the revision that its writer expects, 0 included; of racing ones one wins",
        (
            Proof(LOG + "test_a_wrong_expectation_writes_nothing", (ANY_REVISION, ZERO_UNCHECKED)),
            Proof(LOG + "test_of_racing_compare_and_swaps_one_wins", (ANY_REVISION,)),
        ),
    ),
    Row(
        "1.one-order",
        "Many writers get one order: revisions are given, committed and published in it, and a writer's own is visible",
        (
            Proof(LOG + "test_sixty_four_writers_get_one_order", (EARLY_ANSWER, DISORDER)),
            Proof(LOG + "test_as_many_writes_are_made_as_were_asked_for", (GAP_FILL,)),
        ),
    ),
    Row(
        "1.exact-keys",
        "A key is that key, not whatever begins like it",
        (Proof(UNIT + "test_a_key_is_not_what_begins_like_it", (PREFIX_GET,)),),
    ),
    Row(
        "1.list-revision",
        "A list says the revision at which it is true",
        (Proof(MATRIX + "test_lists", (REQUESTED_HEADER,)),),
    ),
    Row(
        "1.pages",
        "Pages miss nothing, repeat nothing, and say whether and how much there is more",
        (Proof(UNIT + "test_lists_are_sorted_filtered_and_paged", (TOKEN_OFF, NO_MORE, REMAINING)),),
    ),
    Row(
        "1.one-process",
        "Two processes never have one store open",
        (Proof(FILE + "test_a_second_opening_is_refused_until_the_first_is_closed", (TWO_OWNERS,)),),
    ),
)
