"""Which versions work beside each other, and what the parts say they are."""

import pytest

from wherry.app import version


@pytest.mark.parametrize(
    ("before", "after", "far"),
    [
        ("0.1.0", "0.1.0", False),
        ("0.1.7", "0.2.0", False),
        ("0.2.0", "0.1.9", False),
        ("0.1.0", "0.3.0", True),
        ("0.3.0", "0.1.0", True),
        ("0.9.0", "1.0.0", True),
        ("1.9.0", "1.10.0.dev3", False),
        ("", "0.5.0", False),
        ("unknown", "0.5.0", False),
    ],
)
def test_one_minor_version_at_a_time(before: str, after: str, far: bool) -> None:
    assert version.too_far(before, after) is far


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [("0.10.0", "0.9.9", True), ("0.9.9", "0.10.0", False), ("0.2.0", "0.2", False), ("x", "0.1.0", False)],
)
def test_versions_are_compared_as_numbers(one: str, other: str, later: bool) -> None:
    assert version.newer(one, other) is later


def test_what_a_part_says_it_is_names_our_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version.of_report(version.reported()) == version.wherry()
    assert version.reported().startswith(version.KUBERNETES)
    monkeypatch.setattr(version, "wherry", lambda: "0.2.0.dev1+g12_3")
    assert version.reported() == f"{version.KUBERNETES}+wherry-0.2.0.dev1.g12.3"
    assert version.of_report("v1.37.2+wherry") == ""
