"""States that nobody declared are gone where nothing reads them; the user's stay."""

from __future__ import annotations

from blocks import changed, plasticity
from networks import model_of

from sncc.lower.phases import lower
from sncc.passes.remove_dead_states import remove_dead_states
from sncc.program.verify import verify

TEXT = """
network Tested:
    step = 1 ms
    population x: input[4]
    population y: LIF[2]
    connect x -> y: dense, weight = 1
"""


def rule(on_pre: str, on_post: str):
    return plasticity(
        {"tau": 20}, {"x": 0}, {"y": 0}, {}, {"x": "-x / tau", "y": "-y / tau"}, on_pre, on_post
    )  # fmt: skip


def states(on_pre: str, on_post: str) -> list[tuple[str, ...]]:
    program = lower(changed(model_of(TEXT), "x_y", plasticity=rule(on_pre, on_post)))
    return [group.states for group in verify(remove_dead_states(program)).groups]


def test_a_value_from_before_the_jump_stays_only_where_it_is_read():
    assert states("x += 1; weight -= y", "y += 1; weight += x") == [("v",), ("x",), ("y",)]
    assert states("weight -= y * x; x += 1", "y += 1; weight += x") == [("v",), ("x", "x.before"), ("y",)]


def test_traces_that_read_each_other_alone_are_gone():
    assert states("x += 1; weight += 1", "y += y + 1") == [("v",)]
