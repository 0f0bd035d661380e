"""What `eventprop` refuses, and where its exact gradient is zero: said before anything is built."""

from __future__ import annotations

from collections.abc import Mapping

from sncc.diagnostics import Diagnostics
from sncc.expressions.algebra import ZERO, affine, fold_all, has_draws
from sncc.expressions.nodes import Expression, Number, substitute, symbols
from sncc.model import nodes
from sncc.model.event_leaps import refuse_leaps
from sncc.model.training_nodes import Training
from sncc.model.white_noise import is_noise


def check_event_times(model: nodes.Model, diagnostics: Diagnostics) -> None:
    """Errors for what has no spike times that move, warnings for losses and spikes that cannot carry a gradient."""
    training = model.training
    if training is None:
        return
    if training.rule.name != "eventprop":
        _refuse_times_of_spikes(training, diagnostics)
        return
    for population in model.populations:
        if population.dynamics is not None:
            _refuse(population, population.dynamics, diagnostics)
    for connection in model.connections:
        for moving in (connection.synapse, connection.plasticity):
            if moving is not None:
                _refuse_synapse(connection, moving, diagnostics)
        _refuse_modulators(connection, diagnostics)
    refuse_leaps(model, diagnostics)
    _warn_of_numbers_of_spikes(training, diagnostics)
    for population in model.populations:
        _warn_of_fixed_times(model, population, diagnostics)


def _refuse_times_of_spikes(training: Training, diagnostics: Diagnostics) -> None:
    for loss in training.losses:
        if loss.reduction == "first_spike":
            message = f"under `{training.rule.name}` the time of a spike has no gradient"
            help = "train with `rule = eventprop`, or read a state or `count(…)`"
            diagnostics.error("no-event-times", loss.span, message, help=help)


def _refuse_modulators(connection: nodes.Connection, diagnostics: Diagnostics) -> None:
    for name, population, variable in connection.modulators:
        if variable == "spikes":
            message = (
                f"under `eventprop` the modulator `{name}` follows the spikes of `{population}`, which have no duration"
            )
            note = "it is there for one step after each, so what it does, and the gradient with it, goes to zero with the step"
            help = f"let the spikes drive a state, as of an `LI` neuron, and follow that: `{name} = NEURON.v`; or train with `bptt` or `eprop`"
            diagnostics.error("no-event-times", connection.span, message, notes=(note,), help=help)


def _warn_of_numbers_of_spikes(training: Training, diagnostics: Diagnostics) -> None:
    for loss in training.losses:
        if loss.variable == "spikes" and loss.reduction != "first_spike":
            message = "under `eventprop` a number of spikes has no gradient"
            note = "a count changes in whole spikes, so its derivative is exactly zero: this term teaches nothing"
            help = "read spike times, `first_spike(…)`, or a state such as `mean(output.v)`; or train with `bptt` or `eprop`"
            diagnostics.warning("zero-gradient", loss.span, message, notes=(note,), help=help)
    for penalty in training.penalties:
        message = "under `eventprop` a penalty on firing rates has no gradient"
        note = "a number of spikes changes in whole spikes, so its derivative is exactly zero"
        diagnostics.warning("zero-gradient", penalty.span, message, notes=(note,), help="train with `bptt` or `eprop`")


def _refuse(population: nodes.Population, dynamics: nodes.Dynamics, diagnostics: Diagnostics) -> None:
    if dynamics.each_step:
        message = f"`eventprop` needs differential equations, and `{population.model}` has `each step`"
        help = "write equations, `dv/dt = …`, or train with `bptt` or `eprop`"
        diagnostics.error("no-event-times", population.span, message, help=help)
    random = [e.derivative for e in dynamics.equations]
    random += [jump.value for jump in (dynamics.spike.jumps if dynamics.spike else ())]
    if any(_is_random(value) for value in random):
        message = f"`eventprop` follows exact paths, and `{population.model}` draws random numbers on its way"
        help = "leave out `noise` and draws, or train with `bptt` or `eprop`"
        diagnostics.error("no-event-times", population.span, message, help=help)


