"""The flow of one neuron over one step as expressions: exact propagators, exponential Euler, or an explicit method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sncc.diagnostics import Diagnostic, DiagnosticError
from sncc.expressions.algebra import ONE, ZERO, add, affine, mul, terms, total
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.model.nodes import Equation, Method
from sncc.program.statements import Assign


@dataclass(frozen=True, slots=True)
class Flow:
    """What the flow adds to a Program.

    coefficients: computed from parameters alone. body: locals of the update (stages of an explicit method). states:
    the value of each state after the step, from the states before it, the body's locals, the coefficients and drives.
    """

    coefficients: tuple[Assign, ...]
    body: tuple[Assign, ...]
    states: dict[str, Expression]


def flow(
    equations: Sequence[Equation], method: Method, step: float, constant: frozenset[str], substeps: int = 1
) -> Flow:
    """Discretise equations over `step` ms; `constant` names what does not change during a run (parameters).

    exact: x(h) = exp(A h) x + integral of exp(A s) ds · drive (Rotter and Diesmann 1999); drives are held over the
    step. substeps: so many steps of the method in one, each of a part of the time.
    """
    if substeps > 1:
        return _repeated(flow(equations, method, step / substeps, constant), step / substeps, substeps)
    if method == "exact":
        return _exact(equations, step, constant)
    if method == "exponential_euler":
        return _exponential_euler(equations, step, constant)
    return _EXPLICIT[method](equations, step)


def _repeated(part: Flow, step: float, times: int) -> Flow:
    """A flow so many times in a row: locals `2.k1.v` of the second part; each part starts from the one before."""
    body: list[Assign] = []
    now: dict[str, Expression] = {state: Symbol(state) for state in part.states}
    for number in range(1, times + 1):
        names: dict[str, Expression] = {a.name: Symbol(f"{number}.{a.name}") for a in part.body}
        names |= now
        if number > 1:
            names["t"] = add(Symbol("t"), Number((number - 1) * step))
        body += [Assign(f"{number}.{a.name}", substitute(a.value, names)) for a in part.body]
        now = {state: substitute(value, names) for state, value in part.states.items()}
        if number < times:
            body += [Assign(f"{number}.{state}", value) for state, value in now.items()]
            now = {state: Symbol(f"{number}.{state}") for state in now}
    return Flow(part.coefficients, tuple(body), now)


def _unfit(equation: Equation, method: Method, what: str) -> DiagnosticError:
    message = f"`method = {method}` needs equations that are linear in {what}, and that of `{equation.state}` is not"
    note = "what synapses deliver is a part of an equation"
    help = "leave `method` out, or take one that needs nothing: `rk4`, `heun` or `euler`"
    return DiagnosticError([Diagnostic("wrong-argument", equation.span, message, notes=(note,), help=(help,))])


# ------------------------------------------------------------------------------------------------ exact
def _exact(equations: Sequence[Equation], step: float, constant: frozenset[str]) -> Flow:
    names = [equation.state for equation in equations]
    matrix: dict[tuple[str, str], Expression] = {}
    drives: dict[str, Expression] = {}
    for equation in equations:
        parts = affine(equation.derivative, names)
        if parts is None or any(symbols(c) - constant - {"step"} for c in parts[0].values()):
            raise _unfit(equation, "exact", "the states with constant factors")
        matrix |= {(equation.state, k): c for k, c in parts[0].items() if c != ZERO}
        drives[equation.state] = parts[1]
    propagate = _numeric if _coupled(names, matrix) else _triangular
    coefficients: list[Assign] = []
    states: dict[str, Expression] = {}

    def keep(name: str, value: Expression) -> Expression:
        if isinstance(value, Number | Symbol):
            return value
        coefficients.append(Assign(name, value))
        return Symbol(name)

    for state in names:
        parts_of_state: list[Expression] = []
        for other in names:
            value = propagate(names, matrix, step, state, other, False)
            if value != ZERO:
                parts_of_state.append(mul(keep(f"P.{state}.{other}", value), Symbol(other)))
        fixed: list[Expression] = []  # drives that are constant during a run become one coefficient
        for other in names:
            steady = total(t for t in terms(drives[other]) if symbols(t) <= constant)
            varying = total(t for t in terms(drives[other]) if not symbols(t) <= constant)
            if steady == ZERO and varying == ZERO:
                continue
            value = propagate(names, matrix, step, state, other, True)
            if value == ZERO:
                continue
            fixed.append(mul(value, steady))
            if varying != ZERO:
                parts_of_state.append(mul(keep(f"Q.{state}.{other}", value), varying))
        if (sum_of_fixed := total(fixed)) != ZERO:
            parts_of_state.append(keep(f"K.{state}", sum_of_fixed))
        states[state] = total(parts_of_state)
    return Flow(tuple(coefficients), (), states)


def _coupled(names: Sequence[str], matrix: dict[tuple[str, str], Expression]) -> bool:
    """Whether two different states reach each other, so that no order makes the system triangular."""
    reach = {(i, j) for i, j in matrix if i != j}
    for k in names:
        reach |= {(i, j) for i in names for j in names if (i, k) in reach and (k, j) in reach}
    return any((i, i) in reach for i in names)


def _triangular(
    names: Sequence[str],
    matrix: dict[tuple[str, str], Expression],
    step: float,
    to: str,
    start: str,
    integrated: bool,
) -> Expression:
    """Entry of the propagator: the sum over the paths start → … → to of couplings times a divided difference of exp."""

    def paths(state: str) -> list[list[str]]:
        if state == start:
            return [[state]]
        return [[state, *rest] for (i, j) in matrix if i == state and j != state for rest in paths(j)]

    result: list[Expression] = []
    for path in paths(to):
        factor: Expression = ONE
        for i, j in zip(path, path[1:], strict=False):
            factor = mul(factor, matrix[i, j])
        points = [matrix.get((k, k), ZERO) for k in path] + ([ZERO] if integrated else [])
        result.append(mul(factor, _divided_difference(step, points)))
    return total(result)


def _divided_difference(step: float, points: Sequence[Expression]) -> Expression:
    h = Number(step)
    if len(points) == 1:
        return ONE if points[0] == ZERO else apply("exp", mul(h, points[0]))
    if len(points) == 2 and points[1] == ZERO:
        return h if points[0] == ZERO else mul(h, apply("phi1", mul(h, points[0])))
    return apply("expdd", h, *points)


def _numeric(
    names: Sequence[str],
    matrix: dict[tuple[str, str], Expression],
    step: float,
    to: str,
    start: str,
    integrated: bool,
) -> Expression:
    """Entry of the exponential of the whole matrix; integrated: with one constant state more that drives `start`."""
    size = len(names) + (1 if integrated else 0)
    entries: list[Expression] = []
    for i in range(size):
        for j in range(size):
            if i == len(names):
                entries.append(ZERO)
            elif j == len(names):
                entries.append(ONE if names[i] == start else ZERO)
            else:
                entries.append(matrix.get((names[i], names[j]), ZERO))
    column = len(names) if integrated else names.index(start)
    return apply("expm", float(names.index(to)), float(column), float(size), step, *entries)


# ------------------------------------------------------------------------------------------------ the others
def _exponential_euler(equations: Sequence[Equation], step: float, constant: frozenset[str]) -> Flow:
    """x + h phi1(h a) f(x): exact in the state itself, the others frozen at the step's start.

    Where a is constant during a run, exp(h a) x + h phi1(h a) (f(x) - a x), with coefficients that are computed once.
    """
    states: dict[str, Expression] = {}
    coefficients: list[Assign] = []
    for equation in equations:
        parts = affine(equation.derivative, [equation.state])
        if parts is None:
            raise _unfit(equation, "exponential_euler", f"`{equation.state}`")
        own = parts[0].get(equation.state, ZERO)
        if own != ZERO and symbols(own) <= constant:
            coefficients.append(Assign(f"P.{equation.state}.{equation.state}", apply("exp", mul(Number(step), own))))
            states[equation.state] = mul(Symbol(coefficients[-1].name), Symbol(equation.state))
            if parts[1] != ZERO:
                value = mul(Number(step), apply("phi1", mul(Number(step), own)))
                coefficients.append(Assign(f"Q.{equation.state}.{equation.state}", value))
                driven = mul(Symbol(coefficients[-1].name), parts[1])
                states[equation.state] = add(states[equation.state], driven)
            continue
        gain: Expression = Number(step)
        if own != ZERO:
            gain = mul(gain, apply("phi1", mul(Number(step), own)))
        states[equation.state] = add(Symbol(equation.state), mul(gain, equation.derivative))
    return Flow(tuple(coefficients), (), states)


def _stage(
    equations: Sequence[Equation], name: str, values: dict[str, Expression], time: float
) -> tuple[list[Assign], dict[str, Expression]]:
    """Derivatives at given states, `time` ms after the step's start, as locals `name.state`."""
    if time:
        values = values | {"t": add(Symbol("t"), Number(time))}
    body = [Assign(f"{name}.{e.state}", substitute(e.derivative, values)) for e in equations]
    return body, {e.state: Symbol(f"{name}.{e.state}") for e in equations}


