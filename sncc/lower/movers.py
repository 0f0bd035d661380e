"""What moves by itself beside a target that follows it: how much it moves the target's states over a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sncc.expressions.algebra import ONE, ZERO, add, affine, div, fold_all, mul
from sncc.expressions.nodes import Apply, Expression, Number, Symbol, apply, rewrite, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.flow import flow
from sncc.model.integration import integration
from sncc.model.nodes import Dynamics, Equation, Input, Method, Parameter, Plasticity, Population, State, Synapse
from sncc.model.white_noise import is_noise

_TARGET = "target."  # before the target's states where they flow beside others; a user's names hold no dot
_ARRIVING = Symbol("target.input!")

Response = Mapping[str, Expression]
"""Derivatives of states that an input reaches, of `target.STATE`, `_ARRIVING` and the target's numbers, `post.NAME`."""

MEAN: Response = {"mean": div(_ARRIVING, Symbol("step"))}


def method_of(block: Synapse | Plasticity, equations: tuple[Equation, ...]) -> Method:
    """The method that steps states which each synapse has for itself;
    what these read of others stands still during a step.
    """
    moving = {e.state for e in equations}
    still = {s for e in equations for s in symbols(e.derivative) if not is_noise(s)}
    inputs = tuple(Input(name, PLAIN) for name in sorted(still - moving - {p.name for p in block.parameters}))
    method = block.method if isinstance(block, Synapse) else None
    return integration(Dynamics(tuple(s for s in block.states if s.name in moving), inputs, equations, method=method))


@dataclass(frozen=True, slots=True)
class Mover:
    """States that move by themselves, of a synapse or of a source for its synapses."""

    states: tuple[State, ...]
    equations: tuple[Equation, ...]
    parameters: tuple[Parameter, ...]
    method: Method | None

    @classmethod
    def of(cls, synapse: Synapse | Dynamics, parameters: tuple[Parameter, ...]) -> Mover:
        """The states of a synapse, or of a population for its synapses."""
        return cls(synapse.states, synapse.equations, parameters, synapse.method)

    @property
    def names(self) -> list[str]:
        """Those of its states that have an equation."""
        return [e.state for e in self.equations]

    @property
    def is_linear(self) -> bool:
        """Whether it moves exactly."""
        known = {p.name for p in self.parameters} | {s.name for s in self.states}
        read = {n for e in self.equations for n in symbols(e.derivative) if not is_noise(n)} - known
        inputs = tuple(Input(name, PLAIN) for name in sorted(read))
        return integration(Dynamics(self.states, inputs, self.equations, method=self.method)) == "exact"

    def tells(self, value: Expression) -> bool:
        """Whether a value moves over a step."""
        return bool(symbols(value) & set(self.names))

    def terms(
        self, response: Response, deliver: Expression, step: float
    ) -> dict[Expression, dict[str, Expression]] | None:
        """Values at the step's start, and by how much each state moves for one of it;
        None where `deliver` is not affine.
        """
        parts = affine(deliver, self.names)
        if parts is None:
            return None
        of_states: list[tuple[Expression, Expression]] = [(Symbol(s), k) for s, k in parts[0].items()]
        result: dict[Expression, dict[str, Expression]] = {}
        for source, factor in (*of_states, (ONE, parts[1])):
            if fold_all(factor) == ZERO:
                continue
            for state, moved in self._moved(response, source, step).items():
                linear = affine(moved, self.names)
                assert linear is not None
                by_states: list[tuple[Expression, Expression]] = [(Symbol(s), k) for s, k in linear[0].items()]
                for value, by in (*by_states, (ONE, linear[1])):
                    if (by := fold_all(by)) != ZERO:
                        found = result.setdefault(mul(factor, value), {})
                        found[state] = add(found.get(state, ZERO), by)
        return result

    def _moved(self, response: Response, source: Expression, step: float) -> dict[str, Expression]:
        """What the states are moved by where the input is one of these, or one."""
        given: dict[str, Expression] = {_ARRIVING.name: source, "step": Number(step)}
        calm: dict[str, Expression] = {n: ZERO for e in self.equations for n in symbols(e.derivative) if is_noise(n)}
        equations = [
            *(Equation(f"{_TARGET}{state}", substitute(slope, given)) for state, slope in response.items()),
            *(Equation(e.state, substitute(e.derivative, calm)) for e in self.equations),
        ]
        names = {e.state for e in equations}
        fixed = frozenset({name for e in equations for name in symbols(e.derivative)} - names)
        flowed = flow(equations, "exact", step, fixed)
        values: dict[str, Expression] = {a.name: a.value for a in flowed.coefficients}
        values |= {f"{_TARGET}{state}": ZERO for state in response}
        return {state: fold_all(substitute(flowed.states[f"{_TARGET}{state}"], values)) for state in response}


def response_of(
    population: Population, dynamics: Dynamics, where: str, still: tuple[str, ...]
) -> dict[str, Expression] | None:
    """How the states that an input reaches follow it, those named standing `still`; None: not linearly, by numbers of
    the population.
    """
    names = [s.name for s in dynamics.states]
    rows: dict[str, dict[str, Expression]] = {}
    for e in dynamics.equations:
        parts = affine(e.derivative, [*names, where])
        if parts is None:
            return None
        rows[e.state] = {} if e.state in still else {k: v for k, v in parts[0].items() if fold_all(v) != ZERO}
    reached: set[str] = {where}
    while more := {x for x, row in rows.items() if reached & row.keys()} - reached:
        reached |= more
    called: dict[str, Expression] = {p.name: Symbol(f"post.{p.name}") for p in population.parameters}
    result: dict[str, Expression] = {}
    for x in (x for x in rows if x in reached):
        slope: Expression = ZERO
        for y in (y for y in rows[x] if y in reached):
            if symbols(rows[x][y]) - called.keys() - {"step"}:
                return None
            factor = substitute(rows[x][y], called)
            slope = add(slope, mul(factor, _ARRIVING if y == where else Symbol(f"{_TARGET}{y}")))
        result[x] = slope
    return result


def quick(expression: Expression) -> Expression:
    """The same with divided differences of two points by functions that every engine evaluates at once.

    Their derivatives are wrong where the points are equal, so not where gradients are taken.
    """

    def change(node: Expression) -> Expression:
        match node:
            case Apply(operation="expdd", arguments=(h, a, b)):
                above, below = apply("max", a, b), apply("min", a, b)  # so that nothing overflows
                gap = apply("sub", below, above)
                return mul(apply("exp", mul(h, above)), mul(h, apply("phi1", mul(h, gap))))
        return node

    return rewrite(expression, change)
