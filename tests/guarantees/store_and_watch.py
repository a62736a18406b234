"""Section 0, as far as the store and the API keep it, and section 1: the store and watches."""

from __future__ import annotations

from tests.guarantees.row import Proof, Row, fault

ROWS = (
    Row(
        "1.compare-and-swap",
        "A write is made only at the revision that its writer expects",
        (
            Proof(
                "tests/contracts/store/test_log.py::test_a_wrong_expectation_writes_nothing",
                (
                    fault(
                        "an update is accepted at any revision (kine 874fa16)",
                        "store/sqlite.py",
                        "(job.expected is not None and job.expected != current) or ",
                        "",
                    ),
                ),
            ),
        ),
    ),
)
