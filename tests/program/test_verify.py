"""The verifier refuses Programs that read before they write, loop without delay, or have two gradients of a weight."""

from __future__ import annotations

from dataclasses import replace

import pytest
from networks import program_of, recurrent
from sparse_synapses import text_of

from sncc.expressions.nodes import Symbol
from sncc.program.learning import Gather
from sncc.program.operations import Deliver, Update
from sncc.program.statements import Assign
from sncc.program.verify import InvalidProgram, verify


def test_what_the_compiler_makes_is_sound():
    for rule in ("eprop", "bptt"):
        program = program_of(recurrent("ALIF"), train__rule=rule)
        assert verify(program) is program


def broken(change):
    program = program_of(recurrent("ALIF"))
    with pytest.raises(InvalidProgram) as error:
        verify(change(program))
    return str(error.value)


def test_a_name_that_is_read_before_it_is_written():
    def change(program):
        update = next(o for o in program.forward if isinstance(o, Update))
        bad = replace(update, body=(Assign("x.1", Symbol("nowhere")), *update.body))
        return replace(program, forward=tuple(bad if o is update else o for o in program.forward))

    assert "nowhere" in broken(change)


def test_a_cycle_without_a_delay():
    def change(program):
        return replace(program, connections=tuple(replace(c, delay=0) for c in program.connections))

    with pytest.raises(ValueError, match="cycle"):
        verify(change(program_of(recurrent("ALIF"))))


def test_a_delivery_after_its_targets_update():
    assert "after" in broken(
        lambda p: replace(p, forward=(*p.forward, next(o for o in p.forward if isinstance(o, Deliver))))
    )


def test_a_weight_with_two_gradients():
    assert "gradient" in broken(
        lambda p: replace(p, gradient=(*p.gradient, next(o for o in p.gradient if isinstance(o, Gather))))
    )


def test_a_weight_of_the_wrong_size():
    def change(program):
        first = replace(program.parameters[0], dimensions=(2, 2))
        return replace(program, parameters=(first, *program.parameters[1:]))

    assert "weight" in broken(change)


@pytest.mark.parametrize(
    "case, connection, dimensions, said",
    [
        ("images, pairs handed over", "x_hidden", (12,), "no kernel"),
        ("drawn", "again", (4,), "synapses of [3]"),
        ("dense", "hidden_hidden", (7, 6), "synapses of [7, 7]"),
    ],
)
def test_a_weight_of_the_wrong_size_of_synapses_that_neurons_stand_for(case, connection, dimensions, said):
    program = program_of(text_of(case))
    key = program.connection(connection).weight
    parameters = tuple(replace(p, dimensions=dimensions) if p.key == key else p for p in program.parameters)
    with pytest.raises(InvalidProgram) as error:
        verify(replace(program, parameters=parameters))
    assert str(error.value).endswith(said)