def _moved(
    equations: Sequence[Equation], name: str, slopes: dict[str, Expression], by: float
) -> tuple[list[Assign], dict[str, Expression]]:
    """States moved along slopes by a time, as locals `name.state`."""
    body = [Assign(f"{name}.{e.state}", add(Symbol(e.state), mul(Number(by), slopes[e.state]))) for e in equations]
    return body, {e.state: Symbol(f"{name}.{e.state}") for e in equations}


def _euler(equations: Sequence[Equation], step: float) -> Flow:
    return Flow((), (), {e.state: add(Symbol(e.state), mul(Number(step), e.derivative)) for e in equations})


def _heun(equations: Sequence[Equation], step: float) -> Flow:
    first, k1 = _stage(equations, "k1", {}, 0.0)
    move, moved = _moved(equations, "x1", k1, step)
    second, k2 = _stage(equations, "k2", moved, step)
    states = {e.state: add(Symbol(e.state), mul(Number(step / 2), add(k1[e.state], k2[e.state]))) for e in equations}
    return Flow((), (*first, *move, *second), states)


def _rk4(equations: Sequence[Equation], step: float) -> Flow:
    body, k1 = _stage(equations, "k1", {}, 0.0)
    stages = [k1]
    for number, fraction in ((2, 0.5), (3, 0.5), (4, 1.0)):
        move, moved = _moved(equations, f"x{number - 1}", stages[-1], fraction * step)
        derive, slopes = _stage(equations, f"k{number}", moved, fraction * step)
        body += [*move, *derive]
        stages.append(slopes)
    states: dict[str, Expression] = {}
    for e in equations:
        k1, k2, k3, k4 = stages
        outer = add(k1[e.state], k4[e.state])
        inner = mul(Number(2.0), add(k2[e.state], k3[e.state]))
        states[e.state] = add(Symbol(e.state), mul(Number(step / 6), add(outer, inner)))
    return Flow((), tuple(body), states)


_EXPLICIT: dict[str, Callable[[Sequence[Equation], float], Flow]] = {"euler": _euler, "heun": _heun, "rk4": _rk4}
