"""The order of groups within a step."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from sncc.program.order import _first_ready


@given(st.permutations("abcdefg"), st.sets(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg"))))
def test_of_several_that_may_be_next_the_first_is(names, pairs):
    waits = {name: {other for other, waiting in pairs if waiting == name} for name in names}
    expected: list[str] = []
    while ready := [name for name in names if name not in expected and waits[name] <= set(expected)]:
        expected.append(ready[0])
    assert _first_ready(names, waits) == expected


def test_many_are_put_in_order_at_once():
    names = [str(k) for k in range(20_000)]
    waits = {name: {names[k + 1]} if k + 1 < len(names) else set() for k, name in enumerate(names)}
    began = time.process_time()
    assert _first_ready(names, waits) == names[::-1]
    assert time.process_time() - began < 2  # trying each for the next place takes minutes
