"""The pass that multiplies instead of dividing."""

from dataclasses import replace

from sncc import compiler
from sncc.arguments import source_of
from sncc.expressions.printer import print_expression
from sncc.passes.reciprocals import reciprocals

TEXT = """
neuron Decaying:
    param tau = 20 ms
    state v = 1
    input I
    each step:
        v = 0.5 * (-v / 8) + I / 4
network Net:
    step = 1 ms
    population x: input[3]
    population n: Decaying[3]
    connect x -> n: one_to_one, weight = 1
"""


def body(program):
    return [print_expression(s.value) for o in program.forward for s in getattr(o, "body", ())]


def test_divisions_by_numbers_become_one_factor():
    program = compiler.compile_program(compiler.compile_model(source_of(TEXT)), after="constant_folding")
    assert any("/ 8" in text for text in body(program))
    after = body(reciprocals(program))
    assert any("-0.0625 * v" in text for text in after) and any("0.25 * I" in text for text in after)


def test_training_is_left_alone():
    program = compiler.compile_program(compiler.compile_model(source_of(TEXT)), after="constant_folding")
    training = replace(program, schedule="sample_parallel")
    assert reciprocals(training) is training
