"""What stands twice in an update is computed once, under a name of its own or the statement's."""

from __future__ import annotations

from blocks import expression
from networks import UNKNOWN, lively, model_of, program_of, recurrent, spikes

from sncc.backends.reference.interpreter import Reference
from sncc.gradients.reverse import differentiate
from sncc.lower.phases import lower
from sncc.passes.share_expressions import _shared, share_expressions
from sncc.program.operations import Update
from sncc.program.statement_printer import print_statement
from sncc.program.statements import Assign


def printed(*statements: str) -> list[str]:
    body = tuple(Assign(name, expression(text)) for name, text in (s.split(" := ") for s in statements))
    return [print_statement(s) for s in _shared(body)]


def test_the_larger_of_two_common_parts_is_named():
    assert printed("a := exp(v / tau) + 1", "b := v - 2 * exp(v / tau)") == [
        "common.1 := exp(v / tau)", "a := common.1 + 1", "b := v - 2 * common.1",
    ]  # fmt: skip


def test_a_part_of_two_different_common_parts_is_named_first():
    assert printed("a := exp(v * w)", "b := exp(v * w) + log(v * w)") == [
        "common.1 := v * w", "a := exp(common.1)", "b := a + log(common.1)",
    ]  # fmt: skip


def test_what_stands_once_stays():
    assert printed("a := exp(v)", "b := exp(w)", "c := -v", "d := w > v") == [
        "a := exp(v)", "b := exp(w)", "c := -v", "d := w > v",
    ]  # fmt: skip


def test_results_stay_the_same():
    model = model_of(recurrent("Curious", UNKNOWN), train__rule="bptt")
    before = differentiate(lower(model, "float64"), model.training)
    after = share_expressions(before)
    count = [sum(len(o.body) for o in p.reverse if isinstance(o, Update)) for p in (before, after)]
    assert count[1] > count[0]
    inputs = spikes(__import__("numpy").random.default_rng(0))
    values = lively(program_of(recurrent("Curious", UNKNOWN)), 3, inputs)
    runs = [Reference(p, values).run(inputs, [0, 1, 2]) for p in (before, after)]
    assert runs[0].loss == runs[1].loss
    for key, gradient in runs[0].gradients.items():
        assert (gradient == runs[1].gradients[key]).all(), key
