"""Numbers for Services: never the same twice, the asked-for part kept free, given back."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.apiserver.allocators import Full, Numbers, OutOfRange, Range, Taken


@given(st.integers(1, 40), st.integers(0, 10), st.integers())
def test_all_numbers_are_handed_out_once(size: int, lower: int, seed: int) -> None:
    numbers = Numbers(Range(100, 99 + size, min(lower, size)))
    source = random.Random(seed)
    got = [numbers.next(f"o{n}", source) for n in range(size)]
    assert sorted(got) == list(range(100, 100 + size))
    assert all(n >= 100 + min(lower, size) for n in got[: size - min(lower, size)])
    with pytest.raises(Full):
        numbers.next("more", source)
    numbers.release(got[0], "somebody else")
    with pytest.raises(Full):
        numbers.next("more", source)
    numbers.release(got[0], "o0")
    assert numbers.next("more", source) == got[0]


def test_a_certain_number() -> None:
    numbers = Numbers(Range(1, 9, 2))
    numbers.take(5, "a")
    numbers.take(5, "a")
    with pytest.raises(Taken):
        numbers.take(5, "b")
    with pytest.raises(OutOfRange):
        numbers.take(10, "b")
