"""Model → Model: what moves by itself and delivers all the time (synapses that no neuron can carry, and states that a
source has for its synapses) delivers as if it moved together with its target, as sums over synapses.

How the target is integrated decides what is added up:

exact: a target's states x follow dx/dt = A x + B I, where the input I adds up what is delivered, s; and s its own
linear equations. So x at the step's end is what it would be without s, plus a factor times s at the step's start, for
instance (exp(A h) - exp(a h)) / (A - a) where ds/dt = a s. Where all synapses have one factor, the sum of s is added to
x, times that, as the flow ends (`Dynamics.integrated`); else each synapse multiplies by its own, for each state x.

exponential Euler, Euler: all is as it was at the step's start but the state that is moved, so the sum of what does not
depend on the target, and where `deliver` is affine in states of the target (`g * (reversal - post.v)`) the sum of the
factors of each.

rk4, heun, and an input that enters nonlinearly: the mean over the step of these sums, the target held.

What is read of neurons otherwise is held over the step, and what is not linear itself delivers what it delivers at the
step's start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sncc.expressions.algebra import ZERO, add, affine, fold_all, mul, total
from sncc.expressions.nodes import Expression, Number, Symbol, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.movers import MEAN, Mover, response_of
from sncc.model.integration import integration
from sncc.model.nodes import (
    Assignment,
    Connection,
    Dynamics,
    Input,
    Integrated,
    Method,
    Model,
    Parameter,
    Population,
    State,
)


def deliver_over_steps(model: Model) -> Model:
    """The model in which synapses that move by themselves say what they deliver into which input,
    and sources likewise.
    """
    populations = {p.name: p for p in model.populations}
    connections: list[Connection] = list(model.connections)
    for name in [p.name for p in model.populations if p.dynamics is not None]:
        arriving = [c for c in connections if c.target == name and (_moves(c) or _is_valued(c, populations))]
        if not arriving:
            continue
        target = _Target(populations[name], [c for c in arriving if _moves(c)], model.step)
        moved: dict[str, list[Connection]] = {}
        for c in sorted(arriving, key=_canonical):
            if _moves(c):
                moved[c.name] = [replace(c, deliveries=target.deliveries(c))]
            else:
                populations[c.source], moved[c.name] = target.valued(c, populations[c.source])
        populations[name] = target.population
        connections = [new for c in connections for new in moved.get(c.name, [c])]
    return replace(model, populations=tuple(populations.values()), connections=tuple(connections))


def _moves(c: Connection) -> bool:
    """Whether synapses that no neuron can carry deliver something."""
    return c.synapse is not None and c.synapse.deliver is not None


def _is_valued(c: Connection, populations: Mapping[str, Population]) -> bool:
    """Whether a source delivers states that it has for its synapses."""
    return c.values is not None and not c.impulses and populations[c.source].holds == "traces"


def _canonical(c: Connection) -> tuple[str, ...]:
    """An order that does not depend on that of connections."""
    return (c.input, c.synapse.model if c.synapse is not None else "", c.name)


# ------------------------------------------------------------------------------------------------ the target
@dataclass(frozen=True, slots=True)
class _Split:
    """What a synapse delivers: `rest`, and `slopes` times states of the target."""

    rest: Expression
    slopes: dict[str, Expression]


@dataclass(frozen=True, slots=True)
class _Term:
    """A value, and what one of it moves states by: in a free step, and in one that holds states."""

    value: Expression
    moves: dict[str, tuple[Expression, Expression]]

    @property
    def reads(self) -> set[str]:
        return {n for pair in self.moves.values() for factor in pair for n in symbols(factor)}


class _Target:
    """A population with the inputs that what is delivered to it needs."""

    def __init__(self, population: Population, moving: Iterable[Connection], step: float) -> None:
        assert population.dynamics is not None
        self.step = step
        self._before, self.dynamics = population, population.dynamics
        self._parameters: dict[str, Parameter] = {p.name: p for p in population.parameters}
        self._integrated: dict[tuple[str, str], Integrated] = {}
        self._splits = {c.name: self._split(c) for c in moving}
        sloped = {(c.input, state) for c in moving for state in self._splits[c.name].slopes}
        for where in sorted({where for where, _ in sloped}):
            states = [s.name for s in self.dynamics.states if (where, s.name) in sloped]
            self.dynamics = _with_slopes(self.dynamics, where, states)
        self.method: Method = integration(replace(self.dynamics, each_step=()))
        self._tags: dict[object, str] = {}

    @property
    def population(self) -> Population:
        """As it is with what has been delivered so far."""
        known = {i.name for i in self.dynamics.inputs}
        added = [i.input for i in self._integrated.values() if i.input not in known]
        dynamics = replace(
            self.dynamics,
            inputs=(*self.dynamics.inputs, *(Input(name, PLAIN) for name in dict.fromkeys(added))),
            integrated=tuple(self._integrated.values()),
        )
        return replace(self._before, parameters=tuple(self._parameters.values()), dynamics=dynamics)

    # -------------------------------------------------------------------------------------------- synapses
    def deliveries(self, c: Connection) -> tuple[tuple[str, Expression], ...]:
        """(input, what is delivered into it) of a connection's synapses."""
        assert c.synapse is not None
        mover, split = Mover.of(c.synapse, c.synapse.parameters), self._splits[c.name]
        held = [(c.input, split.rest), *((_slope(c.input, state), k) for state, k in split.slopes.items())]
        if self._is_held(c.input) or not mover.is_linear or not mover.tells(c.synapse.deliver or ZERO):
            return tuple(held)
        if self.method == "exact" and (terms := self._terms(c.input, mover, split.rest)) is not None:
            shared = {p.name for p in mover.parameters if p.storage != "each"}
            shared |= {f"post.{p.name}" for p in self._before.parameters}
            if all(_is_of(term, shared) for term in terms):
                return self._by_target(self._tag(c), c, mover.parameters, terms)
            return self._by_synapse(terms)
        means = [(name, mover.terms(MEAN, k, self.step)) for name, k in held]
        return tuple(
            (name, value if found is None else total(mul(v, moves["mean"]) for v, moves in found.items()))
            for (name, value), (_, found) in zip(held, means, strict=True)
        )

    def _split(self, c: Connection) -> _Split:
        assert c.synapse is not None and c.synapse.deliver is not None
        deliver = c.synapse.deliver
        states = {f"post.{e.state}": e.state for e in self.dynamics.equations}
        read = [name for name in states if name in symbols(deliver)]
        parts = affine(deliver, read)
        if not read or parts is None or c.input in _mapped(self.dynamics):
            return _Split(deliver, {})
        return _Split(parts[1], {states[name]: k for name, k in parts[0].items() if fold_all(k) != ZERO})

    def _tag(self, c: Connection) -> str:
        """What the numbers and sums of a connection's synapses are called; those of equal ones alike."""
        assert c.synapse is not None
        stored = None if all(p.storage == "compiled" for p in c.synapse.parameters) else c.name
        numbers = tuple((p.name, p.value) for p in c.synapse.parameters)
        identity = (c.input, stored, numbers, c.synapse.states, c.synapse.equations, c.synapse.deliver)
        return self._tags.setdefault(identity, f"moving{len(self._tags) + 1}")

    def _by_target(
        self, tag: str, c: Connection, parameters: Sequence[Parameter], terms: Sequence[_Term]
    ) -> tuple[tuple[str, Expression], ...]:
        """Sums of values, by which the target moves its states."""
        result: list[tuple[str, Expression]] = []
        for number, term in enumerate(terms, 1):
            self._moved_by(f"sum{number}.{tag}", tag, c.name, parameters, term)
            result.append((f"sum{number}.{tag}", term.value))
        return tuple(result)

    def _by_synapse(self, terms: Sequence[_Term]) -> tuple[tuple[str, Expression], ...]:
        """What each synapse moves each of the target's states by."""
        sums: dict[str, Expression] = {}
        for term in terms:
            for state, (free, held) in term.moves.items():
                apart = free != held
                for name, factor in ((".free", free), (".held", held)) if apart else (("", free),):
                    where = f"delivered.{state}{name}"
                    sums[where] = add(sums.get(where, ZERO), mul(term.value, factor))
                    factors = (Number(float(name != ".held")), Number(float(name != ".free")))
                    self._integrated[state, where] = Integrated(state, where, *factors)
        return tuple((where, value) for where, value in sums.items() if value != ZERO)

    # -------------------------------------------------------------------------------------------- sources
    def valued(self, c: Connection, trace: Population) -> tuple[Population, list[Connection]]:
        """A source's states for its synapses with the values that a connection delivers,
        and what becomes of the connection.
        """
        assert trace.dynamics is not None and c.values is not None
        mover, value = Mover.of(trace.dynamics, trace.parameters), _value(trace.dynamics, c.values)
        if self._is_held(c.input) or not mover.is_linear or not mover.tells(value):
            return trace, [c]
        tag = c.input.partition(".")[2]
        terms = self._terms(c.input, mover, value) if self.method == "exact" else None
        if terms is None:
            found = mover.terms(MEAN, value, self.step)
            if found is None:
                return trace, [c]
            terms = [_Term(total(mul(v, moves["mean"]) for v, moves in found.items()), {})]
        result: list[Connection] = []
        for number, term in enumerate(terms):
            where = f"{c.input}.{number + 1}" if term.moves else c.input
            if term.moves:
                self._moved_by(where, tag, c.name, trace.parameters, term)
            trace, values, delay = _telling(trace, c, term.value)
            name = c.name if not number else f"{c.name}.{number}"
            owner = c.synapses_of if not number else c.synapses_of or c.name
            result.append(replace(c, name=name, input=where, values=values, delay_steps=delay, synapses_of=owner))
        return trace, result

    # -------------------------------------------------------------------------------------------- both
    def _is_held(self, where: str) -> bool:
        """Whether what arrives at an input is that of the step's start."""
        return where in _mapped(self.dynamics) or self.method in ("exponential_euler", "euler")

    def _terms(self, where: str, mover: Mover, deliver: Expression) -> list[_Term] | None:
        """What is delivered in terms of values at the step's start;
        None where these say nothing of the states at its end.
        """
        refractory = self.dynamics.refractory
        still = refractory.hold if refractory is not None else ()
        responses = [response_of(self._before, self.dynamics, where, names) for names in ((), still)]
        free, held = (None if r is None else mover.terms(r, deliver, self.step) for r in responses)
        if free is None or held is None:
            return None
        result: list[_Term] = []
        for value, moves in free.items():
            stopped = held.get(value, {})  # what a step that holds states moves of the others
            pairs = {state: (by, by if state in still else stopped.get(state, ZERO)) for state, by in moves.items()}
            result.append(_Term(value, pairs))
        return result

    def _moved_by(self, where: str, tag: str, owner: str, parameters: Iterable[Parameter], term: _Term) -> None:
        """Let an input move states by numbers of the population and of synapses, which are called `tag.NAME` then."""
        names: dict[str, Expression] = {}
        for p in (p for p in parameters if p.name in term.reads):
            names[p.name] = Symbol(f"{tag}.{p.name}")
            copy = replace(p, name=f"{tag}.{p.name}", key=p.key or f"{owner}.{p.name}")
            self._parameters.setdefault(copy.name, copy)
        names |= {f"post.{p.name}": Symbol(p.name) for p in self._before.parameters}
        for state, (free, held) in term.moves.items():
            self._integrated[state, where] = Integrated(state, where, substitute(free, names), substitute(held, names))


