"""Numbers known at compile time are put in, and what follows from them is computed."""

from __future__ import annotations

from networks import model_of, recurrent

from sncc.lower.phases import lower
from sncc.passes.constant_folding import constant_folding
from sncc.program.operation_printer import print_operation
from sncc.program.operations import Update

LEAKY = """
neuron Leaky:
    param tau = 20 ms
    param rest = 0.5
    state v = 0
    input I
    dv/dt = (rest - v) / tau + I
    spike when v > 1:
        reset v = 0
    surrogate triangle(width = 1, height = 0.3)
"""


def update_of(program) -> str:
    return "\n".join(print_operation(next(o for o in program.forward if isinstance(o, Update)), program))


def test_a_propagator_becomes_a_number():
    before = lower(model_of(recurrent("Leaky", LEAKY)))
    after = constant_folding(before)
    assert "v.1 := P.v.v * v + K.v + I!" in update_of(before)
    assert "v.1 := 0.951229424500714 * v + 0.02438528774964" in update_of(after)
    assert before.groups[0].arrays != () and after.groups[0].arrays == ()
    assert [d.group for d in after.derive] == ["g1"]  # the readout's bias is stored, so its coefficient stays


def test_what_depends_on_a_stored_number_stays_a_symbol():
    text = recurrent("Leaky", LEAKY, learn="weights, hidden.tau")
    after = constant_folding(lower(model_of(text)))
    assert "v.1 := P.v.v * v + K.v + I!" in update_of(after)
    assert set(after.groups[0].arrays) == {"P.v.v", "K.v"}
