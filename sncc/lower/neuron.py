"""One population's dynamics as an update: flow, arrivals, test, spike block, in the order of a time step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sncc.expressions.algebra import ZERO, add, affine, mul, sub, total
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, Symbol, apply, rewrite, substitute, symbols
from sncc.lower.arrival_times import arrival_times, at_arrival, behind_arrival
from sncc.lower.flow import Flow, flow
from sncc.lower.noise import noise_of
from sncc.lower.traces import amounts
from sncc.model.integration import integration
from sncc.model.nodes import Assignment, Dynamics, Equation, Input, Integrated, Population
from sncc.program.rewrite import rewritten
from sncc.program.statements import MADE_UP, REFRACTORY, SPIKE, SURROGATE, Assign, Draw, Fire, Repeat, Statement
from sncc.program.windows import begins

Part = Literal["whole", "flow", "rest"]
FIRED = Symbol(SPIKE)
DISTANCE = Symbol("spike.distance")  # how far the neuron is above its threshold
LEFT = Symbol(REFRACTORY)
FLOWED = "flowed."  # before a state's name: its value between flow and arrivals, kept until the next step


@dataclass(frozen=True, slots=True)
class Neuron:
    """An update's parts: coefficients from parameters, the body, and the local that holds each state in the end."""

    coefficients: tuple[Assign, ...]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    spikes: str | None  # the local that says how many each emits
    refractory: bool


class _Body:
    """The statements so far, and which local holds each state now."""

    def __init__(self, states: Iterable[str], timed: bool = False) -> None:
        self.flowed = frozenset[str]()  # states of which that holds in any case
        self.timed = timed  # whether a state between flow and arrivals has a name of its own
        self.statements: list[Statement] = []
        self.now: dict[str, Expression] = {state: Symbol(state) for state in states}
        self._versions: dict[str, int] = {}

    def assign(self, state: str, value: Expression) -> None:
        """`state` gets a new local."""
        self._versions[state] = self._versions.get(state, 0) + 1
        local = f"{state}.{self._versions[state]}"
        self.statements.append(Assign(local, value))
        self.now[state] = Symbol(local)

    def repeat(self, count: Expression, jumps: Sequence[Assignment]) -> None:
        """The jumps, all of them in order, as often as `count` says."""
        own: dict[str, Expression] = {state: Symbol(f"{state}.each") for state in self.now}
        moves = tuple((f"{j.state}.each", substitute(j.value, own)) for j in jumps)
        read = {symbol for symbol, _ in moves} | {name for _, value in moves for name in symbols(value)}
        start = tuple((f"{s}.each", value) for s, value in self.now.items() if f"{s}.each" in read)
        for state in dict.fromkeys(jump.state for jump in jumps):
            self._versions[state] = self._versions.get(state, 0) + 1
            local = f"{state}.{self._versions[state]}"
            self.statements.append(Repeat(local, count, start, moves, f"{state}.each"))
            self.now[state] = Symbol(local)

    def read(self, expression: Expression) -> Expression:
        """An expression of states, of their values now."""
        return substitute(expression, self.now)


