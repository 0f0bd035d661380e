"""The verifier: what every pass may assume and must keep. A failure is a bug of the compiler, not of the user."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.expressions.algebra import has_draws
from sncc.program.nodes import (
    Deliver,
    DeriveAdjoint,
    Draw,
    Fire,
    Gather,
    Group,
    Program,
    Readout,
    ReadoutAdjoint,
    Statement,
    Transpose,
    Update,
)
from sncc.program.order import topological


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
    for group in program.groups:
        _group(program, group)
    for connection in program.connections:
        _connection(program, connection.name)
    topological(program.groups, program.connections, program.forward)
    _forward(program)
    _reverse(program)
    _gradient(program)
    return program


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidProgram(message)


def _unique(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        _require(name not in seen, f"two of one name: {kind} {name}")
        seen.add(name)


def _group(program: Program, group: Group) -> None:
    keys = {p.key for p in program.parameters}
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
    weight = program.parameter(c.weight)
    expected = (c.source_size, c.target_size) if c.pattern == "dense" else (c.source_size,)
    _require(weight.dimensions == expected, f"{name}: weight of {weight.dimensions}, synapses of {expected}")
    target = program.group(c.target_group)
    _require(c.input in target.inputs, f"{name}: {c.target_group} has no input {c.input}")
    _require(any(r.offset == c.target_offset and r.size == c.target_size for r in target.rows), f"{name}: target rows")
    if c.source_group is not None:
        rows = program.group(c.source_group).rows
        _require(any(r.population == c.source and r.offset == c.source_offset for r in rows), f"{name}: source rows")


def _body(body: Iterable[Statement], known: set[str], where: str) -> set[str]:
    known = set(known)
    for statement in body:
        used = statement.reads
        values = () if isinstance(statement, Fire | Draw) else (statement.value,)
        _require(not any(has_draws(v) for v in values), f"{where}: a draw inside the expression of {statement.name}")
        _require(not isinstance(statement, Draw) or where.startswith("update"), f"{where}: {statement.name} is drawn")
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
    known = {"t"} | set(group.arrays) | set(update.inputs) | carried | {local for local, _ in update.loads}
    after = _body(update.body, known, where)
    for _, local in (*update.carry, *update.stores, *update.sums):
        _require(local in after, f"{where}: {local} is not written")
    _require(update.spikes is None or update.spikes in after, f"{where}: no local {update.spikes}")
    written |= {(update.group, slot) for slot, _ in update.stores}
    slots = {(s.group, s.name) for s in program.tape}
    _require({(update.group, s) for s, _ in update.stores} <= slots, f"{where}: a slot that the tape lacks")


def _forward(program: Program) -> None:
    updated: set[str] = set()
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
                updated.add(operation.group)
            case Readout(group=group, body=body, gradient=gradient):
                _require(group in updated, "the readout comes before the update it reads")
                known = _body((*body, *gradient), {"x", "target"}, "readout")
                _require(operation.loss in known, "the readout computes no loss")
    _require(updated == {g.name for g in program.groups}, "every group has one update")


def _reverse(program: Program) -> None:
    written = {(o.group, slot) for o in program.forward if isinstance(o, Update) for slot, _ in o.stores}
    filled: set[str] = set()
    for operation in program.reverse:
        match operation:
            case ReadoutAdjoint(into):
                _require(program.readout is not None, "an adjoint of no readout")
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
    _unique("gradient", (program.connection(o.connection).weight for o in program.gradient if isinstance(o, Gather)))
    for operation in program.gradient:
        match operation:
            case Gather(connection, slot):
                c = program.connection(connection)
                _require((c.target_group, slot) in stored, f"gather {connection}: slot {slot} is never stored")
                _require(program.parameter(c.weight).learnt, f"gather {connection}: {c.weight} is not learnt")
            case DeriveAdjoint(group, sums, body, results):
                known = {symbol for symbol, _ in program.group(group).rows[0].values} | set(sums)
                for derive in program.derive:
                    if derive.group == group:
                        known = _body(derive.body, known, f"derive {group}")
                after = _body(body, known, f"adjoint of derive {group}")
                _require(all(local in after for _, local in results), f"adjoint of derive {group}: a result is missing")
