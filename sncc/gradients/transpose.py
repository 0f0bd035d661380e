"""The one transposition: statements → statements that carry adjoints backwards, statement by statement.

Local partial derivatives come from sympy. A spike's derivative is the surrogate; `stop` and random draws are constants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sncc.expressions.algebra import ZERO, add, mul
from sncc.expressions.calculus import derivative, without_stop
from sncc.expressions.nodes import Apply, Expression, Symbol, symbols
from sncc.gradients.repeated import differentiated
from sncc.program.operations import Update
from sncc.program.statements import SURROGATE, Assign, Draw, Fire, Reduce, Repeat, Statement


def adjoint(name: str) -> str:
    """Name of the adjoint of a local, the derivative of the loss by it."""
    return f"{name}~"


@dataclass(frozen=True, slots=True)
class Transposed:
    """Statements of the reverse direction, and the adjoint of each wanted name (absent where it is zero).

    ahead: statements that the forward direction has besides, derivatives of what it repeats with numbers drawn each
    time.
    """

    body: tuple[Statement, ...]
    adjoints: dict[str, Expression]
    ahead: tuple[Statement, ...] = ()


def transpose(
    body: Sequence[Statement],
    seeds: Mapping[str, Expression],
    wanted: frozenset[str],
    surrogate: str = SURROGATE,
) -> Transposed:
    """Adjoints of the `wanted` names of a body, given those of some of its locals (`seeds`).

    Where the body reduces over outputs, an adjoint of such a scalar is again a sum over the outputs.
    """
    active = _active(body, wanted)
    scalars = {s.name for s in body if isinstance(s, Reduce)}
    sums: dict[str, Expression] = dict(seeds)
    result: list[Statement] = []
    ahead: list[Statement] = []

    def give(name: str, contribution: Expression, per_output: bool) -> None:
        if name not in active or contribution == ZERO:
            return
        if per_output and name in scalars:
            local = f"{adjoint(name)}.{len(result)}"
            result.append(Reduce(local, "sum", contribution))
            contribution = Symbol(local)
        sums[name] = add(sums.get(name, ZERO), contribution)

    for statement in reversed(body):
        bar = sums.pop(statement.name, ZERO) if statement.name not in wanted else sums.get(statement.name, ZERO)
        if bar == ZERO or statement.name not in active:
            continue
        if isinstance(bar, Apply):
            result.append(Assign(adjoint(statement.name), bar))
            bar = Symbol(adjoint(statement.name))
        match statement:
            case Fire(distance=distance):
                assert isinstance(distance, Symbol)
                give(distance.name, mul(bar, Symbol(surrogate)), False)
            case Reduce(operation="max"):
                pass  # taken out again by the formula it serves, so a constant
            case Assign(value=value) | Reduce(value=value):
                for name in sorted(symbols(value)):
                    if name in active:
                        partial = without_stop(derivative(value, name))
                        per_output = isinstance(statement, Assign) and bool(scalars) or isinstance(statement, Reduce)
                        give(name, mul(bar, partial), per_output)
            case Repeat():
                for name in sorted(statement.reads & active):
                    if (by := differentiated(statement, name)) is not None:
                        (ahead if statement.draws else result).append(by)
                        give(name, mul(bar, Symbol(by.name)), False)
    found = {name: sums[name] for name in sorted(wanted) if sums.get(name, ZERO) != ZERO}
    return Transposed(tuple(result), found, tuple(ahead))


def _active(body: Sequence[Statement], wanted: frozenset[str]) -> frozenset[str]:
    """Names that depend on the wanted ones."""
    active = set(wanted)
    for statement in body:
        if isinstance(statement, Draw):  # draws are constants for the gradient
            continue
        constant = isinstance(statement, Reduce) and statement.operation == "max"
        source = symbols(statement.distance) if isinstance(statement, Fire) else statement.reads
        if source & active and not constant:
            active.add(statement.name)
    return frozenset(active)


def with_statements(update: Update, statements: Iterable[Statement]) -> Update:
    """An update with more statements behind its own, but for those that it has already."""
    known = {s.name for s in update.body}
    return replace(update, body=(*update.body, *(s for s in statements if s.name not in known)))


def as_local(name: str, value: Expression, body: list[Statement]) -> str:
    """A local of that value, assigned in the body under `name` unless it is one already."""
    if isinstance(value, Symbol):
        return value.name
    body.append(Assign(name, value))
    return name