def lower_neuron(
    population: Population, impulses: frozenset[str], drives: frozenset[str], step: float, part: Part = "whole",
    timed: bool = False,
) -> Neuron:  # fmt: skip
    """The update of a population whose inputs named in `impulses` and `drives` receive impulses and continuous drive.

    `part`: the whole update, or its flow and its rest apart, where something reads the states between flow and
    arrivals.
    `timed`: with the locals that say how the states follow the times of spikes and arrivals (`events.py`).
    """
    dynamics = population.dynamics
    assert dynamics is not None
    if part == "flow":
        dynamics = replace(dynamics, each_step=(), spike=None, arrivals=(), kept=(), outputs=())
        impulses = frozenset()
        drives &= _inputs_of_flow(dynamics)
    elif part == "rest":
        dynamics = replace(dynamics, leaving=())
        drives -= _inputs_of_flow(dynamics)
    parameters = frozenset(p.name for p in population.parameters)
    body = _Body((state.name for state in dynamics.states), timed)
    body.flowed = frozenset(dynamics.flowed)
    coefficients: list[Assign] = []
    gate: Expression | None = None
    if dynamics.refractory is not None:
        gate = apply("lt", LEFT, 0.5)
        steps = apply("floor", add(apply("div", dynamics.refractory.duration, step), Number(0.5)))
        if part != "flow":
            coefficients.append(Assign("refractory.steps", steps))
    _jump_at_arrivals(dynamics, body, True, step)
    for leaving in dynamics.leaving:
        body.assign(leaving.state, body.read(leaving.value))
    before = dict(body.now)
    if dynamics.each_step:
        _map(dynamics, body, impulses, drives, gate)
    if dynamics.equations and part == "rest":
        _arrive(dynamics, body, before, impulses, gate)
    elif dynamics.equations:
        coefficients += _flow(dynamics, body, before, impulses, drives, gate, parameters, step)
    named = {s.name for s in body.statements}
    for state in dynamics.flowed:
        body.assign(f"{FLOWED}{state}", Symbol(f"{state}.flow") if f"{state}.flow" in named else before[state])
    for copy in dynamics.kept:
        body.assign(copy.state, body.read(copy.value))
    _jump_at_arrivals(dynamics, body, False, step)
    arrived = dict(body.now)
    if dynamics.spike is not None:
        _spike(dynamics, body, gate)
    if timed:
        from sncc.lower.events import Moments, event_times  # with sympy: looking at a file without this rule needs none

        written = {s.name for s in body.statements}
        flowed = {s: Symbol(f"{s}.flow") if f"{s}.flow" in written else now for s, now in arrived.items()}
        body.statements += event_times(population, Moments(before, flowed, arrived), impulses, drives, gate, step)
        body.statements += arrival_times(dynamics)
    counts: dict[str, Expression] = {f"{name}!": Symbol(f"{name}!") for name, _ in dynamics.arrivals}
    for output in dynamics.outputs:
        body.assign(output.state, substitute(output.value, {**body.now, **counts}))
    carry = [
        (state, local.name) for state, local in body.now.items() if isinstance(local, Symbol) and local.name != state
    ]
    if gate is not None and part != "flow":
        waiting = apply("max", apply("sub", LEFT, 1.0), 0.0)
        body.statements.append(
            Assign(f"{REFRACTORY}.1", apply("jump", apply("stop", FIRED), Symbol("refractory.steps"), waiting))
        )
        carry.append((REFRACTORY, f"{REFRACTORY}.1"))
    inputs = tuple(name for i in dynamics.inputs for name in _accumulators(i.name, impulses, drives))
    fixed: dict[str, Expression] = {"step": Number(step)}
    return Neuron(
        tuple(Assign(c.name, substitute(c.value, fixed)) for c in coefficients),
        with_draws_apart(rewritten(s, lambda e: substitute(e, fixed)) for s in body.statements),
        tuple(carry), inputs, SPIKE if dynamics.spike is not None else None, gate is not None,
    )  # fmt: skip


def _inputs_of_flow(dynamics: Dynamics) -> frozenset[str]:
    """Names that equations read, those of their inputs among them, and of inputs that come as the flow ends."""
    return frozenset(i.input for i in dynamics.integrated) | {
        name for e in dynamics.equations for name in symbols(e.derivative)
    }


def poisson(step: float) -> Neuron:
    """The update of a source that draws how many spikes each neuron emits in a step."""
    mean = Assign("mean", mul(Symbol("rate"), Number(step)))
    return Neuron((mean,), (Draw("spike", "poisson", (Symbol("mean"),)),), (), (), "spike", False)


def _accumulators(name: str, impulses: frozenset[str], drives: frozenset[str]) -> list[str]:
    return [f"{name}!"] * (name in impulses) + [name] * (name in drives)


