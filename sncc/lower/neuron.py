"""One population's dynamics as an update: flow, arrivals, test, spike block, in the order of a time step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sncc.expressions.algebra import ZERO, add, affine, div, mul, sub, total
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.lower.apart import alone
from sncc.lower.arrival_times import arrival_times
from sncc.lower.body import Body
from sncc.lower.curved_reading import mean_slopes
from sncc.lower.draws_apart import counters_of, with_draws_apart
from sncc.lower.flow import Flow, flow
from sncc.lower.jumps import jump_at_arrivals
from sncc.lower.noise import noise_of
from sncc.lower.readings import ENDING, FLOWED
from sncc.model.integration import integration
from sncc.model.nodes import Dynamics, Equation, Integrated, Population
from sncc.program.rewrite import rewritten
from sncc.program.statements import REFRACTORY, SLOPED, SPIKE, SURROGATE, TOLD, Assign, Draw, Fire, Statement

Part = Literal["whole", "flow", "rest"]
FIRED = Symbol(SPIKE)
DISTANCE = Symbol("spike.distance")  # how far the neuron is above its threshold
LEFT = Symbol(REFRACTORY)
# of a time: decimal digits have no exact binary form, so what is by so much below a half is taken for it
OF_A_FLOAT = 1e-7


@dataclass(frozen=True, slots=True)
class Neuron:
    """An update's parts: coefficients from parameters, the body, and the local that holds each state in the end."""

    coefficients: tuple[Assign, ...]
    body: tuple[Statement, ...]
    carry: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    spikes: str | None  # the local that says how many each emits
    refractory: bool


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
    dynamics, impulses, drives = _of_part(dynamics, impulses, drives, part)
    parameters = frozenset(p.name for p in population.parameters)
    body = Body((state.name for state in dynamics.states), timed)
    body.flowed = frozenset(dynamics.flowed)
    coefficients: list[Assign] = []
    gate: Expression | None = None
    if dynamics.refractory is not None:
        gate = apply("lt", LEFT, 0.5)
        steps = apply("mul", apply("div", dynamics.refractory.duration, step), Number(1 + OF_A_FLOAT))
        if part != "flow":
            coefficients.append(Assign("refractory.steps", apply("floor", add(steps, Number(0.5)))))
    jump_at_arrivals(dynamics, body, True, step)
    for state in dynamics.told:
        body.assign(f"{state}{TOLD}", body.now[state])
    for leaving in dynamics.leaving:
        body.assign(leaving.state, body.read(leaving.value))
    before = dict(body.now)
    if dynamics.each_step:
        _map(dynamics, body, impulses, drives, gate)
    if dynamics.equations and part == "rest":
        _arrive(dynamics, body, before, impulses, gate)
    elif dynamics.equations:
        coefficients += _flow(dynamics, body, before, impulses, drives, gate, parameters, step)
    _tell_flows(dynamics, body, before)
    for copy in dynamics.kept:
        body.assign(copy.state, body.read(copy.value))
    for state, noise in body.brought.items():
        body.assign(state, add(body.now[state], noise))
    jump_at_arrivals(dynamics, body, False, step)
    arrived = dict(body.now)
    if dynamics.spike is not None:
        _spike(dynamics, body, gate)
    if timed:
        _follow_events(population, dynamics, body, before, arrived, impulses, drives, gate, step)
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
        with_draws_apart((rewritten(s, lambda e: substitute(e, fixed)) for s in body.statements), dynamics.whose),
        tuple(carry), inputs, SPIKE if dynamics.spike is not None else None, gate is not None,
    )  # fmt: skip


def _of_part(
    dynamics: Dynamics, impulses: frozenset[str], drives: frozenset[str], part: Part
) -> tuple[Dynamics, frozenset[str], frozenset[str]]:
    """What of the dynamics, and of the inputs, a part of an update has."""
    if part == "flow":
        dynamics = replace(dynamics, each_step=(), spike=None, arrivals=(), kept=(), outputs=())
        return dynamics, frozenset(), drives & _inputs_of_flow(dynamics)
    if part == "rest":
        dynamics = replace(dynamics, leaving=())
        return dynamics, impulses, drives - _inputs_of_flow(dynamics)
    return dynamics, impulses, drives


def _tell_flows(dynamics: Dynamics, body: Body, before: dict[str, Expression]) -> None:
    """States as they are between flow and arrivals, and their slopes, for synapses that read them."""
    named = {s.name for s in body.statements}
    for state in dynamics.flowed:
        flowed_to = Symbol(f"{state}.flow") if f"{state}.flow" in named else before[state]
        body.assign(f"{FLOWED}{state}", flowed_to)
        if f"{SLOPED}{state}" in body.now:
            body.assign(f"{SLOPED}{state}", div(sub(flowed_to, before[state]), Symbol("step")))


