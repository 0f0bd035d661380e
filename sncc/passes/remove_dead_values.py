"""Drop statements of updates whose values nothing carries, keeps, sums or lists."""

from __future__ import annotations

from dataclasses import replace

from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.statements import Statement


def remove_dead_values(program: Program) -> Program:
    """Drop statements of updates whose values nothing carries, keeps, sums or lists."""
    forward = tuple(without_dead(o) if isinstance(o, Update) else o for o in program.forward)
    reverse = tuple(without_dead(o) if isinstance(o, Update) else o for o in program.reverse)
    return replace(program, forward=forward, reverse=reverse)


def without_dead(update: Update) -> Update:
    """An update without the statements that nothing needs."""
    wanted = {local for _, local in (*update.carry, *update.stores, *update.sums)}
    if update.spikes:
        wanted.add(update.spikes)
    kept: list[Statement] = []
    for statement in reversed(update.body):
        if statement.name in wanted:
            kept.append(statement)
            wanted |= statement.reads
    return replace(update, body=tuple(reversed(kept)))