def with_draws_apart(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """Draws inside expressions become statements of their own, `draw.1`, `draw.2`, ... in the order in which they stand."""
    result: list[Statement] = []
    count = 0

    def draw(node: Expression) -> Expression:
        nonlocal count
        if not isinstance(node, Apply) or node.operation not in DRAWS:
            return node
        count += 1
        result.append(Draw(f"draw.{count}", node.operation, node.arguments))  # type: ignore[arg-type]
        return Symbol(f"draw.{count}")

    for statement in statements:
        if isinstance(statement, Assign):
            statement = Assign(statement.name, rewrite(statement.value, draw))
        result.append(statement)
    return tuple(result)


def _map(
    dynamics: Dynamics, body: _Body, impulses: frozenset[str], drives: frozenset[str], gate: Expression | None
) -> None:
    held = dynamics.refractory.hold if dynamics.refractory else ()
    sums: dict[str, Expression] = {}
    for i in dynamics.inputs:  # in a map impulses and drive are both plain addends
        parts = [Symbol(name) for name in _accumulators(i.name, impulses, drives)]
        sums[i.name] = ZERO if not parts else parts[0] if len(parts) == 1 else add(parts[0], parts[1])
    for statement in dynamics.each_step:
        value = substitute(body.read(statement.value), sums)
        if gate is not None and statement.state in held:
            value = apply("select", gate, value, body.now[statement.state])
        body.assign(statement.state, value)


def _flow(
    dynamics: Dynamics, body: _Body, before: dict[str, Expression], impulses: frozenset[str], drives: frozenset[str],
    gate: Expression | None, parameters: frozenset[str], step: float,
) -> list[Assign]:  # fmt: skip
    """The flow from the states `before` and what the impulses add to it."""
    if dynamics.apart:
        return _flow_apart(dynamics, body, before, impulses, drives, gate, parameters, step)
    silent = {i.name: ZERO for i in dynamics.inputs if i.name not in drives}
    method = integration(replace(dynamics, each_step=()))
    given = [Equation(e.state, substitute(e.derivative, silent), e.span) for e in dynamics.equations]
    noise = noise_of(given, method == "exact", step, parameters)
    equations = list(noise.equations)
    body.statements += noise.draws
    flowed = flow(equations, method, step, parameters, dynamics.substeps)
    coefficients = [*flowed.coefficients, *noise.coefficients]
    body.statements += [Assign(a.name, substitute(a.value, before)) for a in flowed.body]
    states = dict(flowed.states)
    held = dynamics.refractory.hold if dynamics.refractory else ()
    if gate is not None and _depends_on_held(equations, held):
        still = [Equation(e.state, ZERO if e.state in held else e.derivative) for e in equations]
        standing = _renamed(flow(still, method, step, parameters, dynamics.substeps), "held.")
        coefficients += standing.coefficients
        body.statements += [Assign(a.name, substitute(a.value, before)) for a in standing.body]
        states = {
            s: value if s in held else apply("select", gate, value, standing.states[s]) for s, value in states.items()
        }
    for equation in dynamics.equations:
        state = equation.state
        whole = add(states[state], noise.added.get(state, ZERO))
        whole = add(whole, total(_delivered(i, gate) for i in dynamics.integrated if i.state == state))
        _settle(dynamics, body, before, equation, whole, impulses, gate)
    return coefficients


def _flow_apart(
    dynamics: Dynamics, body: _Body, before: dict[str, Expression], impulses: frozenset[str], drives: frozenset[str],
    gate: Expression | None, parameters: frozenset[str], step: float,
) -> list[Assign]:  # fmt: skip
    """The flows of states that do not flow together."""
    coefficients: list[Assign] = []
    for names in dynamics.apart:
        held = {name for other in dynamics.apart if other is not names for name in other}
        seen = {name: Symbol(name) if name in held else value for name, value in before.items()}
        own = replace(
            dynamics,
            states=tuple(s for s in dynamics.states if s.name in names),
            inputs=(*dynamics.inputs, *(Input(s.name, s.unit) for s in dynamics.states if s.name not in names)),
            equations=tuple(e for e in dynamics.equations if e.state in names),
            apart=(),
        )
        given = drives | {s.name for s in dynamics.states}
        coefficients += _flow(own, body, seen, impulses, given, gate, parameters, step)
    return coefficients


def _delivered(integrated: Integrated, gate: Expression | None) -> Expression:
    """What has arrived over the step for a state."""
    free, held = integrated.free, integrated.held
    factor = free if gate is None or free == held else apply("select", gate, free, held)
    return mul(factor, Symbol(integrated.input))


def _arrive(
    dynamics: Dynamics, body: _Body, before: dict[str, Expression], impulses: frozenset[str], gate: Expression | None
) -> None:
    """What the impulses add to states that have flowed already."""
    for equation in dynamics.equations:
        _settle(dynamics, body, before, equation, Symbol(equation.state), impulses, gate)


def _settle(
    dynamics: Dynamics, body: _Body, before: dict[str, Expression], equation: Equation, flowed: Expression,
    impulses: frozenset[str], gate: Expression | None,
) -> None:  # fmt: skip
    """A state after flow and arrivals; one that is held stands still."""
    held = dynamics.refractory.hold if dynamics.refractory else ()
    value, arriving = substitute(flowed, before), substitute(_arrivals(dynamics, equation, impulses), before)
    if body.timed and arriving != ZERO or equation.state in body.flowed:
        stands = gate is not None and equation.state in held
        flowing = apply("select", gate, value, before[equation.state]) if gate is not None and stands else value
        body.statements.append(Assign(f"{equation.state}.flow", flowing))
        value = Symbol(f"{equation.state}.flow")
    value = add(value, arriving)
    if gate is not None and equation.state in held:
        value = apply("select", gate, value, before[equation.state])
    if value != before[equation.state]:
        body.assign(equation.state, value)


def _arrivals(dynamics: Dynamics, equation: Equation, impulses: frozenset[str]) -> Expression:
    """What the impulses add to a state: the input's coefficient in its equation times the impulse, as a Dirac pulse does."""
    arriving = [i.name for i in dynamics.inputs if i.name in impulses]
    parts = affine(equation.derivative, arriving)
    if parts is None:
        raise ValueError(f"an impulse cannot enter the equation of {equation.state}: the input is not affine in it")
    result: Expression = ZERO
    for name in arriving:
        if name in parts[0]:
            result = add(result, mul(parts[0][name], Symbol(f"{name}!")))
    return result


def _jump_at_arrivals(dynamics: Dynamics, body: _Body, early: bool, step: float) -> None:
    """Jumps at spikes that arrive, with marks around all those of an input where times of arrivals are followed."""
    for name in dict.fromkeys(name for name, _ in dynamics.arrivals if (name in dynamics.early) is early):
        if body.timed:
            _mark(dynamics, body, at_arrival(name))
        for jumps in (jumps for other, jumps in dynamics.arrivals if other == name):
            _jump_at(dynamics, body, name, jumps, step)
        if body.timed:
            _mark(dynamics, body, behind_arrival(name))


def _mark(dynamics: Dynamics, body: _Body, moment: str) -> None:
    """Every state that flows gets a local of its own at that moment, by which it can be moved."""
    for equation in dynamics.equations:
        body.statements.append(Assign(f"{moment}.{equation.state}", body.now[equation.state]))
        body.now[equation.state] = Symbol(f"{moment}.{equation.state}")


def _jump_at(dynamics: Dynamics, body: _Body, name: str, jumps: Sequence[Assignment], step: float) -> None:
    """All spikes of a step at once where no amount depends on what they move, else one after the other.

    Those that are made up for belong to the step before: where that one was the last of a window, they are constants.
    """
    made_up = name in body.now
    count = body.now.get(name, Symbol(f"{name}!"))  # of a state: those that have been kept for this step
    most = 1 if name in dynamics.once else dynamics.most
    if (added := amounts(jumps)) is not None:
        added = [body.read(amount) for amount in added]
        for jump, amount in zip(jumps, added, strict=True):
            body.assign(jump.state, add(body.now[jump.state], mul(count, amount)))
    elif most == 0:
        body.repeat(count, jumps)
    elif most == 1:
        for state, after in _jumped(jumps, body, "").items():
            now = body.now[state]
            by_parts = dynamics.parts and name not in dynamics.once
            moved = add(now, mul(count, sub(after, now))) if by_parts else apply("jump", count, after, now)
            body.assign(state, moved)
    else:
        _jump_one_by_one(most, count, jumps, body, dynamics.parts and name not in dynamics.once)
    for state in dict.fromkeys(jump.state for jump in jumps) if made_up else ():
        now = body.now[state]
        if dynamics.window is not None:
            now = apply("select", begins(step, dynamics.window), apply("stop", now), now)
        body.statements.append(Assign(f"{state}{MADE_UP}", now))
        body.now[state] = Symbol(f"{state}{MADE_UP}")


def _jump_one_by_one(most: int, count: Expression, jumps: Sequence[Assignment], body: _Body, by_parts: bool) -> None:
    """The jumps of each spike of a step that there is, up to `most`; `by_parts`: of what is left of a whole one as well."""
    for number in range(most):
        part = apply("min", apply("sub", count, float(number)), 1.0) if number else apply("min", count, 1.0)
        part = apply("select", apply("gt", count, float(number)), part, 0.0) if number else part
        for state, after in _jumped(jumps, body, f"{number + 1}.").items():
            now = body.now[state]
            moved = apply("select", apply("gt", count, number + 0.5), after, now)
            body.assign(state, add(now, mul(part, sub(after, now))) if by_parts else moved)
    # whoever hands over more than is followed gets no number, and so an error, rather than another one
    allowed, last = Number(most + (1e-3 if by_parts else 0.5)), jumps[-1].state
    none = apply("log", apply("sub", allowed, count))
    body.assign(last, apply("select", apply("gt", count, allowed), none, body.now[last]))


def _jumped(jumps: Sequence[Assignment], body: _Body, tag: str) -> dict[str, Expression]:
    """States after the jumps of one spike, each seeing the former. What a spike moves, and so its gradient, is what they
    leave minus what was there.
    """
    jumped: dict[str, Expression] = {}
    for number, jump in enumerate(jumps, 1):
        value = substitute(jump.value, {**body.now, **jumped})
        if any(jump.state in symbols(later.value) for later in jumps[number:]):
            local = f"{jump.state}.jump{tag}{number}"
            body.statements.append(Assign(local, value))
            value = Symbol(local)
        jumped[jump.state] = value
    return jumped


def _depends_on_held(equations: list[Equation], held: tuple[str, ...]) -> bool:
    return any(symbols(e.derivative) & set(held) for e in equations if e.state not in held)


def _renamed(flowed: Flow, prefix: str) -> Flow:
    names: dict[str, Expression] = {a.name: Symbol(prefix + a.name) for a in (*flowed.coefficients, *flowed.body)}

    def moved(assigns: tuple[Assign, ...]) -> tuple[Assign, ...]:
        return tuple(Assign(prefix + a.name, substitute(a.value, names)) for a in assigns)

    states = {s: substitute(value, names) for s, value in flowed.states.items()}
    return Flow(moved(flowed.coefficients), moved(flowed.body), states)


def _spike(dynamics: Dynamics, body: _Body, gate: Expression | None) -> None:
    spike = dynamics.spike
    assert spike is not None
    body.statements.append(Assign(DISTANCE.name, body.read(spike.distance)))
    if dynamics.surrogate is not None:
        # `u` is the distance here, even where the neuron has a state of that name
        surrogate = substitute(dynamics.surrogate, {**body.now, "u": DISTANCE})
        if gate is not None:
            surrogate = apply("select", gate, surrogate, 0.0)
        body.statements.append(Assign(SURROGATE, surrogate))
    body.statements.append(Fire(SPIKE, DISTANCE, spike.strict, gate))
    for jump in spike.jumps:
        z = apply("stop", FIRED) if jump.reset else FIRED
        body.assign(jump.state, apply("jump", z, body.read(jump.value), body.now[jump.state]))


def hoist(neuron: Neuron, parameters: frozenset[str], prefix: str = "C") -> Neuron:
    """Move what depends on parameters alone out of the update, into coefficients `prefix.K` that are computed once."""
    known = parameters | {c.name for c in neuron.coefficients}
    found: dict[Expression, str] = {}

    def move(expression: Expression) -> Expression:
        if isinstance(expression, Symbol | Number) or not symbols(expression):
            return expression
        if symbols(expression) <= known:
            if expression.operation == "neg":
                return apply("neg", move(expression.arguments[0]))
            return Symbol(found.setdefault(expression, f"{prefix}.{len(found) + 1}"))
        return type(expression)(expression.operation, tuple(move(a) for a in expression.arguments))

    body = tuple(
        Assign(s.name, move(s.value)) if isinstance(s, Assign)
        else Fire(s.name, move(s.distance), s.strict, s.gate) if isinstance(s, Fire) else s
        for s in neuron.body
    )  # fmt: skip
    hoisted = tuple(Assign(name, value) for value, name in found.items())
    return Neuron((*neuron.coefficients, *hoisted), body, neuron.carry, neuron.inputs, neuron.spikes, neuron.refractory)


def without_surrogate(neuron: Neuron) -> Neuron:
    """The same update without the surrogate, for a network that is not trained."""
    body = tuple(s for s in neuron.body if not (isinstance(s, Assign) and s.name == SURROGATE))
    return Neuron(neuron.coefficients, body, neuron.carry, neuron.inputs, neuron.spikes, neuron.refractory)
