"""Names: what passes, and upstream's words for what does not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from wherry.machinery import names


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (names.dns_label, "a-1"),
        (names.dns_subdomain, "a.b-c.1"),
        (names.dns_1035_label, "a-1"),
        (names.label_key, "example.com/My_name.x"),
        (names.label_value, ""),
        (names.port_name, "http-1"),
        (names.env_var_name, "-A.b_1"),
        (names.relaxed_env_var_name, "1 !"),
        (names.c_identifier, "_a1"),
        (names.config_map_key, ".bashrc"),
        (names.path_segment, "system:node"),
        (names.wildcard_subdomain, "*.a.b"),
        (names.percent, "10%"),
        (names.http_header_name, "X-A"),
        (names.dns_subdomain_with_underscore, "_a.b"),
    ],
)
def test_good(check: Callable[[str], list[str]], good: str) -> None:
    assert check(good) == []


SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("check", "bad", "problems"),
    [
        (names.dns_subdomain, "A", [SUBDOMAIN]),
        (names.dns_subdomain, "a\n", [SUBDOMAIN]),
        (names.dns_subdomain, "a" * 254, ["must be no more than 253 characters"]),
        (names.dns_label, "A", [LABEL]),
        (names.dns_label, "a.b", ["must not contain dots"]),
        (names.dns_label, "a" * 64, ["must be no more than 63 characters"]),
        (names.label_value, "a" * 64, ["must be no more than 63 bytes"]),
        (names.label_key, "a" * 64, ["name part must be no more than 63 bytes"]),
        (names.env_var_name, "..", ["must not be '..'"]),
        (names.relaxed_env_var_name, "", ["environment variable name must be non-empty"]),
        (names.path_segment, "a/b%", ["may not contain '/'", "may not contain '%'"]),
        (names.path_segment, ".", ["may not be '.'"]),
        (names.port_name, "1", ["must contain at least one letter (a-z)"]),
        (names.port_name, "-a--b", ["must not contain consecutive hyphens", "must not begin or end with a hyphen"]),
    ],
)
def test_bad(check: Callable[[str], list[str]], bad: str, problems: list[str]) -> None:
    assert check(bad) == problems


def test_label_key_parts() -> None:
    assert names.label_key("/a") == ["prefix part must be non-empty"]
    assert names.label_key("a/")[0] == "name part must be non-empty"
    (problem,) = names.label_key("a/b/c")
    assert problem.endswith("with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")


def test_generated_names() -> None:
    made = names.generate("web-" * 30, random.Random(1))
    assert len(made) == 63
    assert set(made[58:]) <= set(names.ALPHABET)
    assert names.generate("a-", random.Random(1)) == names.generate("a-", random.Random(1))
    assert names.prefix_as_name("web-") == "wea"
    assert names.port_number(0) == ["must be between 1 and 65535, inclusive"]
