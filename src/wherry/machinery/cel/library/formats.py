"""format.<name>() and validate(): what is wrong with a name, as the API server would say it.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.machinery import names
from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.library.urls import parse_url
from wherry.machinery.cel.operators import size_of
from wherry.machinery.cel.times import parse_date
from wherry.machinery.cel.types import Opaque, Type
from wherry.machinery.cel.values import NONE, Optional, some

FORMAT_TYPE = Opaque("kubernetes.NamedFormat")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_DATETIME = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[tT ]"
    r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([zZ]|[+-]\d\d:?\d\d)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Format:
    """A named format. `weight`: how long upstream takes its pattern to be, for costs."""

    name: str
    check: Callable[[str], list[str]]
    weight: int

    @property
    def cel_type(self) -> Type:
        """kubernetes.NamedFormat"""
        return FORMAT_TYPE


def _prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    return lambda text: check(f"{text[:-1]}a" if len(text) > 1 and text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    try:
        parse_url(text)
    except ValueError as error:
        return [str(error)]
    return []


def _when(valid: Callable[[str], bool], why: str) -> Callable[[str], list[str]]:
    return lambda text: [] if valid(text) else [why]


def _base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _date(text: str) -> bool:
    try:
        parse_date(text)
    except EvaluationError:
        return False
    return True


FORMATS = {
    name: Format(name, check, weight)
    for name, check, weight in (
        ("dns1123Label", names.dns_label, 30),
        ("dns1123Subdomain", names.dns_subdomain, 60),
        ("dns1035Label", names.dns_1035_label, 30),
        ("qualifiedName", names.label_key, 60),
        ("dns1123LabelPrefix", _prefix(names.dns_label), 30),
        ("dns1123SubdomainPrefix", _prefix(names.dns_subdomain), 60),
        ("dns1035LabelPrefix", _prefix(names.dns_1035_label), 30),
        ("labelValue", names.label_value, 40),
        ("uri", _uri, 1103),
        ("uuid", _when(lambda text: bool(_UUID.fullmatch(text)), "does not match the UUID format"), 71),
        ("byte", _when(_base64, "invalid base64"), 84),
        ("date", _when(_date, "invalid date"), 69),
        ("datetime", _when(lambda text: bool(_DATETIME.fullmatch(text)), "invalid datetime"), 69),
    )
}


def _named(name: str) -> Optional:
    found = FORMATS.get(name)
    return NONE if found is None else some(found)


def _validate(own: Format, text: str) -> Optional:
    problems = own.check(text)
    return some(problems) if problems else NONE


def _matched(args: Sequence[Any], _: Any) -> int:
    weight: int = -(-args[0].weight // 4)
    return costs.traversed(1 + size_of(args[1])) * weight


def _constant(own: Format) -> Callable[[], Format]:
    return lambda: own


NAMED_FORMATS: tuple[Overload, ...] = (
    *(
        overload(f"format.{own.name}", f"format.{own.name}() -> kubernetes.NamedFormat", _constant(own))
        for own in FORMATS.values()
    ),
    overload("format-named", "format.named(string) -> optional(kubernetes.NamedFormat)", _named),
    overload(
        "format-validate", "[kubernetes.NamedFormat] validate(string) -> optional(list(string))", _validate, _matched
    ),
)
