"""The pass that gives updates cheaper operations of the same values."""

from dataclasses import replace

import pytest

from sncc import compiler
from sncc.arguments import source_of
from sncc.expressions.printer import print_expression
from sncc.passes.strength_reduction import strength_reduction
from sncc.program.statement_printer import print_statement

TEXT = """
neuron Decaying:
    param tau = 20 ms
    state v = 1
    input I
    each step:
        v = {update}
    spike when v > 0.75:
        v = 0
network Net:
    step = 1 ms
    population x: input[3]
    population n: Decaying[3]
    connect x -> n: one_to_one, weight = 1
"""


def folded(update="0.5 * (-v / 8) + I / 4"):
    model = compiler.compile_model(source_of(TEXT.format(update=update)))
    return compiler.compile_program(model, after="constant_folding")


def body(program):
    return [s for o in program.forward for s in getattr(o, "body", ())]


@pytest.mark.parametrize(
    ("update", "cheaper"),
    [
        ("v / 8", "0.125 * v"),
        ("0.5 * (-v / 8)", "-0.0625 * v"),
        ("(2 * v) * (I / 4)", "0.5 * (v * I)"),
        ("-v - I", "-(v + I)"),
        ("-v + I", "I - v"),
        ("v - (-I)", "v + I"),
        ("-v + (-I)", "-(v + I)"),
    ],
)
def test_reciprocals_factors_and_signs(update, cheaper):
    def parsed(text):
        return print_expression(next(s for s in body(folded(text)) if s.name == "v.1").value)

    found = print_expression(next(s for s in body(strength_reduction(folded(update))) if s.name == "v.1").value)
    assert found == parsed(cheaper)


def test_a_threshold_is_compared_without_a_difference():
    before = [print_statement(s) for s in body(folded())]
    after = [print_statement(s) for s in body(strength_reduction(folded()))]
    assert "spike.distance := v.1 - 0.75" in before and "spike.fired := spike.distance > 0" in before
    assert "spike.fired := v.1 > 0.75" in after and not any("distance" in text for text in after)


def test_training_is_left_alone():
    training = replace(folded(), schedule="sample_parallel")
    assert strength_reduction(training) is training
