"""Gradients of a group's learnt parameters from sums over time: the transposed `Derive`, and that of initial values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sncc.expressions.algebra import ZERO, add, has_draws, total
from sncc.expressions.calculus import derivative, without_stop
from sncc.expressions.nodes import Expression, Symbol, symbols
from sncc.gradients.transpose import as_local, transpose
from sncc.program.groups import Connection, Group
from sncc.program.learning import DeriveAdjoint, FirstSum
from sncc.program.nodes import Program
from sncc.program.operations import Update
from sncc.program.statements import Assign
from sncc.program.streams import with_streams

NOTHING: Mapping[str, str] = {}

# a number of a group, the connection by which synapses are told it, what has its gradient there
Told = tuple[str, str, tuple[str, str]]


def derive_adjoint(
    program: Program, update: Update, starts: Mapping[str, str] = NOTHING, by_synapses: Sequence[Told] = ()
) -> DeriveAdjoint | None:
    """The gradient operation of the group of a reverse update, or None where nothing of its own is learnt.

    The update sums the adjoints of the group's numbers over the steps. Where a state starts at a learnt parameter, its
    carried adjoint after the last step of the reverse phase is one more. `starts`: by state, what collects the credit
    for its value as it is delivered before the first step. `by_synapses`: numbers that synapses read as well.
    """
    name, group = update.group, program.group(update.group)
    sums, carried = tuple(variable for variable, _ in update.sums), {variable for variable, _ in update.carry}
    learnt = {p.key for p in program.parameters if p.learnt}
    wanted = frozenset(symbol for row in group.rows for symbol, value in row.values if value in learnt)
    body = [assign for d in program.derive if d.group == name for assign in d.body]
    seeds: dict[str, Expression] = {variable.removesuffix("~"): Symbol(variable) for variable in sums}
    first: list[FirstSum] = []
    for state, initial in group.rows[0].initial:
        told = [f"{state}~"] if f"{state}~" in carried else []
        told += [starts[state]] if state in starts else []
        if not (symbols(initial) & wanted and told):
            continue
        if has_draws(initial):
            first += _of_each_sample(group, state, sorted(symbols(initial) & wanted), tuple(told))
            continue
        body.append(Assign(f"{state}.start", initial))
        seeds[f"{state}.start"] = total(Symbol(name) for name in told)
        sums = (*sums, *told)
    for one in first:
        seeds[one.number] = add(seeds.get(one.number, ZERO), Symbol(one.name))
    sums = (*sums, *(one.name for one in first))
    named = [(f"{number}.told{k}~", number, c, place) for k, (number, c, place) in enumerate(by_synapses)]
    for name, number, _, _ in named:
        seeds[number] = add(seeds.get(number, ZERO), Symbol(name))
    if not sums and not named:
        return None
    transposed = transpose(body, seeds, wanted)
    reverse = list(transposed.body)
    results = [(w, as_local(f"{w}~.gradient", transposed.adjoints[w], reverse)) for w in sorted(transposed.adjoints)]
    return DeriveAdjoint(
        group.name,
        sums,
        tuple(s for s in reverse if isinstance(s, Assign)),
        tuple(results),
        tuple((name, c, place) for name, _, c, place in named),
        tuple(first),
    )


def _of_each_sample(group: Group, state: str, numbers: Sequence[str], adjoints: tuple[str, ...]) -> list[FirstSum]:
    """The gradients of numbers by which a state starts, where what each sample draws says how much."""
    found = ((number, first_by(group, number, (state,))[state]) for number in numbers)
    return [FirstSum(f"{state}.start.{n}~", n, adjoints, factor) for n, factor in found if factor != ZERO]


def first_by(group: Group, number: str, states: Sequence[str]) -> dict[str, Expression]:
    """Derivatives of the states' first values by a number; what these draw is drawn again."""
    row = group.rows[0]
    return {
        s: without_stop(derivative(with_streams(value, row.stream_of_start(s)), number))
        for s, value in row.initial
        if s in states
    }


def learnt_arrays(program: Program, group: Group) -> frozenset[str]:
    """Numbers per neuron that depend on a learnt parameter: its own symbol and coefficients computed from it."""
    learnt = {p.key for p in program.parameters if p.learnt}
    active = {symbol for row in group.rows for symbol, value in row.values if value in learnt}
    for derive in program.derive:
        if derive.group == group.name:
            for assign in derive.body:
                if symbols(assign.value) & active:
                    active.add(assign.name)
    return frozenset(active)


def starts_learnt(program: Program, c: Connection) -> bool:
    """Whether what is delivered before the first step, as it starts, depends on something learnt."""
    _, row = program.place(c.source)
    learnt = {p.key for p in program.parameters if p.learnt}
    bound = {symbol for symbol, value in row.values if value in learnt}
    return bool((c.delay or c.delays) and symbols(dict(row.initial)[c.values or ""]) & bound)