def _is_of(term: _Term, shared: set[str]) -> bool:
    """Whether what a value moves depends on numbers of the target, and on those that all synapses share."""
    return term.reads <= shared


def _mapped(dynamics: Dynamics) -> set[str]:
    """Names that `each step` reads: there a sum is a plain addend."""
    return {name for a in dynamics.each_step for name in symbols(a.value)}


def _slope(where: str, state: str) -> str:
    return f"slope.{where}.{state}"


def _with_slopes(dynamics: Dynamics, where: str, states: list[str]) -> Dynamics:
    """The dynamics in which an input brings factors of states along."""
    whole: Expression = Symbol(where)
    for state in states:
        whole = add(whole, mul(Symbol(_slope(where, state)), Symbol(state)))
    given: dict[str, Expression] = {where: whole}
    return replace(
        dynamics,
        inputs=(*dynamics.inputs, *(Input(_slope(where, state), PLAIN) for state in states)),
        equations=tuple(replace(e, derivative=substitute(e.derivative, given)) for e in dynamics.equations),
    )


# ------------------------------------------------------------------------------------------------ values of a source
def _value(dynamics: Dynamics, name: str) -> Expression:
    """A value that a source tells, of its states at the step's start."""
    told = {a.state: a.value for a in (*dynamics.outputs, *dynamics.leaving)}
    start = next(s.initial for s in dynamics.states if s.name == name)
    return told.get(name, start if isinstance(start, Number) and name not in _moving(dynamics) else Symbol(name))


