"""Dropout: what a connection delivers in training without some neurons of
its source is made larger by the others' share.

Such a connection has an accumulator of its own, which enters the update of its target times 1 / (1 - p) where gradients
are computed, and as it is elsewhere. So the factor is differentiated like all else, and the weights are those that a
network without dropout needs (inverted dropout).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from sncc.expressions.algebra import ONE, add, mul
from sncc.expressions.nodes import Expression, Number, Symbol, substitute
from sncc.program.groups import Group
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.rewrite import rewritten
from sncc.program.statements import LEARNS, Assign

Names = dict[tuple[str, str, float], str]  # accumulators, by group, input and probability


def enlarge_what_is_left(program: Program) -> Program:
    """The Program with an accumulator for each probability of dropout among the connections into an input."""
    names = _names(program)
    if not names:
        return program
    connections = tuple(
        replace(c, input=names.get((c.target_group, c.input, c.dropout), c.input)) for c in program.connections
    )
    groups = tuple(_with_inputs(g, names) for g in program.groups)
    forward = tuple(_enlarged(o, names) if isinstance(o, Update) else o for o in program.forward)
    return replace(program, connections=connections, groups=groups, forward=forward)


def _names(program: Program) -> Names:
    """`I!/1`, `I!/2` ...: by probability, so that populations with equal ones still merge."""
    names: Names = {}
    found = {(c.target_group, c.input, c.dropout) for c in program.connections if c.dropout}
    for group, name, probability in sorted(found):
        number = 1 + sum((g, i) == (group, name) for g, i, _ in names)
        names[group, name, probability] = f"{name}/{number}"
    return names


def _with_inputs(group: Group, names: Names) -> Group:
    own = tuple(name for (g, _, _), name in names.items() if g == group.name)
    return replace(group, inputs=(*group.inputs, *own))


def _enlarged(update: Update, names: Names) -> Update:
    """The update with the sum of an input's accumulators in place of the first."""
    sums: dict[str, Expression] = {}
    inputs = list(update.inputs)
    for (group, name, probability), accumulator in names.items():
        if group == update.group and name in update.inputs:
            factor = add(ONE, mul(Symbol(LEARNS), Number(probability / (1 - probability))))
            sums[name] = add(sums.get(name, Symbol(name)), mul(factor, Symbol(accumulator)))
            inputs.append(accumulator)
    whole: dict[str, Expression] = {name: Symbol(f"{name}+") for name in sums}
    read = partial(substitute, values=whole)
    body = [Assign(f"{name}+", value) for name, value in sums.items()]
    return replace(update, inputs=tuple(inputs), body=(*body, *(rewritten(s, read) for s in update.body)))
