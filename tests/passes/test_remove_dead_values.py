"""What the reverse phase recomputes from less is not computed on the way forward."""

from __future__ import annotations

from networks import model_of, program_of, recurrent

from sncc.gradients.reverse import differentiate
from sncc.lower.phases import lower
from sncc.passes.remove_dead_values import remove_dead_values
from sncc.program.operation_printer import print_operation
from sncc.program.operations import Update


def forward_of(program) -> str:
    return "\n".join(print_operation(next(o for o in program.forward if isinstance(o, Update)), program))


def test_a_surrogate_that_nothing_keeps_is_dropped():
    model = model_of(recurrent("LIF", learn="weights, hidden.theta, hidden.tau_m"))
    before = lower(model)  # the forward phase alone: nothing loads the surrogate
    after = remove_dead_values(before)
    assert "surrogate :=" in forward_of(before) and "surrogate :=" not in forward_of(after)
    kept = remove_dead_values(differentiate(before, model.training))
    assert ("surrogate :=" in forward_of(kept)) == ("surrogate[n] :=" in forward_of(kept))


def test_every_statement_of_a_compiled_network_is_used():
    for neuron in ("ALIF", "Izhikevich", "CubaLIF"):
        program = program_of(recurrent(neuron, learn="weights, hidden.bias"))
        assert remove_dead_values(program) == program
