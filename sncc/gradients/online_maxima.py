"""e-prop forwards: which step each output's maximum stands at so far; a trace is kept as it was then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sncc.expressions.algebra import ZERO
from sncc.expressions.nodes import Expression, Symbol, apply
from sncc.gradients.eligibility import rises
from sncc.gradients.jacobians import with_variables
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.statements import Assign
from sncc.program.windows import steps_before


def with_maxima(program: Program, readouts: Iterable[Readout]) -> Program:
    """The Program whose updates also follow the largest value in the window of each `max`;
    of equal ones the earliest stands.
    """
    for readout in (r for r in readouts if r.reduction == "max"):
        update = next(o for o in program.forward if isinstance(o, Update) and o.group == readout.group)
        name, highest = rises(readout.index), f"max{readout.index}/highest"
        before = steps_before(program.step)
        seen: Expression = Symbol(dict(update.carry).get(readout.variable, readout.variable))
        larger = apply("gt", seen, Symbol(highest))
        if readout.first > 0:
            larger = apply("and", apply("gt", before, float(readout.first)), larger)
        if readout.last is not None:
            larger = apply("and", apply("lt", before, float(readout.last)), larger)
        begins = apply("eq", before, float(readout.first))
        body = (
            Assign(f"{name}/now", apply("select", apply("or", begins, larger), 1.0, ZERO)),
            Assign(f"{highest}/now", apply("select", apply("or", begins, larger), seen, Symbol(highest))),
        )
        carry = tuple((variable, f"{variable}/now") for variable in (name, highest))
        changed = replace(update, body=(*update.body, *body), carry=(*update.carry, *carry))
        program = replace(
            program,
            groups=tuple(with_variables(g, (name, highest)) if g.name == readout.group else g for g in program.groups),
            forward=tuple(changed if o is update else o for o in program.forward),
        )
    return program
