"""Answers that are no Status, in the words of upstream's clients."""

from __future__ import annotations

import pytest

from wherry.machinery.errors import without_status

ASKED = "get pods.metrics.k8s.io web"


@pytest.mark.parametrize(
    ("code", "said", "asked", "message"),
    [
        (503, "service unavailable", ASKED, f"the server is currently unable to handle the request ({ASKED})"),
        (503, "", "", "the server is currently unable to handle the request"),
        (404, "404 page not found", ASKED, f"the server could not find the requested resource ({ASKED})"),
        (403, "not you", ASKED, f"not you ({ASKED})"),
        (500, 'a "bug"', ASKED,
         f'an error on the server ("a \\"bug\\"") has prevented the request from succeeding ({ASKED})'),
        (502, "", "", 'an error on the server ("unknown") has prevented the request from succeeding'),
        (302, "", "", "the server responded with the status code 302 but did not return more information"),
    ],
)  # fmt: skip
def test_what_is_said_of_an_answer_that_says_nothing(code: int, said: str, asked: str, message: str) -> None:
    error = without_status(code, said, asked)
    assert str(error) == message
    assert error.code == (code if code in (403, 404, 503) else 500)
    assert error.causes[0][:2] == ("UnexpectedServerResponse", said or "unknown")
