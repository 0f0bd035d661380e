"""Put in the numbers that all populations of a group agree on, compute what follows, drop what is unused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from sncc.expressions.algebra import fold_all
from sncc.expressions.nodes import Expression, Number, substitute, symbols
from sncc.program.groups import Group, Row
from sncc.program.learning import DeriveAdjoint, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Derive, SynapseUpdate, Update
from sncc.program.rewrite import rewritten
from sncc.program.statements import Assign, Statement

S = TypeVar("S", bound=Statement)
Operation = TypeVar("Operation")


def constant_folding(program: Program) -> Program:
    """Put in the numbers that all populations of a group agree on, compute what follows, drop what is unused."""
    for group in program.groups:
        program = _fold_group(program, group)
    return program


def _fold_group(program: Program, group: Group) -> Program:
    known = _agreed(group)
    derive: list[Assign] = []
    for assign in (a for d in program.derive if d.group == group.name for a in d.body):
        value = fold_all(substitute(assign.value, known))
        if isinstance(value, Number):
            known[assign.name] = value
        else:
            derive.append(Assign(assign.name, value))

    def folded(operation: Operation) -> Operation:
        if isinstance(operation, Update) and operation.group == group.name:
            return replace(operation, body=_fold_body(operation.body, known))
        if isinstance(operation, DeriveAdjoint) and operation.group == group.name:
            first = (replace(one, factor=fold_all(substitute(one.factor, known))) for one in operation.first)
            return replace(operation, body=_fold_body(operation.body, known), first=tuple(first))
        return operation

    traces = tuple(
        _fold_start(o, known) if isinstance(o, TraceUpdate) and o.group == group.name else o for o in program.traces
    )
    forward = tuple(folded(o) for o in program.forward)
    reverse = tuple(folded(o) for o in program.reverse)
    gradient = tuple(folded(o) for o in program.gradient)
    rows = tuple(_fold_row(row, known) for row in group.rows)
    used = _used(o for o in (*forward, *reverse) if isinstance(o, Update) and o.group == group.name)
    used |= {s for row in rows for _, value in row.initial for s in symbols(value)}
    own_traces = (o for o in traces if isinstance(o, TraceUpdate) and o.group == group.name)
    used |= {s for o in own_traces for _, value in o.start for s in symbols(value)}
    own = {row.population for row in rows}
    moves = [o for o in program.forward if isinstance(o, SynapseUpdate)]
    used |= {variable for o in moves for _, population, variable in (*o.pre, *o.post) if population in own}
    arrays = tuple(a for a in group.arrays if a in used and a not in known)
    adjoints = [o for o in gradient if isinstance(o, DeriveAdjoint) and o.group == group.name]
    kept = _needed(derive, set(arrays) | {s for o in adjoints for a in o.body for s in symbols(a.value)})
    others = tuple(d for d in program.derive if d.group != group.name)
    return replace(
        program,
        groups=tuple(replace(g, rows=rows, arrays=arrays) if g.name == group.name else g for g in program.groups),
        derive=(*others, Derive(group.name, kept)) if kept else others,
        forward=forward,
        reverse=reverse,
        gradient=gradient,
        traces=traces,
    )


def _fold_start(update: TraceUpdate, known: dict[str, Expression]) -> TraceUpdate:
    return replace(update, start=tuple((trace, fold_all(substitute(v, known))) for trace, v in update.start))


def _agreed(group: Group) -> dict[str, Expression]:
    """Symbols that are one and the same number in every row."""
    known: dict[str, Expression] = {}
    for symbol, value in group.rows[0].values:
        if isinstance(value, float) and all(dict(row.values)[symbol] == value for row in group.rows):
            known[symbol] = Number(value)
    return known


def _fold_row(row: Row, known: dict[str, Expression]) -> Row:
    own = {s: Number(v) for s, v in row.values if isinstance(v, float)}
    return replace(row, initial=tuple((s, fold_all(substitute(v, {**known, **own}))) for s, v in row.initial))


def _fold_body(body: Sequence[S], known: dict[str, Expression]) -> tuple[S, ...]:
    """Substitute numbers; an assignment that has become a number is put in too and stays for whoever stores it."""
    known = dict(known)
    result: list[S] = []
    for statement in body:
        folded = rewritten(statement, lambda e: fold_all(substitute(e, known)))
        if isinstance(folded, Assign) and isinstance(folded.value, Number):
            known[folded.name] = folded.value
        result.append(folded)  # type: ignore[arg-type]
    return tuple(result)


def _used(updates: object) -> set[str]:
    used: set[str] = set()
    for update in updates:  # type: ignore[attr-defined]
        for statement in update.body:
            used |= statement.reads
        used |= {local for _, local in (*update.carry, *update.stores, *update.sums)}
    return used


def _needed(body: list[Assign], wanted: set[str]) -> tuple[Assign, ...]:
    result: list[Assign] = []
    for assign in reversed(body):
        if assign.name in wanted:
            wanted |= symbols(assign.value)
            result.append(assign)
    return tuple(reversed(result))
