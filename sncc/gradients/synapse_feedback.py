"""Random and adaptive feedback through synapses that keep states one by one: what one of them does, at other weights.

A number for each synapse stands for its weight wherever the weight is read; a weight that moves within a sample stands
as far from that number as it has moved from where it began. States are those that the synapses have, so what differs is
the Jacobian of a step. Credit goes back by it to the source, along no other way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sncc.connectivity.patterns import Dense, OfSynapses, fans_of
from sncc.expressions.algebra import add, sub
from sncc.expressions.nodes import Expression, Symbol, apply, substitute
from sncc.program.groups import Connection, Parameter
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, Derive, Update
from sncc.program.order import forward_order
from sncc.program.rewrite import rewritten
from sncc.program.statements import MADE_UP, WEIGHT_NOW, Assign, Draw, Statement

WEIGHT = "weight"
_TAIL = ".feedback"


def with_numbers(program: Program, group: str, key: str) -> tuple[Program, str]:
    """The Program in which the synapses of a group have the number `key` beside their weight, and the weight's key.

    Where the weight is an input, since only the library knows which synapses there are, the number is one as well.
    """
    found = program.group(group)
    row = found.rows[0]
    bound = dict(row.values).get(WEIGHT)
    if bound is None:
        own = next(c for c in program.connections if c.target_group == group and c.input == WEIGHT)
        back = replace(
            own, name=key, input=f"{WEIGHT}{_TAIL}", weight=key, synapses_of=own.owner, rewiring=None, plastic=False
        )
        weight = program.parameter(own.weight)
        number = _drawn(program, group, key, weight)
        update = next(o for o in program.forward if isinstance(o, Update) and o.group == group)
        changed = replace(update, inputs=(*update.inputs, back.input))
        groups = tuple(replace(g, inputs=(*g.inputs, back.input)) if g is found else g for g in program.groups)
        connections = (*program.connections, back)
        operations = [*(changed if o is update else o for o in program.forward), Deliver(back.name)]
        program = replace(
            program, groups=groups, connections=connections, forward=forward_order(groups, connections, operations)
        )
    else:
        weight = program.parameter(f"{row.population.partition('.')[0]}.{WEIGHT}")
        number = _drawn(program, group, key, weight)
        symbol = f"{WEIGHT}{_TAIL}"
        derived, names = _derived(program, group)
        coefficients = [names[a] for a in found.arrays if a in names]
        changed_group = replace(
            found,
            rows=(replace(row, values=(*row.values, (symbol, key))),),
            arrays=(*found.arrays, symbol, *coefficients),
        )
        program = replace(
            program,
            groups=tuple(changed_group if g is found else g for g in program.groups),
            derive=tuple(derived if derived is not None and d.group == group else d for d in program.derive),
        )
    return replace(program, parameters=(*program.parameters, number)), weight.key


def at_other_weights(program: Program, update: Update) -> tuple[Update, Mapping[str, str]]:
    """An update with what follows from the weight once more, from the number beside it;
    the name of each local there.
    """
    _, names = _derived(program, update.group)
    more, names = _once_more(update.body, names, {WEIGHT_NOW: _beside(WEIGHT_NOW)})
    return replace(update, body=(*update.body, *more)), names


def _derived(program: Program, group: str) -> tuple[Derive | None, dict[str, str]]:
    derive = next((d for d in program.derive if d.group == group), None)
    if derive is None:
        return None, {}
    more, names = _once_more(derive.body, {}, {})
    return replace(derive, body=(*derive.body, *(s for s in more if isinstance(s, Assign)))), names


def _once_more(
    body: Sequence[Statement], names: Mapping[str, str], others: Mapping[str, Expression]
) -> tuple[list[Statement], dict[str, str]]:
    """The statements that depend on the weight, or on what has another name already, once more."""
    names, result = dict(names), list[Statement]()
    values: dict[str, Expression] = {WEIGHT: Symbol(f"{WEIGHT}{_TAIL}"), **others}
    values |= {name: Symbol(other) for name, other in names.items()}
    for statement in body:
        if statement.reads & values.keys() and not isinstance(statement, Draw):  # what is drawn is a constant
            names[statement.name] = f"{statement.name}{_TAIL}"
            made = rewritten(statement, lambda e: substitute(e, values))
            if statement.name.endswith(MADE_UP):  # jumps of the step before, after which states are those that they are
                result.append(replace(made, name=f"{names[statement.name]}{MADE_UP}"))
                moved = Symbol(result[-1].name)
                value = add(sub(moved, apply("stop", moved)), apply("stop", _beside(statement.name)))
                made = Assign(statement.name, value)
            result.append(replace(made, name=names[statement.name]))
            values[statement.name] = Symbol(names[statement.name])
    return result, names


def _beside(local: str) -> Expression:
    """A state as it is; of a weight that moves, as far from the other number as
    it is from the weight that it began with.
    """
    if not local.startswith(WEIGHT_NOW):
        return Symbol(local)
    return add(sub(Symbol(local), Symbol(WEIGHT)), Symbol(f"{WEIGHT}{_TAIL}"))


def _drawn(program: Program, group: str, key: str, weight: Parameter) -> Parameter:
    onto = next(c for c in program.connections if c.source_group == group)
    shape = weight.shape or (weight.dimensions if weight.connection is not None else _shape(program, onto))
    scale = weight.scale / math.sqrt(_reached(onto))
    return Parameter(
        key=key,
        shape=shape,
        dimensions=weight.dimensions,
        storage="each",
        initial=apply("normal", 0.0, scale),
        unit=weight.unit,
        si=weight.si,
        scale=weight.scale,
        connection=weight.connection,
        turned=_is_dense(onto, shape),
        doc="feedback of the learning signal",
    )


def _is_dense(onto: Connection, shape: tuple[int, ...]) -> bool:
    """Whether the numbers are those of a matrix."""
    pattern = onto.structure.pattern if isinstance(onto.structure, OfSynapses) else None
    return len(shape) == 2 or (isinstance(pattern, Dense) and pattern.self_connections)


def _reached(onto: Connection) -> float:
    """How many outputs a neuron reaches."""
    if isinstance(onto.structure, OfSynapses):
        found = fans_of(onto.structure.pattern, onto.structure.source, onto.structure.target)
        return found[1] if found is not None else float(onto.target_size)
    return 1.0 if onto.pattern == "one_to_one" else float(onto.target_size)


def _shape(program: Program, onto: Connection) -> tuple[int, ...]:
    size = program.place(onto.source)[1].size
    return (size,) if onto.pattern == "one_to_one" else (size // onto.target_size, onto.target_size)