def _refuse_synapse(c: nodes.Connection, synapse: nodes.Synapse | nodes.Plasticity, diagnostics: Diagnostics) -> None:
    if any(_is_random(e.derivative) for e in synapse.equations):
        message = f"`eventprop` follows exact paths, and `{synapse.model}` draws random numbers on its way"
        help = "leave out `noise`, or train with `bptt` or `eprop`"
        diagnostics.error("no-event-times", c.span, message, help=help)


def _is_random(expression: Expression) -> bool:
    return has_draws(expression) or any(map(is_noise, symbols(expression)))


# ---------------------------------------------------------------------------------------------- spikes that cannot move
def _warn_of_fixed_times(model: nodes.Model, population: nodes.Population, diagnostics: Diagnostics) -> None:
    """Where only arriving impulses can fire a neuron, it fires when they come, whatever the weights."""
    dynamics = population.dynamics
    if dynamics is None or dynamics.spike is None or not _matters(model, population):
        return
    arriving = [c for c in model.connections if c.target == population.name]
    if not arriving or any(_is_continuous(model, c) for c in arriving):
        return
    if not _only_arrivals_fire(population, dynamics, {c.input for c in arriving}):
        return
    message = (
        f"the times of `{population.name}`'s spikes do not depend on what is learnt: their gradient is exactly zero"
    )
    notes = (
        f"impulses reach `{population.model}`'s threshold at once or not at all, so it fires when a spike arrives",
        "weights and parameters then decide whether it fires, which has no derivative, not when",
    )
    help = (
        f"give it a synapse, `connect … -> {population.name}: …, synapse = exponential(tau = 5 ms)`, or use `CubaLIF`"
    )
    diagnostics.warning("zero-gradient", population.span, message, notes=notes, help=help)


def _matters(model: nodes.Model, population: nodes.Population) -> bool:
    """Whether something learns through this population's spikes."""
    assert model.training is not None
    reads = any(x.population == population.name and x.variable == "spikes" for x in model.training.losses)
    return reads or any(c.source == population.name for c in model.connections)


def _is_continuous(model: nodes.Model, connection: nodes.Connection) -> bool:
    source = model.population(connection.source)
    return connection.synapse is not None or (source.kind == "signal" and not source.impulse)


def _only_arrivals_fire(population: nodes.Population, dynamics: nodes.Dynamics, inputs: set[str]) -> bool:
    """Whether the flow by itself never crosses: what impulses raise leaks away by itself and drives nothing else."""
    assert dynamics.spike is not None
    numbers = {p.name: p.value for p in population.parameters if isinstance(p.value, Number)}
    driven = set()
    for equation in dynamics.equations:
        parts = affine(equation.derivative, sorted(inputs))
        if parts is None or any(i in parts[0] for i in inputs):
            driven.add(equation.state)
    for equation in dynamics.equations:
        rest = substitute(equation.derivative, {i: ZERO for i in inputs})
        read = symbols(rest)
        if equation.state not in driven:
            if read & driven:
                return False  # an arrival bends the path of another state
            continue
        parts = affine(rest, [s.name for s in dynamics.states])
        if parts is None or not _leaks(parts[0], equation.state, numbers):
            return False
    return _rests_below(dynamics, numbers)


def _leaks(coefficients: Mapping[str, Expression], state: str, numbers: Mapping[str, Expression]) -> bool:
    if any(c != ZERO for other, c in coefficients.items() if other != state):
        return False
    own = fold_all(substitute(coefficients.get(state, ZERO), numbers))
    return isinstance(own, Number) and own.value <= 0


def _rests_below(dynamics: nodes.Dynamics, numbers: Mapping[str, Expression]) -> bool:
    """Whether the distance is not above zero where every state has gone to rest without input."""
    assert dynamics.spike is not None
    rest: dict[str, Expression] = {}
    silent: dict[str, Expression] = {i.name: ZERO for i in dynamics.inputs}
    for equation in dynamics.equations:
        parts = affine(substitute(equation.derivative, {**numbers, **silent}), [equation.state])
        own = fold_all(parts[0].get(equation.state, ZERO)) if parts else None
        constant = fold_all(parts[1]) if parts else None
        if not isinstance(own, Number) or not isinstance(constant, Number):
            return False
        rest[equation.state] = Number(-constant.value / own.value if own.value else 0.0)
    distance = fold_all(substitute(dynamics.spike.distance, {**numbers, **rest}))
    return isinstance(distance, Number) and distance.value <= 0
