"""Section 1, over failures: what many clients were answered, and many watchers told, while the server is killed with -9
and its disk fails, is explained by one order (tests/integration/app/test_histories.py).

https://github.com/etcd-io/etcd/tree/main/tests/robustness  https://jepsen.io/analyses/etcd-3.4.3
"""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault
from tests.guarantees.store import (
    ALL_503,
    ANSWERED_FIRST,
    ANY_REVISION,
    DISORDER,
    FORGETFUL,
    TOKEN_OFF,
)
from tests.guarantees.watches import AGAIN, AHEAD, BEFORE_UNSEEN, OLD_DELETE, REVERSED, SKIPPED, SPLIT, UNFILTERED

HISTORIES = "tests/integration/app/test_histories.py::test_one_order_explains_every_answer"
WINDOW = "store/window.py"
LONGER = "a hundred stories: `make histories` (`make test` has one)"

BEHIND_AGAIN = fault(
    "a list says an earlier revision than it said before a restart (etcd #17780)",
    "store/windows.py",
    "        self.progress.revision = revision\n        self.progress.done(revision)\n",
    "        self.progress.revision = revision - 2\n        self.progress.done(revision)\n",
)
PRESENT_PAGE = fault(
    "a later page shows the present and not what the first one's moment was (etcd #15271)",
    WINDOW,
    "undone = self._history.undone(revision) if revision < self.revision else {}",
    "undone = {}",
)
ROWS = (
    Row(
        "1.strict-serialisable",
        "What clients are answered over kill -9, failing disks and pauses is strictly serialisable: one order of all "
        "calls explains every answer, agrees with what followed what in real time, and is the persisted one",
        (
            Proof(
                HISTORIES,
                (
                    ANSWERED_FIRST,
                    FORGETFUL,
                    ANY_REVISION,
                    ALL_503,
                    BEHIND_AGAIN,
                    PRESENT_PAGE,
                    TOKEN_OFF,
                ),
            ),
        ),
        missing="clock skew and partitions: one store has one process",
        longer=LONGER,
    ),
    Row(
        "1.watches-over-failures",
        "Watchers are told exactly what was persisted, over kill -9 and failing disks too: all nine validators",
        (Proof(HISTORIES, (SKIPPED, AGAIN, REVERSED, SPLIT, AHEAD, DISORDER, OLD_DELETE, UNFILTERED, BEFORE_UNSEEN)),),
        longer=LONGER,
    ),
)
