"""The report: passed only when nothing failed, enough was asked and all clients were answered."""

from __future__ import annotations

from tests.disruption import report
from tests.disruption.report import Result
from tests.disruption.tally import Failure, Row, Tally

A, B = Row("new connection", "Service"), Row("WebSocket", "Ingress")
FAILURE = Failure(1_795_665_600.25, "rolling update", "new connection", "Service", "10.96.0.7:80", "Late: nothing", 5.0)


def tally(answers: int = 10) -> Tally:
    made = Tally()
    for number in range(answers):
        made.during = "rolling update" if number > 5 else "agent killed"
        made.answered(A, number * 0.5, 0.012, again=number == 7)
        made.answered(B, number * 0.1, 0.003)
    return made


def test_a_good_run_passes() -> None:
    text = report.text(Result(tally(), 10.0), 20)
    lines = text.splitlines()
    assert text.endswith("passed\n")
    assert lines[0].split() == (
        ["client", "way", "requests", "failed", "asked", "again", "stale", "cut", "longest", "gap", "slowest"]
    )
    assert "new connection  Service        10       0            1      0    0       500 ms    12 ms" in lines
    assert "longest gap: 500 ms, new connection by Service, during agent killed" in lines
    assert "20 requests in 0.2 minutes (2/s), 0 failed" in lines
    (rolling,) = [line for line in lines if line.startswith("rolling update")]
    assert rolling.endswith("500 ms    12 ms  new connection, Service")


def test_one_failure_fails_the_run_and_says_what_when_where_and_during_what() -> None:
    made = tally()
    made.failed(A, FAILURE)
    text = report.text(Result(made, 10.0), 20)
    assert "FAILED: 1 requests failed" in text
    assert (
        "1. 04:00:00.250 new connection by Service to 10.96.0.7:80, after 5.000 s, during rolling update: "
        "Late: nothing\n"
    ) in text


def test_a_run_with_too_few_requests_fails() -> None:
    assert report.problems(Result(tally(), 10.0), 21) == ["only 20 of 21 requests were made"]


def test_a_client_that_was_never_answered_fails_the_run() -> None:
    made = tally()
    made.cut(Row("UDP DNS", "Service"))
    assert report.problems(Result(made, 10.0), 20) == ["nothing was answered: UDP DNS by Service"]


def test_only_the_first_failures_are_printed() -> None:
    made = tally()
    for _ in range(report.SHOWN + 5):
        made.failed(A, FAILURE)
    assert report.text(Result(made, 10.0), 20).count("Late: nothing") == report.SHOWN


def test_a_disturbance_that_does_not_end_well_fails_the_run() -> None:
    result = Result(tally(), 10.0, "agent killed on n1: it has not come back within 30 s")
    assert report.problems(result, 20) == [result.trouble]
    assert report.text(result, 20).endswith(f"FAILED: {result.trouble}\n")
