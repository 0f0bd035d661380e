"""The dynamics of a Program as inline C++ functions, one neuron, output or element each:
shared by C++ and CUDA to the letter.

A `Function` also says, in the Program's names and in the order of its arguments, what a backend passes: backends add
loops, memory and launches, no mathematics.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sncc.backends.cxx.expressions import Scalar
from sncc.backends.cxx.functions import Argument, Builder, Function, carry
from sncc.backends.cxx.initial_values import first_value, initial_parameter, initial_state
from sncc.backends.cxx.names import Namer
from sncc.backends.cxx.synapse_dynamics import poisson_mean, stimulus, synapse_state, synapse_update
from sncc.expressions.nodes import Number, symbols
from sncc.program.groups import Group
from sncc.program.learning import DeriveAdjoint, FirstSum, Optimise, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Derive, Readout, SynapseUpdate, Update
from sncc.program.statement_printer import print_statement
from sncc.program.statements import LEARNS, Assign, Draw, Reduce, Statement


@dataclass(frozen=True, slots=True)
class ReadoutStep:
    """A statement of the loss, evaluated per output, and kept for each (`map`), added up or compared (`sum`, `max`)."""

    kind: str
    name: str
    function: Function


@dataclass(frozen=True, slots=True)
class TraceFunctions:
    """The functions of a `TraceUpdate`: one step of a synapse's traces, and first values that are not zero."""

    step: Function
    start: dict[str, Function]


@dataclass(frozen=True, slots=True)
class Dynamics:
    """All functions of a Program's dynamics header."""

    updates: tuple[tuple[Update, Function], ...]
    derives: dict[str, Function]  # by group
    derive_adjoints: dict[str, Function]
    readouts: tuple[tuple[ReadoutStep, ...], ...]  # by index of the readout
    scalars: Function | None  # of the optimiser
    optimise: Function | None
    parameters: dict[str, Function]  # initial values that are more than a number, by key
    states: dict[tuple[str, str], Function]  # initial values by population and state
    traces: dict[int, TraceFunctions]  # by place in `Program.traces`
    synapse_updates: tuple[tuple[SynapseUpdate, Function], ...] = ()
    synapse_states: dict[tuple[str, str], Function] = field(default_factory=dict)  # by connection and state
    means: dict[tuple[str, str], Function] = field(default_factory=dict)  # of Poisson counts, by group and draw
    stimuli: tuple[Function, ...] = ()
    first_sums: dict[tuple[str, str], tuple[FirstSum, Function]] = field(default_factory=dict)  # by group and name

    def functions(self) -> tuple[Function, ...]:
        """In the order of the header."""
        optimiser = tuple(f for f in (self.scalars, self.optimise) if f)
        return (
            *self.parameters.values(), *self.derives.values(), *self.states.values(), *self.synapse_states.values(),
            *self.means.values(), *self.stimuli,
            *(f for _, f in self.updates), *(f for _, f in self.synapse_updates),
            *(s.function for steps in self.readouts for s in steps),
            *(f for _, f in self.first_sums.values()), *self.derive_adjoints.values(), *optimiser,
            *(f for t in self.traces.values() for f in (t.step, *t.start.values())),
        )  # fmt: skip


def dynamics(program: Program) -> Dynamics:
    """The functions of a Program."""
    updates = [(o, _update(program, o, False)) for o in program.forward if isinstance(o, Update)]
    updates += [(o, _update(program, o, True)) for o in program.reverse if isinstance(o, Update)]
    names = Namer()  # of functions that are called after what the user calls something
    states = {
        (row.population, s): initial_state(g, row, s, v, _scalar(program), names)
        for g in program.groups
        for row in g.rows
        for s, v in row.initial
    }
    scalar = _scalar(program)
    moves = [o for o in program.forward if isinstance(o, SynapseUpdate)]
    adjoints = {o.group: _derive_adjoint(program, o) for o in program.gradient if isinstance(o, DeriveAdjoint)}
    return Dynamics(
        tuple(updates),
        {g.name: _derive(program, g) for g in program.groups if g.arrays},
        adjoints,
        tuple(_readout(readout, _scalar(program)) for readout in program.readouts),
        _scalars(program.optimise) if program.optimise else None,
        _optimise(program.optimise, _scalar(program)) if program.optimise else None,
        {p.key: initial_parameter(p, names) for p in program.parameters if not isinstance(p.initial, Number)},
        states,
        {k: _traces(program, o, k) for k, o in enumerate(program.traces) if isinstance(o, TraceUpdate)},
        tuple((o, synapse_update(program, o, k, scalar)) for k, o in enumerate(moves)),
        {(s.connection, n): synapse_state(s, n, v, names) for s in program.synapses for n, v in s.initial},
        _means(program),
        tuple(stimulus(s, k, scalar) for k, s in enumerate(program.simulation.stimuli)) if program.simulation else (),
        _first_sums(program),
    )


