"""White noise in equations: draws of the update, and what they add to the states after the flow.

Additive noise of a linear flow has the flow's own exact covariance, C(h) = integral of exp(A s) B Bᵀ exp(Aᵀ s) ds over
the step (Van Loan 1978), of which `derive` computes the Cholesky factor. Any other noise is a step of Euler and
Maruyama: its factor at the step's start, times sqrt(h), times a normal number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sncc.expressions.algebra import ZERO, affine, mul, neg, sub, total
from sncc.expressions.nodes import Expression, Number, Symbol, apply, symbols
from sncc.lower.traces import unsupported
from sncc.model.nodes import Equation
from sncc.model.white_noise import NOISE, is_noise
from sncc.program.statements import Assign, Draw

Matrix = dict[tuple[str, str], Expression]


@dataclass(frozen=True, slots=True)
class Noise:
    """equations: without noise. coefficients: of parameters alone. draws; added: what they add to each state."""

    equations: tuple[Equation, ...]
    coefficients: tuple[Assign, ...]
    draws: tuple[Draw, ...]
    added: dict[str, Expression]


def noise_of(equations: Sequence[Equation], exact: bool, step: float, constant: frozenset[str]) -> Noise:
    """Split the noise (symbols `noise.K`) from equations; `exact`: the flow is linear, of `constant` coefficients."""
    names = sorted({s for e in equations for s in symbols(e.derivative) if is_noise(s)})
    factors: dict[str, dict[str, Expression]] = {}
    clean: list[Equation] = []
    for equation in equations:
        parts = affine(equation.derivative, names)
        if parts is None:
            what = "`noise` inside a function or a product with itself"
            raise unsupported(equation.span, what, "add it, times a factor")
        clean.append(Equation(equation.state, parts[1], equation.span))
        factors[equation.state] = {k: c for k, c in parts[0].items() if c != ZERO}
    if not names:
        return Noise(tuple(equations), (), (), {})
    if exact and all(symbols(c) <= constant for row in factors.values() for c in row.values()):
        coefficients, draws, added = _exact(clean, factors, step)
    else:
        root = Number(step**0.5)
        draws = tuple(_normal(name) for name in names)
        coefficients = ()
        added = {
            state: total(mul(mul(root, c), Symbol(name)) for name, c in row.items())
            for state, row in factors.items()
            if row
        }
    return Noise(tuple(clean), coefficients, draws, added)


def _normal(name: str) -> Draw:
    return Draw(name, "normal", (Number(0.0), Number(1.0)))


def _exact(
    equations: Sequence[Equation], factors: dict[str, dict[str, Expression]], step: float
) -> tuple[tuple[Assign, ...], tuple[Draw, ...], dict[str, Expression]]:
    names = [e.state for e in equations]
    matrix: Matrix = {}
    for equation in equations:
        parts = affine(equation.derivative, names)
        assert parts is not None  # the flow is exact
        matrix |= {(equation.state, k): c for k, c in parts[0].items() if c != ZERO}
    moved = _moved(names, matrix, factors)
    coefficients = _covariance(moved, matrix, factors, step)
    for k, state in enumerate(moved):  # Cholesky, with zeros where the covariance has no full rank
        for j, other in enumerate(moved[: k + 1]):
            known = total(mul(_factor(state, i), _factor(other, i)) for i in moved[:j])
            rest = sub(Symbol(f"covariance.{state}.{other}"), known)
            if j == k:
                value = apply("sqrt", apply("max", rest, 0.0))
            else:
                pivot = _factor(other, other)
                value = apply("select", apply("gt", pivot, 0.0), apply("div", rest, apply("max", pivot, 1e-300)), 0.0)
            coefficients.append(Assign(_factor(state, other).name, value))
    draws = tuple(_normal(f"{NOISE}{state}") for state in moved)
    added = {
        state: total(mul(_factor(state, other), Symbol(f"{NOISE}{other}")) for other in moved[: k + 1])
        for k, state in enumerate(moved)
    }
    return tuple(coefficients), draws, added


def _factor(state: str, other: str) -> Symbol:
    return Symbol(f"deviation.{state}.{other}")


def _moved(names: Sequence[str], matrix: Matrix, factors: dict[str, dict[str, Expression]]) -> list[str]:
    """The states that noise reaches."""
    reached = {state for state, row in factors.items() if row}
    while more := {i for i, j in matrix if j in reached} - reached:
        reached |= more
    return [state for state in names if state in reached]


def _covariance(
    moved: Sequence[str], matrix: Matrix, factors: dict[str, dict[str, Expression]], step: float
) -> list[Assign]:
    def power(i: str, j: str) -> Expression:
        return total(mul(factors[i][k], factors[j][k]) for k in factors[i] if k in factors[j])

    if len(moved) == 1:
        (state,) = moved
        rate = mul(Number(2.0 * step), matrix.get((state, state), ZERO))
        value = mul(mul(Number(step), power(state, state)), apply("phi1", rate))
        return [Assign(f"covariance.{state}.{state}", value)]
    size = len(moved)
    entries: list[Expression] = []
    for row in range(2 * size):
        for column in range(2 * size):
            to, start = moved[row % size], moved[column % size]
            if row < size and column < size:
                entries.append(neg(matrix.get((to, start), ZERO)))
            elif row < size:
                entries.append(power(to, start))
            else:
                entries.append(ZERO if column < size else matrix.get((start, to), ZERO))

    def entry(row: int, column: int) -> Expression:
        return apply("expm", float(row), float(column), float(2 * size), step, *entries)

    result = []
    for k, state in enumerate(moved):
        for j, other in enumerate(moved[: k + 1]):
            products = (mul(entry(size + i, size + k), entry(i, size + j)) for i in range(size))
            result.append(Assign(f"covariance.{state}.{other}", total(products)))
    return result
