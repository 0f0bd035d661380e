"""e-prop forwards: what is learnt of synapses whose states the source has,
such as the time constants of depressing ones.

A number of theirs moves the source's states, e_r[n] = J_r[n] e_r[n-1] + dF_r/da, and what is delivered of that is added
up by the weights in each target j: e_j[n] = J_j[n] e_j[n-1] + dF_j/dI sum_i w_ij x'_i[n - d]. So e_r is a state of the
source's group beside the others, delivered over the same synapses to a place for each target, `CONN.numbers`, and the
traces are those of neurons, not of synapses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sncc.expressions.algebra import ONE, ZERO, add, mul
from sncc.expressions.nodes import Expression, Symbol, apply, substitute
from sncc.gradients.derivation import first_by
from sncc.gradients.jacobians import Jacobian, product, states_of
from sncc.gradients.online_synapses import arriving_at
from sncc.gradients.trace_ways import Front
from sncc.program.groups import Connection, Group
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, Derive, Update
from sncc.program.order import forward_order
from sncc.program.statements import Assign
from sncc.program.windows import begins, steps_before, steps_of_window


def of_sources(program: Program, group: str) -> bool:
    """Whether the elements of a group are states of synapses, which the neurons of their source have."""
    return program.group(group).rows[0].holds == "traces"


def with_derivatives(program: Program, group: str, jacobian: Jacobian, numbers: Iterable[str]) -> Program:
    """The Program in which a group carries the derivatives of its states by numbers, each as a state `STATE^NUMBER`."""
    for number in numbers:
        first = first_by(program.group(group), number, states_of(jacobian))
        program = _carrying(program, group, jacobian, number, {number: ONE}, first)
    return program


def _carrying(
    program: Program, group: str, jacobian: Jacobian, number: str, entering: dict[str, Expression],
    first: dict[str, Expression],
) -> Program:  # fmt: skip
    """The Program in which a group carries derivatives of its states by a number,
    of what enters and of the first values.
    """
    found = program.group(group)
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == group)
    assigned = {s.name for s in update.body}
    now: dict[str, Expression] = {
        v: Symbol(local) for v, local in update.carry if local == f"{v}/now" and local in assigned
    }
    inside, states = _within(program), states_of(jacobian)
    before = {s: mul(inside, Symbol(derivative_of(s, number))) for s in states}
    names = {s: derivative_of(s, number) for s in states}
    values = {s: add(product(jacobian, s, before), product(jacobian, s, entering)) for s in states}
    changed = replace(
        update,
        body=(*update.body, *(Assign(f"{names[s]}/now", substitute(value, now)) for s, value in values.items())),
        carry=(*update.carry, *((name, f"{name}/now") for name in names.values())),
    )
    initial = (*found.rows[0].initial, *((names[s], first.get(s, ZERO)) for s in states))
    carrying = replace(found, states=(*found.states, *names.values()), rows=(replace(found.rows[0], initial=initial),))
    return replace(
        program,
        groups=tuple(carrying if g is found else g for g in program.groups),
        forward=tuple(changed if o is update else o for o in program.forward),
    )


def _arriving(program: Program, group: str, c: Connection) -> Program:
    """The Program with one more connection into a group, and its input."""
    found = program.group(group)
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == group)
    changed, moved = replace(found, inputs=(*found.inputs, c.input)), replace(update, inputs=(*update.inputs, c.input))
    groups = tuple(changed if g is found else g for g in program.groups)
    operations = [*(moved if o is update else o for o in program.forward), Deliver(c.name)]
    connections = (*program.connections, c)
    forward = forward_order(groups, connections, operations)
    return replace(program, groups=groups, connections=connections, forward=forward)


def with_derivatives_of_each(
    program: Program, telling: Connection, jacobian: Jacobian, numbers: Iterable[str]
) -> Program:
    """The same of synapses that keep states each and are told those of their source:
    what they make of these' derivatives.
    """
    group = telling.target_group
    for number in numbers:
        entering = derivative_of(telling.input, number)
        along = replace(
            telling, name=f"{telling.name}^{number}", input=entering, values=derivative_of(telling.values or "", number),
            synapses_of=telling.owner, rewiring=None, window=program.truncate if telling.delays else None,
        )  # fmt: skip
        program = _arriving(program, group, along)
        arrived = mul(_arrived_within(program, telling) or ONE, Symbol(entering))
        program = _carrying(program, group, jacobian, number, {telling.input: arrived}, {})
    return program


def derivative_of(state: str, number: str) -> str:
    """The name of what a group carries; no name of the user's has such a sign."""
    return f"{state}^{number}"


def with_sums(
    program: Program, target: str, onto: tuple[Connection, ...], having: str, numbers: Iterable[str]
) -> tuple[Program, str, dict[str, Front]]:
    """The Program with a place for each neuron of a target, at which the derivatives of what is delivered,
    by numbers that a group has, arrive; its name, and, by number, what traces read of it.
    """
    source, of = program.group(having), program.group(target)
    name = next(n for k in range(len(program.groups) + 1) if (n := f"t{k}") not in {g.name for g in program.groups})
    row = of.rows[0]
    beside = replace(
        source.rows[0], population=f"{onto[0].owner.partition('.')[0]}.numbers.{row.population}", shape=row.shape, offset=row.offset, size=row.size,
        initial=(), streams=(), clips=(),
    )  # fmt: skip
    added = Group(name, of.size, (beside,), (), (), (), source.arrays)
    derived = tuple(Derive(name, d.body) for d in program.derive if d.group == source.name)
    program = replace(program, groups=(*program.groups, added), derive=(*program.derive, *derived))
    operations = [*program.forward, Update(name, (), (), ())]
    program = replace(program, forward=forward_order(program.groups, program.connections, operations))
    fronts: dict[str, Front] = {}
    for number in numbers:
        summed: dict[str, str] = {}
        for c in onto:
            variable = f"{c.input}^{number}" if c.input not in summed else f"{c.name}^{number}"
            along = replace(
                c, name=f"{c.name}^{number}", target=beside.population, target_group=name, input=f"arriving.{variable}",
                values=derivative_of(c.values or "", number), synapses_of=c.owner, rewiring=None,
                window=program.truncate if c.delays else None,
            )  # fmt: skip
            program = arriving_at(program, name, along, variable, _arrived_within(program, c))
            summed.setdefault(c.input, variable)
        fronts[number] = Front(source.name, onto, name, tuple(summed.items()))
    return program, name, fronts


def _within(program: Program) -> Expression:
    """0 where a window of truncated credit begins after step 1, else 1."""
    if program.truncate is None:
        return ONE
    return apply("select", begins(program.step, program.truncate), 0.0, 1.0)


def _arrived_within(program: Program, c: Connection) -> Expression | None:
    """0 for what left its source before the window of truncated credit began, else 1; None where that is always so."""
    if program.truncate is None or c.delays or c.delay == 0:
        return None  # with a delay for each synapse what is delivered is told apart there (`Connection.window`)
    # what a state starts at belongs to the first window
    first = apply("lt", steps_before(program.step), float(program.truncate))
    return apply(
        "select",
        apply("or", first, apply("ge", steps_of_window(program.step, program.truncate), float(c.delay))),
        1.0,
        0.0,
    )