def _follow_events(
    population: Population, dynamics: Dynamics, body: Body, before: dict[str, Expression],
    arrived: dict[str, Expression], impulses: frozenset[str], drives: frozenset[str], gate: Expression | None,
    step: float,
) -> None:  # fmt: skip
    """The locals that say how the states follow the times of spikes and arrivals."""
    from sncc.lower.events import Moments, ending_slopes, event_times  # with sympy: without this rule none is needed

    written = {s.name for s in body.statements}
    flowed = {s: Symbol(f"{s}.flow") if f"{s}.flow" in written else now for s, now in arrived.items()}
    moments = Moments(before, flowed, arrived)
    body.statements += event_times(population, moments, impulses, drives, gate, step)
    body.statements += arrival_times(dynamics)
    body.statements += mean_slopes(dynamics, drives, step, before)
    wanted = [s.name for s in dynamics.states if s.name.startswith(ENDING)]
    waiting = apply(
        "gt", apply("select", apply("gt", FIRED, 0.5), Symbol("refractory.steps"), sub(LEFT, Number(1.0))), 0.5
    )
    slopes = ending_slopes(population, moments, drives, waiting, step, dict(body.now)) if wanted else {}
    for state in wanted:
        body.assign(state, slopes[state.removeprefix(ENDING)])


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


def _map(
    dynamics: Dynamics, body: Body, impulses: frozenset[str], drives: frozenset[str], gate: Expression | None
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
    dynamics: Dynamics, body: Body, before: dict[str, Expression], impulses: frozenset[str], drives: frozenset[str],
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
    if dynamics.brought:
        come: dict[str, Expression] = {draw: Symbol(by) for draw, by in dynamics.brought}
        body.brought |= {state: substitute(value, before | come) for state, value in noise.added.items()}
        noise = replace(noise, draws=(), added={})
    counters = [found for state, found in counters_of(dynamics.whose).items() if state in {e.state for e in equations}]
    whose, at = counters[0] if counters else (None, None)
    body.statements += [replace(draw, whose=whose, at=at) for draw in noise.draws]
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
    dynamics: Dynamics, body: Body, before: dict[str, Expression], impulses: frozenset[str], drives: frozenset[str],
    gate: Expression | None, parameters: frozenset[str], step: float,
) -> list[Assign]:  # fmt: skip
    """The flows of states that do not flow together:
    each sees the others as the step before has left them, or as they start.
    """
    coefficients: list[Assign] = []
    starts = {a.state: a.value for a in dynamics.leaving}
    counted = {s.name for s in dynamics.states}
    # by spikes of the source, which a state has kept: they belong to the step before, as it has left things
    made_up = {jump.state for name, jumps in dynamics.arrivals if name in counted for jump in jumps}
    for group in dynamics.apart:
        held = {name for other in dynamics.apart if other is not group for name in other.states} - made_up
        seen = {name: starts.get(name, Symbol(name)) if name in held else value for name, value in before.items()}
        own = alone(dynamics, group)
        given = drives | {s.name for s in dynamics.states}
        coefficients += _flow(own, body, seen, impulses, given, gate, parameters, step)
    return coefficients


def _delivered(integrated: Integrated, gate: Expression | None) -> Expression:
    """What has arrived over the step for a state."""
    free, held = integrated.free, integrated.held
    factor = free if gate is None or free == held else apply("select", gate, free, held)
    return mul(factor, Symbol(integrated.input))


def _arrive(
    dynamics: Dynamics, body: Body, before: dict[str, Expression], impulses: frozenset[str], gate: Expression | None
) -> None:
    """What the impulses add to states that have flowed already."""
    for equation in dynamics.equations:
        _settle(dynamics, body, before, equation, Symbol(equation.state), impulses, gate)


def _settle(
    dynamics: Dynamics, body: Body, before: dict[str, Expression], equation: Equation, flowed: Expression,
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
    """What the impulses add to a state: the input's coefficient in its equation times the impulse,
    as a Dirac pulse does.
    """
    arriving = [i.name for i in dynamics.inputs if i.name in impulses]
    parts = affine(equation.derivative, arriving)
    if parts is None:
        raise ValueError(f"an impulse cannot enter the equation of {equation.state}: the input is not affine in it")
    result: Expression = ZERO
    for name in arriving:
        if name in parts[0]:
            result = add(result, mul(parts[0][name], Symbol(f"{name}!")))
    return result


def _depends_on_held(equations: list[Equation], held: tuple[str, ...]) -> bool:
    return any(symbols(e.derivative) & set(held) for e in equations if e.state not in held)


def _renamed(flowed: Flow, prefix: str) -> Flow:
    names: dict[str, Expression] = {a.name: Symbol(prefix + a.name) for a in (*flowed.coefficients, *flowed.body)}

    def moved(assigns: tuple[Assign, ...]) -> tuple[Assign, ...]:
        return tuple(Assign(prefix + a.name, substitute(a.value, names)) for a in assigns)

    states = {s: substitute(value, names) for s, value in flowed.states.items()}
    return Flow(moved(flowed.coefficients), moved(flowed.body), states)


def _spike(dynamics: Dynamics, body: Body, gate: Expression | None) -> None:
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
