"""e-prop forwards through synapses that keep states one by one: what their traces read stands beside each of them.

The trace of a synapse's number has a part that the synapse's own states carry and, behind what the synapse delivers, a
part that its target's states carry: e_s[n] = J_s[n] e_s[n-1] + b_s[n], e_j[n] = J_j[n] e_j[n-1] + dF_j/dI x'[n], x' the
part of e_s that is delivered. It needs the Jacobian of the target of each synapse. So a group `CONN.traces` has a place
for each of a group of synapses, after both in a step: there the target's Jacobian arrives, and the learning signals of
the target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from sncc.connectivity.patterns import Convolution, OfSynapses, Pooling
from sncc.expressions.algebra import ZERO, mul
from sncc.expressions.nodes import Expression, Number, Symbol
from sncc.gradients.eligibility import DELAY, READ
from sncc.gradients.jacobians import Jacobian, states_of
from sncc.gradients.trace_ways import Answer
from sncc.program.groups import Connection, Group, Parameter, Row
from sncc.program.learning import Each, Picked, TraceOperation, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, Derive, Readout, Update
from sncc.program.order import forward_order
from sncc.program.statements import Assign


def is_of_synapses(program: Program, group: str) -> bool:
    """Whether each element of a group is a synapse."""
    return program.group(group).rows[0].holds == "synapses"


def answers_of(
    program: Program, group: str, synapses: Sequence[str], jacobians: Mapping[str, Jacobian],
    moving: Callable[[str, str], bool],
) -> tuple[Answer, ...]:  # fmt: skip
    """The groups of synapses onto a group by which what one of them learns comes back to all others of its target.

    moving(group, variable): whether a variable of a group depends on its states, on what arrives, or on learnt numbers.
    """
    result: list[Answer] = []
    for name in synapses:
        reading = [
            c for c in program.connections
            if c.of_target and (c.source_group, c.target_group) == (group, name) and c.values and moving(group, c.values)
        ]  # fmt: skip
        onto = [c for c in program.connections if (c.source_group, c.target_group) == (name, group)]
        if not reading:
            continue
        known = states_of(jacobians[name])
        result.append(
            Answer(
                name,
                tuple((c.values or "", c.input, c.delay) for c in reading),
                tuple((c.values or "", c.input) for c in onto if c.values in known),
                Each(None, (reading[0].name,), f"{name}of"),
            )
        )
    return tuple(result)


def onwards(answers: Iterable[Answer], neurons: str) -> tuple[Answer, ...]:
    """The same answers, of a group that the neurons of another one reach: a loop inside of each way onto it."""
    return tuple(replace(a, each=replace(a.each, places=f"{a.each.places}{neurons}")) for a in answers)


def with_places(program: Program, group: str) -> tuple[Program, str]:
    """The Program with a group that has a place for each of a group of synapses, and their numbers; its name."""
    of = program.group(group)
    name = next(n for k in range(len(program.groups) + 1) if (n := f"t{k}") not in {g.name for g in program.groups})
    row = of.rows[0]
    name_of_places = f"{row.population.partition('.')[0]}.traces"
    beside = replace(row, population=name_of_places, initial=(), streams=(), clips=(), recordable=(), joins=())
    added = Group(name, of.size, (beside,), (), (), (), of.arrays)
    derived = tuple(Derive(name, d.body) for d in program.derive if d.group == group)
    program = replace(program, groups=(*program.groups, added), derive=(*program.derive, *derived))
    update = Update(name, (), (), ())
    return replace(
        program, forward=forward_order(program.groups, program.connections, [*program.forward, update])
    ), name


def with_targets(program: Program, places: str, onto: Connection, variables: Iterable[str]) -> Program:
    """The Program in which variables, `GROUP.VARIABLE`, of the target of each synapse arrive at its place,
    at the end of the step.

    The group is the target's, or another one whose elements have the places of the target's.
    """
    own = program.group(places).rows[0].population
    for variable in variables:
        group, _, read = variable.partition(".")
        name = f"{onto.name}.{variable}"
        structure, weight = _turned(onto, name)
        back = replace(
            onto, name=name, source=program.group(group).rows[0].population, source_group=group, source_offset=0,
            source_size=onto.target_size, target=own, target_group=places, target_offset=0,
            target_size=onto.source_size, input=f"arriving.{variable}", weight=weight.key, structure=structure,
            source_part=onto.target_part, target_part=onto.source_part, values=read, of_target=True,
        )  # fmt: skip
        program = replace(program, parameters=(*program.parameters, weight))
        program = arriving_at(program, places, back, variable)
    return program


def along(program: Program, readout: Readout, onto: Connection, group: str = "", sources: Sequence[str] = ()) -> Each:
    """The loop along the synapses of a connection to a readout, or along those with states of their own, a group,
    that others move: the first of these that there are.
    """
    if not group:
        return Each(readout.index, (onto.name,), f"c{program.connections.index(onto)}to")
    moving = [c for c in program.connections if c.target_group == group and not c.of_target]
    first = next(c for source in sources for c in moving if c.source_group == source)
    ends = next(c for c in program.connections if c.source_group == group and c.target_group == readout.group)
    return Each(readout.index, (first.name, ends.name), places_of(group))


def places_of(group: str) -> str:
    """The group in which a neuron has the one of its synapses, elements of a group, that a loop has come to."""
    return f"{group}to"


def picked(program: Program, operations: Iterable[TraceOperation], each: Each, group_of_readout: str) -> list[Picked]:
    """What operations of a loop along synapses read of these and of their targets."""
    read: set[tuple[str, str]] = set()
    for o in operations:
        match o:
            case Picked(of=(group, variable)):
                read.add((group, variable))
            case TraceUpdate():
                names = {name for s in o.body for name in s.reads} | {name for _, name in o.delays}
                found = (name.split(".", 2) for name in names if name.startswith("through."))
                read |= {(group, variable) for _, group, variable in found}
    result: list[Picked] = []
    for group, variable in sorted(read):
        head, _, seen = variable.partition(".")
        if group != each.places or not group:
            continue
        if head == READ:
            result.append(Picked(group, variable, (group_of_readout, seen), each, "target"))
        elif head == DELAY:
            result.append(Picked(group, variable, (seen, ""), each, "delay"))
        else:
            synapses = program.connection(each.along[0]).target_group
            what: Literal["synapse", "target"] = "synapse" if each.readout is not None else "target"
            result.append(Picked(group, variable, (synapses, variable), each, what))
    return result


def with_places_of_neurons(program: Program, each: Each, operations: Sequence[TraceOperation], neurons: str) -> Program:
    """The Program with the group that has what operations of a loop along synapses pick for each neuron,
    of a group where the loop is inside of another one.
    """
    name = each.places
    variables = tuple(dict.fromkeys(o.variable for o in operations if isinstance(o, Picked) and o.group == name))
    first = program.connection(each.along[0])
    source = program.place(first.source)[1] if each.inside is None else program.group(neurons).rows[0]
    initial = tuple((v, ZERO) for v in variables)
    row = Row(f"{first.owner.partition('.')[0]}.output", (source.size,), 0, source.size, (), initial, holds="synapses")
    groups = (*program.groups, Group(name, -(-source.size // 16) * 16, (row,), variables, (), (), ()))  # as all rows
    updates = [*program.forward, Update(name, (), (), ())]
    return replace(program, groups=groups, forward=forward_order(groups, program.connections, updates))


def _turned(onto: Connection, name: str) -> tuple[OfSynapses | Convolution | None, Parameter]:
    """The structure of what goes from each target to the synapses onto it, and its weight, which is one."""
    key = f"{name}.weight"
    one = Parameter(key, (), (onto.target_size,), "compiled", Number(1.0))
    match onto.structure:
        case OfSynapses():
            return replace(onto.structure, end="columns"), replace(one, dimensions=(-1,), connection=name)
        case Pooling(size=(sources, _)):
            kernel = Convolution((sources, 1), (1, 1), ((sources - 1, sources - 1), (0, 0)), 1)
            return kernel, replace(one, dimensions=(sources, 1))
    return None, one


def arriving_at(
    program: Program, places: str, c: Connection, variable: str, factor: Expression | None = None
) -> Program:
    """The Program with one more connection into a group of places, which keeps what arrives,
    times a factor, as `variable`.
    """
    group = program.group(places)
    row = group.rows[0]
    changed = replace(
        group,
        states=(*group.states, variable),
        inputs=(*group.inputs, c.input),
        rows=(replace(row, initial=(*row.initial, (variable, ZERO))),),
    )
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == places)
    local, body = c.input, update.body
    if factor is not None:
        local, body = f"{variable}/now", (*body, Assign(f"{variable}/now", mul(factor, Symbol(c.input))))
    moved = replace(update, inputs=(*update.inputs, c.input), body=body, carry=(*update.carry, (variable, local)))
    groups = tuple(changed if g is group else g for g in program.groups)
    connections = (*program.connections, c)
    operations = [*(moved if o is update else o for o in program.forward), Deliver(c.name)]
    return replace(
        program, groups=groups, connections=connections, forward=forward_order(groups, connections, operations)
    )