def _first_sums(program: Program) -> dict[tuple[str, str], tuple[FirstSum, Function]]:
    derived = [o for o in program.gradient if isinstance(o, DeriveAdjoint)]
    found = {(o.group, one.name): one for o in derived for one in o.first}
    return {
        place: (
            one,
            first_value(f"first_by_{k}", f"Derivative of a first value by {one.number}", one.factor, _scalar(program)),
        )
        for k, (place, one) in enumerate(found.items())
    }


def _means(program: Program) -> dict[tuple[str, str], Function]:
    return {
        (o.group, s.name): poisson_mean(program.group(o.group), o, s)
        for o in program.forward
        if isinstance(o, Update)
        for s in o.body
        if isinstance(s, Draw) and s.distribution == "poisson"
    }


def _traces(program: Program, update: TraceUpdate, index: int) -> TraceFunctions:
    b = Builder(_scalar(program), "real")
    for trace in update.traces:
        b.argument("trace", trace, type_="real&")
    added = [(b.argument("adds", trace, type_="real&"), local) for trace, local in update.adds]
    for name in sorted(_used(update.body)):
        role = name.partition(".")[0]
        if name in ("pre", "within") or role in ("post", "through", "read", "output", "reads", "shared", "past"):
            b.argument(role, name)
    for statement in update.body:
        b.local(statement)
    b.lines += carry(b, update.carry)
    b.lines += [f"{to} += {b.names[local]};" for to, local in added]
    of = f"a synapse of {update.connection}" if update.connection else f"a neuron of {update.group}, by {update.array}"
    comments = [f"Eligibility traces of {of}, a step on."]
    comments += [f"    {print_statement(s)}" for s in update.body]
    start: dict[str, Function] = {}
    for trace, value in update.start:
        name = f"start_of_trace_{index}_{len(start)}"
        start[trace] = first_value(name, f"{trace} at first", value, _scalar(program))
    return TraceFunctions(b.function(f"traces_{index}", comments), start)


def _scalar(program: Program) -> Scalar:
    return "float" if program.precision == "float32" else "double"


def _used(body: Iterable[Statement]) -> set[str]:
    return {name for s in body for name in s.reads}


def _update(program: Program, update: Update, reverse: bool) -> Function:
    group = program.group(update.group)
    b = Builder(_scalar(program), "real")
    ends = [local for _, local in (*update.carry, *update.stores, *update.sums)]
    used = _used(update.body) | set(ends)
    if "t" in used:
        b.argument("time", "t")
    if LEARNS in used:
        b.argument("learns", LEARNS)
    carried = list(dict.fromkeys([v for v, _ in update.carry] + [s for s in group.states if not reverse and s in used]))
    written = {v for v, _ in update.carry}
    for variable in carried:
        b.argument("carry", variable, type_="real&" if variable in written else "const real")
    for name in update.inputs:
        b.argument("input", name)
    for name in group.arrays:
        if name in used:
            b.argument("array", name)
    for local, slot in update.loads:
        identifier = b.argument("load", slot, hint=local)
        b.names[local] = identifier
    if update.spikes:
        b.argument("out", update.spikes, output=True, hint="fired")
    outs = {local: b.argument("store", slot, output=True, hint=f"kept_{slot}") for slot, local in update.stores}
    stores = [(b.arguments[-len(update.stores) + k].identifier, local) for k, (_, local) in enumerate(update.stores)]
    sums = [(b.argument("sum", v, output=True, hint=f"sum_{v}"), local) for v, local in update.sums]
    del outs
    for statement in update.body:
        b.local(statement)
    if update.spikes:
        fired = next(a.identifier for a in b.arguments if a.role == "out")
        b.lines.append(f"{fired} = {b.names[update.spikes]};")
    b.lines += [f"{target} = {b.names[local]};" for target, local in stores]
    b.lines += [f"{target} += {b.names[local]};" for target, local in sums]
    b.lines += carry(b, update.carry)
    rows = ", ".join(row.population for row in group.rows)
    word = "Adjoint of one step" if reverse else "One step"
    comments = [f"{word} of a neuron of {rows}."]
    comments += [f"    {print_statement(s)}" for s in update.body]
    if reverse:
        return b.function(f"adjoint_{group.name}{_label(update)}", comments)
    of_group = [o for o in program.forward if isinstance(o, Update) and o.group == group.name]
    return b.function(f"{'update' if update is of_group[-1] else 'flow'}_{group.name}", comments)


