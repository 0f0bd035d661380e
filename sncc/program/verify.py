"""The verifier: what every pass may assume and must keep. A failure is a bug of the compiler, not of the user."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.connectivity.patterns import Convolution, Dense, OfSynapses, Part, Pattern, Shared
from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import symbols
from sncc.program.groups import Connection, Group
from sncc.program.learning import (
    DeriveAdjoint,
    Each,
    Feedback,
    Gather,
    LearningSignal,
    PenaltyAdjoint,
    PenaltySignal,
    Picked,
    ReadoutAdjoint,
    SignalBack,
    TraceUpdate,
    Transpose,
)
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, Readout, SynapseUpdate, Update
from sncc.program.order import topological
from sncc.program.statements import LEARNS, Assign, Draw, Reduce, Repeat, Statement


class InvalidProgram(Exception):
    """A Program that breaks a rule of its own."""


def verify(program: Program) -> Program:
    """The Program itself, if it is sound.

    Raises InvalidProgram where a name is read before it is written, an operand does not exist, shapes do not fit, an
    undelayed cycle stands, or a weight has two gradients.
    """
    _unique("group", (g.name for g in program.groups))
    _unique("connection", (c.name for c in program.connections))
    _unique("parameter", (p.key for p in program.parameters))
    _unique("slot", (f"{s.group}.{s.name}" for s in program.tape))
    keys = {p.key for p in program.parameters}
    for group in program.groups:
        _group(program, group, keys)
    for connection in program.connections:
        _connection(program, connection.name)
    topological(program.groups, program.connections, program.forward)
    _forward(program)
    _reverse(program)
    _gradient(program)
    _traces(program)
    return program


def _traces(program: Program) -> None:
    """Every trace reads what its neurons, its readout or the traces before it hold."""
    signals = {(o.target[0], o.variable) for o in program.traces if isinstance(o, LearningSignal | PenaltySignal)}
    signals |= {(o.group, o.variable) for o in program.traces if isinstance(o, Picked)}
    for back in (o for o in program.traces if isinstance(o, SignalBack)):
        told = back.told or program.connection(back.connection or "").target_group
        _require((told, back.variable) in signals, f"signal back to {back.group}: no {back.variable}")
        signals.add((back.group, back.variable))
    for o in program.traces:
        if not isinstance(o, TraceUpdate):
            continue
        where = f"traces of {o.connection or f'{o.group}.{o.array}'}"
        known = {"pre", "within", *o.traces, *(f"post.{s}" for s in program.group(o.group).states)}
        alike = (g for g in program.groups if g.rows[0].size == program.group(o.group).rows[0].size)
        known |= {f"through.{g.name}.{s}" for g in alike for s in g.states}
        for k, readout in enumerate(program.readouts):
            states = program.group(readout.group).states
            known |= {f"reads.{k}", *(f"read.{k}.{s}" for s in states)}
            known |= {f"output.{k}.{s}" for s in states if o.each == Each(k)}
        if o.each is not None:
            shared = program.beside(o)[1]
            known |= {f"shared.{t}" for t in shared.traces} | {f"past.{t}" for t, _ in shared.kept}
            _require(all(trace in shared.traces for trace, _ in o.adds), f"{where}: no trace to add to")
        _require(all(symbol in known for _, symbol in o.delays), f"{where}: a delay is missing")
        after = _body(o.body, known, where)
        for signal, trace in o.penalised:
            _require((o.group, signal) in signals and trace in o.traces, f"{where}: no {signal} or {trace}")
        _require(all(local in after for _, local in o.carry), f"{where}: a local is missing")
        for signal, trace, index in o.gradient:
            _require((o.group, signal) in signals, f"{where}: no learning signal {signal}")
            _require(trace in o.traces and index < len(program.readouts), f"{where}: no trace {trace}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidProgram(message)


def _unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        _require(name not in seen, f"two of one name: {kind} {name}")
        seen.add(name)


def _group(program: Program, group: Group, keys: set[str]) -> None:
    end = 0
    for row in group.rows:
        _require(
            row.offset >= end and row.offset % 16 == 0, f"{group.name}: {row.population} overlaps or is not aligned"
        )
        end = row.offset + row.size
        for symbol, value in row.values:
            _require(
                not isinstance(value, str) or value in keys, f"{group.name}: {symbol} is bound to no parameter: {value}"
            )
        _require(tuple(s for s, _ in row.initial) == group.states, f"{group.name}: initial values of {row.population}")
    _require(end <= group.size and group.size % 16 == 0, f"{group.name}: size {group.size}")
    known = {symbol for symbol, _ in group.rows[0].values}
    for derive in program.derive:
        if derive.group == group.name:
            known = _body(derive.body, known, f"derive {group.name}")
    _require(set(group.arrays) <= known, f"{group.name}: arrays that nothing computes: {set(group.arrays) - known}")


def _connection(program: Program, name: str) -> None:
    c = program.connection(name)
    _weight(program, c)
    target = program.group(c.target_group)
    _require(c.input in target.inputs, f"{name}: {c.target_group} has no input {c.input}")
    _require(_within(target, c.target, c.target_offset, c.target_size), f"{name}: target rows")
    if c.source_group is not None:
        source = program.group(c.source_group)
        _require(_within(source, c.source, c.source_offset, c.source_size), f"{name}: source rows")
        known = set(source.states) if c.values is not None else set()
        _require(c.values is None or c.values in known, f"{name}: {c.source} has no variable {c.values}")
    if c.gain is not None:
        group, row = program.place(c.gain[0])
        _require(c.gain[1] in group.states, f"{name}: {c.gain[0]} has no variable {c.gain[1]}")
    if c.delays is not None:
        _require(any(p.key == c.delays for p in program.parameters), f"{name}: no delays {c.delays}")


def _weight(program: Program, c: Connection) -> None:
    weight = program.parameter(c.weight)
    if c.pattern != "sparse":
        expected: tuple[int, ...] = (c.source_size, c.target_size) if c.pattern == "dense" else (c.source_size,)
        _require(weight.dimensions == expected, f"{c.name}: weight of {weight.dimensions}, synapses of {expected}")
        return
    _require(c.structure is not None, f"{c.name}: a sparse connection without a structure")
    if isinstance(c.structure, Shared):
        sizes = _of_pairs(c.structure, c.source_part, c.target_part)
        _require(weight.dimensions == sizes, f"{c.name}: weight of {weight.dimensions}, shared {sizes}")
    elif isinstance(c.structure, Convolution) or isinstance(c.wiring, Convolution) and weight.connection is None:
        _require(len(weight.dimensions) == 2, f"{c.name}: weight of {weight.dimensions}, no kernel")
    elif isinstance(c.structure, OfSynapses) and weight.connection is None:
        sizes = _of_pairs(c.wiring, c.structure.source, c.structure.target)
        _require(weight.dimensions == sizes, f"{c.name}: weight of {weight.dimensions}, synapses of {list(sizes)}")
    else:
        _require(weight.dimensions == (-1,) and weight.connection is not None, f"{c.name}: weights of no synapses")


def _of_pairs(pattern: Pattern | None, source: Part | None, target: Part | None) -> tuple[int, ...]:
    """Dimensions of a weight that lies for all pairs of two parts."""
    sizes = [part.size for part in (source, target) if part is not None]
    shared = pattern if isinstance(pattern, Shared) else None
    whole = pattern if shared is None else shared.pattern
    if not isinstance(whole, Dense):
        return (sizes[0],)
    return tuple(reversed(sizes) if shared is not None and shared.turned else sizes)


def _within(group: Group, population: str, offset: int, size: int) -> bool:
    """Whether neurons of a group are all of one population."""
    rows = (r for r in group.rows if r.population == population)
    return any(r.offset <= offset and offset + size <= r.offset + r.size for r in rows)


def _body(body: Iterable[Statement], known: set[str], where: str) -> set[str]:
    known = set(known)
    for statement in body:
        used = statement.reads
        parts = statement.body if isinstance(statement, Repeat) else (statement,)
        values = (s.value for s in parts if isinstance(s, Assign | Reduce))
        _require(not any(has_draws(v) for v in values), f"{where}: a draw inside the expression of {statement.name}")
        drawn = any(isinstance(s, Draw) for s in parts)
        _require(not drawn or where.startswith("update"), f"{where}: {statement.name} is drawn")
        _require(
            used <= known, f"{where}: {statement.name} reads {', '.join(sorted(used - known))}, not written before"
        )
        _require(statement.name not in known, f"{where}: {statement.name} is written twice")
        known.add(statement.name)
    return known


def _update(program: Program, update: Update, carried: set[str], written: set[tuple[str, str]]) -> None:
    group = program.group(update.group)
    where = f"update {update.group}"
    for _, slot in update.loads:
        _require((update.group, slot) in written, f"{where}: slot {slot} is loaded before it is stored")
    known = {"t", LEARNS} | set(group.arrays) | set(update.inputs) | carried | {local for local, _ in update.loads}
    after = _body(update.body, known, where)
    for _, local in (*update.carry, *update.stores, *update.sums):
        _require(local in after, f"{where}: {local} is not written")
    _require(update.spikes is None or update.spikes in after, f"{where}: no local {update.spikes}")
    written |= {(update.group, slot) for slot, _ in update.stores}
    slots = {(s.group, s.name) for s in program.tape}
    _require({(update.group, s) for s, _ in update.stores} <= slots, f"{where}: a slot that the tape lacks")


def _forward(program: Program) -> None:
    updated: set[str] = set()
    last = {o.group: o for o in program.forward if isinstance(o, Update)}
    for operation in program.forward:
        match operation:
            case Deliver(connection):
                c = program.connection(connection)
                _require(c.target_group not in updated, f"deliver {connection} comes after its target's update")
                needs_source = c.source_group is not None and c.delay == 0
                _require(
                    not needs_source or c.source_group in updated,
                    f"deliver {connection} comes before its source's update",
                )
            case Update():
                _update(program, operation, set(program.group(operation.group).states), set())
                if operation is last[operation.group]:
                    updated.add(operation.group)
            case SynapseUpdate():
                _synapse_update(program, operation, updated)
            case Readout(group=group, body=body, gradient=gradient):
                _require(group in updated, "the readout comes before the update it reads")
                given = {"x", "target"} | ({"before"} if operation.before is not None else set())
                known = _body((*body, *gradient), given, "readout")
                if operation.before is not None:
                    _require(operation.reduction is None, "a reduced readout reads a second variable")
                    _require(operation.before in program.group(group).states, f"readout: no {operation.before}")
                _require(operation.loss in known, "the readout computes no loss")
    _require(updated == {g.name for g in program.groups}, "every group has one update")


def _synapse_update(program: Program, update: SynapseUpdate, updated: set[str]) -> None:
    c = program.connection(update.connection)
    where = f"update of synapses {c.name} at {update.when}"
    own = [s for s in program.synapses if s.connection == c.name]
    known = {"t", "weight", *(s for o in own for s in (*o.states, *(a for a, _ in o.arrays), *o.modulators))}
    earlier = update.pre if c.delays is not None and c.delay > 0 else ()  # read as they were at an earlier step
    for read in (*update.pre, *update.post):
        symbol, population, variable = read
        group, row = program.place(population)
        _require(variable in (*group.states, *group.arrays), f"{where}: {population} has no variable {variable}")
        if row.holds != "neurons" and update.when != "step" and read not in earlier:
            _require(group.name in updated, f"{where}: {population} moves afterwards")
        known.add(symbol)
    _require((c.target_group in updated) == (update.when == "post"), f"{where}: out of order")
    after = _body(update.body, known, where)
    drawn = {s.name for s in update.body if isinstance(s, Draw)}
    _require(drawn <= dict(update.streams).keys(), f"{where}: {drawn} have streams {update.streams}")
    for variable, local in update.carry:
        _require(local in after, f"{where}: {local} is not written")
        _require(variable == "weight" or variable in known, f"{where}: no state {variable}")
    for accumulator, local in update.deliver:
        _require(local in after, f"{where}: {local} is not written")
        inputs = program.group(c.target_group).inputs
        _require(accumulator in inputs, f"{where}: {c.target_group} has no input {accumulator}")


def _reverse(program: Program) -> None:
    written = {(o.group, slot) for o in program.forward if isinstance(o, Update) for slot, _ in o.stores}
    filled: set[str] = set()
    for operation in program.reverse:
        match operation:
            case ReadoutAdjoint(into, index, after):
                _require(index < len(program.readouts), "an adjoint of no readout")
                _require(not after or program.readouts[index].reduction == "max", "a step after none")
                filled.add(into)
            case PenaltyAdjoint(penalty, into):
                _require(penalty < len(program.penalties), "an adjoint of no penalty")
                filled.add(into)
            case Feedback(weight, source, slot, delay, target, into):
                sizes = (target[2],) if operation.one_to_one else (source[2], target[2])
                _require(program.parameter(weight).dimensions == sizes, f"feedback {weight}: not of {sizes}")
                ready = delay > 0 or (source[0], slot) in written
                _require(ready, f"feedback {weight}: {slot} of this step is not written yet")
                filled.add(into)
            case Transpose(connection, slot, into):
                c = program.connection(connection)
                ready = c.delay > 0 or (c.target_group, slot) in written
                _require(ready, f"transpose {connection}: {slot} of this step is not written yet")
                filled.add(into)
            case Update():
                carried = {variable for variable, _ in operation.carry}
                missing = set(operation.inputs) - filled
                _require(not missing, f"update {operation.group}: nothing fills {missing}")
                _update(program, operation, carried, written)


def _gradient(program: Program) -> None:
    stored = {(o.group, slot) for o in program.reverse if isinstance(o, Update) for slot, _ in o.stores}
    for o in program.before:
        c = program.connection(o.connection if isinstance(o, Transpose) else o.instead or "")
        _require((c.target_group, o.slot) in stored, f"before {c.name}: slot {o.slot} is never stored")
        _require(c.values is not None, f"before {c.name}: nothing is delivered before the first step")
    _unique("gradient", (o.connection for o in program.gradient if isinstance(o, Gather)))
    for operation in program.gradient:
        match operation:
            case Gather(connection, slot):
                c = program.connection(connection)
                _require((c.target_group, slot) in stored, f"gather {connection}: slot {slot} is never stored")
                _require(program.parameter(c.weight).learnt, f"gather {connection}: {c.weight} is not learnt")
            case DeriveAdjoint(group, sums, body, results, told):
                _first_sums(program, operation)
                for _, connection, (of, _) in told:
                    c = program.connection(connection)
                    alike = program.group(of).size == program.group(c.target_group).size
                    _require(c.source_group == group and alike, f"adjoint of derive {group}: told by {of}")
                known = {symbol for symbol, _ in program.group(group).rows[0].values} | set(sums)
                known |= {name for name, _, _ in told}
                for derive in program.derive:
                    if derive.group == group:
                        known = _body(derive.body, known, f"derive {group}")
                after = _body(body, known, f"adjoint of derive {group}")
                _require(all(local in after for _, local in results), f"adjoint of derive {group}: a result is missing")


def _first_sums(program: Program, operation: DeriveAdjoint) -> None:
    where = f"adjoint of derive {operation.group}"
    carried = {v for o in program.reverse if isinstance(o, Update) and o.group == operation.group for v, _ in o.carry}
    carried |= {o.into for o in program.before}
    for one in operation.first:
        _require(one.name in operation.sums and set(one.adjoints) <= carried, f"{where}: {one.name} is not told")
        unknown = symbols(one.factor) - set(program.group(operation.group).arrays)
        _require(not unknown, f"{where}: {one.name} reads {unknown}")
