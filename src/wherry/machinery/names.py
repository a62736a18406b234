"""Names: what may be called how. Each check returns the problems in upstream's words; none: an empty list.

https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
Lengths are of the UTF-8 bytes. `generate` makes the name that a generateName asks for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_UNDERSCORE: Final = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_UNDERSCORE: Final = rf"{_LABEL_UNDERSCORE}(\.{_LABEL_UNDERSCORE})*"
_WILDCARD: Final = rf"\*\.{_SUBDOMAIN}"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = f"({_KEY})?"
_C_IDENTIFIER: Final = "[A-Za-z_][A-Za-z0-9_]*"
_ENV_NAME: Final = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
_HEADER: Final = "[-A-Za-z0-9]+"
_PERCENT: Final = "[0-9]+%"
_HTTP_PATH: Final = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"

_ENDS: Final = "and must start and end with an alphanumeric character"
_KEY_RULE: Final = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"


class _Shape:
    """A regular expression with the sentence that explains it; the sentence is only built when something is wrong."""

    def __init__(self, pattern: str, rule: str, *examples: str) -> None:
        self._fits = re.compile(pattern, re.ASCII).fullmatch
        shown = "  or ".join(f"'{example}'," for example in examples)
        self.problem = f"{rule} (e.g. {shown} regex used for validation is '{pattern}')" if examples else (
            f"{rule} (regex used for validation is '{pattern}')"
        )  # fmt: skip

    def fits(self, value: str) -> bool:
        return self._fits(value) is not None

    def check(self, value: str) -> list[str]:
        return [] if self._fits(value) else [self.problem]


_dns_label = _Shape(
    _LABEL,
    f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}",
    "my-name", "123-abc",
)  # fmt: skip
_dns_subdomain = _Shape(
    _SUBDOMAIN,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}",
    "example.com",
)
_dns_subdomain_underscore = _Shape(
    _SUBDOMAIN_UNDERSCORE,
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ENDS}",
    "example.com",
)
_wildcard = _Shape(
    _WILDCARD,
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    "*.example.com",
)
_dns_1035_label = _Shape(
    _LABEL_1035,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character",
    "my-name", "abc-123",
)  # fmt: skip
_key = _Shape(_KEY, _KEY_RULE, "MyName", "my.name", "123-abc")
_value = _Shape(
    _VALUE,
    f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}",
    "MyValue", "my_value", "12345",
)  # fmt: skip
_c_identifier = _Shape(
    _C_IDENTIFIER,
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'",
    "my_name", "MY_NAME", "MyName",
)  # fmt: skip
_env_name = _Shape(
    _ENV_NAME,
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit",
    "my.env-name", "MY_ENV.NAME", "MyEnvName1",
)  # fmt: skip
_config_key = _Shape(
    _CONFIG_KEY,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "key.name", "KEY_NAME", "key-name",
)  # fmt: skip
_header = _Shape(_HEADER, "a valid HTTP header must consist of alphanumeric characters or '-'", "X-Header-Name")
_percent = _Shape(_PERCENT, "a valid percent string must be a numeric string followed by an ending '%'", "1%", "93%")
_http_path = _Shape(_HTTP_PATH, "Invalid path")


def _length(value: str, limit: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {limit} {unit}"] if len(value.encode()) > limit else []


def dns_label(value: str) -> list[str]:
    """RFC 1123 label: container names, namespaces."""
    problems = _length(value, 63)
    if _dns_label.fits(value):
        return problems
    return [*problems, "must not contain dots" if _dns_subdomain.fits(value) else _dns_label.problem]


def dns_subdomain(value: str) -> list[str]:
    """RFC 1123 subdomain: most object names."""
    return _length(value, 253) + _dns_subdomain.check(value)


def dns_subdomain_with_underscore(value: str) -> list[str]:
    """RFC 1123 subdomain that may have underscores: search domains of pods."""
    return _length(value, 253) + _dns_subdomain_underscore.check(value)


def wildcard_subdomain(value: str) -> list[str]:
    """`*.example.com`: hosts of ingresses."""
    return _length(value, 253) + _wildcard.check(value)


def dns_1035_label(value: str) -> list[str]:
    """RFC 1035 label (starts with a letter)."""
    return _length(value, 63) + _dns_1035_label.check(value)


def label_key(value: str) -> list[str]:
    """Key of a label, annotation or taint, any qualified name: `[prefix/]name`."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return [f"a valid label key {_key.problem} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')"]  # fmt: skip
    problems: list[str] = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {p}" for p in _length(prefix, 253, "bytes") + _dns_subdomain.check(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {p}" for p in _length(name, 63, "bytes") + _key.check(name)]
    return problems


qualified_name = label_key


def label_value(value: str) -> list[str]:
    """Value of a label; may be empty."""
    return _length(value, 63, "bytes") + _value.check(value)


def c_identifier(value: str) -> list[str]:
    """C identifier."""
    return _c_identifier.check(value)


def port_name(value: str) -> list[str]:
    """IANA service name, as containers name their ports."""
    problems = _length(value, 15)
    if not re.fullmatch("[-a-z0-9]+", value, re.ASCII):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def port_number(value: int) -> list[str]:
    """1..65535."""
    return in_range(value, 1, 65535)


def in_range(value: int, low: int, high: int) -> list[str]:
    """low..high, both included."""
    return [] if low <= value <= high else [f"must be between {low} and {high}, inclusive"]


def user_or_group_id(value: int) -> list[str]:
    """0..2**31-1."""
    return in_range(value, 0, 2**31 - 1)


def env_var_name(value: str) -> list[str]:
    """Name of an environment variable, the strict rule."""
    return _env_name.check(value) + _parent_folder(value)


def relaxed_env_var_name(value: str) -> list[str]:
    """Name of an environment variable: any printable ASCII but "="."""
    problems = [] if value else ["environment variable name must be non-empty"]
    if not all(" " <= character <= "~" and character != "=" for character in value):
        problems.append(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
        )
    return problems


def config_map_key(value: str) -> list[str]:
    """Key of a ConfigMap or Secret."""
    return _length(value, 253) + _config_key.check(value) + _parent_folder(value)


def http_header_name(value: str) -> list[str]:
    """Name of an HTTP header in a probe."""
    return _header.check(value)


def http_path(value: str) -> list[str]:
    """Path part of a domain-prefixed path."""
    return _http_path.check(value)


def percent(value: str) -> list[str]:
    """`25%`."""
    return _percent.check(value)


def path_segment(value: str) -> list[str]:
    """Anything that can stand in a URL path: names of RBAC objects."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return path_segment_prefix(value)


def path_segment_prefix(value: str) -> list[str]:
    """The beginning of a path segment."""
    return [f"may not contain '{part}'" for part in ("/", "%") if part in value]


def _parent_folder(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def prefix_as_name(prefix: str) -> str:
    """A generateName as the name to check in its place: a trailing dash is fine in it."""
    return f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix


class Random(Protocol):
    """What `random.Random` and `random.SystemRandom` have."""

    def choice(self, seq: Sequence[str], /) -> str:
        """One of them."""
        ...


ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of random suffixes: none can be mistaken, none makes words."""

_MAX_BASE: Final = 58


def generate(prefix: str, random: Random) -> str:
    """`prefix`, cut to 58 characters, and five random ones."""
    return prefix[:_MAX_BASE] + suffix(random, 5)


def suffix(random: Random, length: int) -> str:
    """`length` random letters of `ALPHABET`."""
    return "".join(random.choice(ALPHABET) for _ in range(length))