def _label(update: Update) -> str:
    for name in update.inputs:
        tail = name.rpartition(".adjoint")[2]
        if name != tail and tail:
            return f"_{tail}"
    return ""


def _derive(program: Program, group: Group) -> Function:
    b = Builder("double", "double")
    body = [a for d in program.derive if d.group == group.name for a in d.body]
    assigned = {a.name for a in body}
    needed = _used(body) | set(group.arrays)
    for symbol, _ in group.rows[0].values:
        if symbol in needed:
            b.argument("parameter", symbol)
    outputs = [(b.argument("out", name, output=True, hint=f"{name}.out"), name) for name in group.arrays]
    for assign in body:
        b.local(assign)
    b.lines += [f"{target} = {b.names[name]};" for target, name in outputs]
    comments = [f"Numbers of a neuron of {', '.join(r.population for r in group.rows)} that follow from parameters."]
    comments += [f"    {print_statement(a)}" for a in body if a.name in assigned]
    return b.function(f"derive_{group.name}", comments)


def _derive_adjoint(program: Program, operation: DeriveAdjoint) -> Function:
    group = program.group(operation.group)
    b = Builder("double", "double")
    wanted = _used(operation.body) | {local for _, local in operation.results}
    again: list[Statement] = []
    for assign in reversed([a for d in program.derive if d.group == group.name for a in d.body]):
        if assign.name in wanted:  # only what the adjoint reads again
            wanted |= symbols(assign.value)
            again.insert(0, assign)
    for symbol, _ in group.rows[0].values:
        if symbol in wanted:
            b.argument("parameter", symbol)
    for variable in operation.sums:
        b.argument("total", variable)
    for variable, _, _ in operation.told:
        b.argument("told", variable)
    results = [(b.argument("out", s, output=True, hint=f"{s}.gradient"), local) for s, local in operation.results]
    for statement in (*again, *operation.body):
        b.local(statement)
    b.lines += [f"{target} = {b.names[local]};" for target, local in results]
    comments = ["Gradient of a neuron's learnt parameters from the sums over time."]
    comments += [f"    {print_statement(a)}" for a in operation.body]
    return b.function(f"derive_adjoint_{group.name}", comments)


def _readout(readout: Readout, scalar: Scalar) -> tuple[ReadoutStep, ...]:
    steps: list[ReadoutStep] = []
    known = {"x": "map", "target": "map", "before": "map"}
    for statement in (*readout.body, *readout.gradient):
        assert isinstance(statement, Assign | Reduce)
        b = Builder(scalar, "real")
        for name in known:
            if name in symbols(statement.value):
                b.argument(known[name], name)
        b.lines.append(f"return {b.print(statement.value)};")
        function = b.function(f"readout{readout.index}_{len(steps)}", [print_statement(statement)], "real")
        kind = statement.operation if isinstance(statement, Reduce) else "map"
        known[statement.name] = "scalar" if isinstance(statement, Reduce) else "map"
        steps.append(ReadoutStep(kind, statement.name, function))
    return tuple(steps)


def _scalars(optimise: Optimise) -> Function:
    b = Builder("double", "double")
    b.argument("step", "k")
    b.argument("rate", "learning_rate")
    outputs = [(b.argument("out", a.name, output=True, hint=f"{a.name}.out"), a.name) for a in optimise.scalars]
    for assign in optimise.scalars:
        b.local(assign)
    b.lines += [f"{target} = {b.names[name]};" for target, name in outputs]
    b.lines.insert(0, "static_cast<void>(k), static_cast<void>(learning_rate);")
    return b.function("optimiser_scalars", [f"Numbers that {optimise.name} needs once a step."])


def _optimise(optimise: Optimise, scalar: Scalar) -> Function:
    b = Builder(scalar, "real")
    b.argument("value", "w", type_="real&")
    b.argument("gradient", "g")
    for state in optimise.states:
        b.argument("state", state, type_="real&")
    b.argument("rate", "rate")
    for assign in optimise.scalars:
        b.argument("scalar", assign.name)
    for assign in optimise.body:
        b.local(assign)
    b.lines += carry(b, optimise.carry)
    comments = [f"One step of {optimise.name} on an element, in the unit of the source."]
    return b.function("optimise", [*comments, *(f"    {print_statement(a)}" for a in optimise.body)])


__all__ = ["Argument", "Derive", "Dynamics", "Function", "ReadoutStep", "dynamics"]
