"""quantity(): amounts as resources have them, compared and added exactly.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-quantity-library
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from wherry.machinery.cel import costs
from wherry.machinery.cel.errors import EvaluationError
from wherry.machinery.cel.functions import Overload, overload
from wherry.machinery.cel.operators import MAX_INT, MIN_INT
from wherry.machinery.cel.types import Opaque, Type
from wherry.machinery.quantity import amount, parse_quantity

QUANTITY_TYPE = Opaque("kubernetes.Quantity")


@dataclass(frozen=True, slots=True)
class Amount:
    """An exact number."""

    value: int | Fraction
    binary: bool = field(default=False, compare=False)
    """Whether it was written with a fraction and a binary suffix: upstream does not take such for an integer."""

    @property
    def cel_type(self) -> Type:
        """kubernetes.Quantity"""
        return QUANTITY_TYPE


def _read(text: str) -> Amount:
    if text != text.strip():
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    return Amount(amount(parse_quantity(text)), "." in text and text.endswith("i"))


def _quantity(text: str) -> Amount:
    try:
        return _read(text)
    except ValueError as error:
        raise EvaluationError(str(error)) from None


def _is_quantity(text: str) -> bool:
    try:
        _read(text)
    except ValueError:
        return False
    return True


def _is_integer(own: Amount) -> bool:
    return isinstance(own.value, int) and not own.binary and MIN_INT <= own.value <= MAX_INT


def _as_integer(own: Amount) -> int:
    if not _is_integer(own):
        raise EvaluationError("cannot convert value to integer")
    return int(own.value)


def _as_float(own: Amount) -> float:
    try:
        return float(own.value)
    except OverflowError:
        return float("inf") if own.value > 0 else float("-inf")


def _compare(own: Amount, other: Amount) -> int:
    return (own.value > other.value) - (own.value < other.value)


def _add(own: Amount, other: Amount | int) -> Amount:
    return Amount(own.value + (other.value if isinstance(other, Amount) else int(other)))


def _subtract(own: Amount, other: Amount | int) -> Amount:
    return Amount(own.value - (other.value if isinstance(other, Amount) else int(other)))


QUANTITIES: tuple[Overload, ...] = (
    overload("string_to_quantity", "quantity(string) -> kubernetes.Quantity", _quantity, costs.first),
    overload("is_quantity_string", "isQuantity(string) -> bool", _is_quantity, costs.first),
    overload("quantity_sign", "sign(kubernetes.Quantity) -> int", lambda own: (own.value > 0) - (own.value < 0)),
    overload(
        "quantity_is_greater_than",
        "[kubernetes.Quantity] isGreaterThan(kubernetes.Quantity) -> bool",
        lambda own, other: own.value > other.value,
    ),
    overload(
        "quantity_is_less_than",
        "[kubernetes.Quantity] isLessThan(kubernetes.Quantity) -> bool",
        lambda own, other: own.value < other.value,
    ),
    overload("quantity_compare_to", "[kubernetes.Quantity] compareTo(kubernetes.Quantity) -> int", _compare),
    overload("quantity_get_float", "[kubernetes.Quantity] asApproximateFloat() -> double", _as_float),
    overload("quantity_get_int", "[kubernetes.Quantity] asInteger() -> int", _as_integer),
    overload("quantity_is_integer", "[kubernetes.Quantity] isInteger() -> bool", _is_integer),
    overload("quantity_add", "[kubernetes.Quantity] add(kubernetes.Quantity) -> kubernetes.Quantity", _add),
    overload("quantity_add_int", "[kubernetes.Quantity] add(int) -> kubernetes.Quantity", _add),
    overload("quantity_sub", "[kubernetes.Quantity] sub(kubernetes.Quantity) -> kubernetes.Quantity", _subtract),
    overload("quantity_sub_int", "[kubernetes.Quantity] sub(int) -> kubernetes.Quantity", _subtract),
)