def _moving(dynamics: Dynamics) -> set[str]:
    jumps = [a for _, assignments in dynamics.arrivals for a in assignments]
    return {e.state for e in dynamics.equations} | {a.state for a in (*jumps, *dynamics.kept)}


def _telling(trace: Population, c: Connection, value: Expression) -> tuple[Population, str, int]:
    """A trace that tells a value of its states at the step's start, the state that does,
    and how many steps ago it is read.
    """
    dynamics = trace.dynamics
    assert dynamics is not None
    if isinstance(value, Symbol) and value.name in {s.name for s in dynamics.states} and c.delay is None:
        return trace, value.name, 1  # as the step before has left it
    delay = c.delay_steps if c.delay is not None else 0
    if (known := next((a.state for a in dynamics.leaving if a.value == value), None)) is not None:
        return trace, known, delay
    name = f"trace.told{len(dynamics.states) + 1}"
    starts = {s.name: s.initial for s in dynamics.states}
    nothing: dict[str, Expression] = {i.name: ZERO for i in dynamics.inputs}
    state = State(name, substitute(value, starts | nothing), PLAIN)
    dynamics = replace(dynamics, states=(*dynamics.states, state), leaving=(*dynamics.leaving, Assignment(name, value)))
    return replace(trace, dynamics=dynamics), name, delay
