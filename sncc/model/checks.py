"""What can be said of a whole model: whether its rule can train it, and what looks suspicious."""

from __future__ import annotations

from sncc.diagnostics import Diagnostics
from sncc.expressions.nodes import symbols
from sncc.model import nodes


def check_training(model: nodes.Model, diagnostics: Diagnostics) -> None:
    """Surrogates, and ways from the loss back to what is learnt."""
    training = model.training
    if training is None:
        return
    rule, read = training.rule, {loss.population for loss in training.losses}
    seen = ", ".join(f"`{name}`" for name in sorted(read))
    for population in model.populations:
        dynamics = population.dynamics
        untrained = dynamics is not None and dynamics.spike is not None and dynamics.surrogate is None
        if untrained and rule.name != "eventprop":  # which differentiates the spike's time instead
            message = f"`{rule.name}` needs a `surrogate`, and `{population.model}` has none"
            help = f"add `surrogate triangle(width = 1, height = 0.3)` to `{population.model}`"
            diagnostics.error("missing-surrogate", population.span, message, help=help)
    penalised = {penalty.population for penalty in training.penalties}
    reached = _reaching(model, read | penalised, rule.name != "eprop")
    direct = {c.source for c in model.connections if c.target in read} | read
    told: set[str] = set()
    for population_name in (name for entry in training.learn for name in _learning(model, entry.key)):
        if population_name in told:
            continue
        if population_name not in reached:
            told.add(population_name)
            message = f"what is learnt in or into `{population_name}` cannot affect the loss"
            note = f"no connection leads from it to {seen}, which the loss reads"
            span = model.population(population_name).span
            diagnostics.warning("cannot-learn", span, message, notes=(note,))
        elif rule.name == "eprop" and rule.feedback == "symmetric" and population_name not in direct:
            told.add(population_name)
            message = f"`eprop(feedback = symmetric)` gives `{population_name}` no learning signal"
            note = f"no connection leads from it straight to {seen}, which the loss reads"
            help = f"use `feedback = random`, the rule `bptt`, or connect `{population_name}` to {seen}"
            diagnostics.error(
                "no-learning-signal", model.population(population_name).span, message, notes=(note,), help=help
            )


def check_rates(model: nodes.Model, diagnostics: Diagnostics) -> None:
    """What is drawn is a constant for the gradient, so a rate by which spikes are drawn has none."""
    drawn = {p.name for p in model.populations if p.kind == "poisson"}
    for learnt in model.training.learn if model.training is not None else ():
        if (name := learnt.key.partition(".")[0]) in drawn:
            message = (
                f"`{learnt.key}` has no gradient: the spikes of `{name}` are drawn, and a draw is a constant for it"
            )
            help = f"learn the weights behind `{name}`, or let neurons spike by `noise` in their equations, and learn their `bias`"
            diagnostics.error("cannot-learn", learnt.span, message, help=help)


def check_keys(model: nodes.Model, diagnostics: Diagnostics) -> None:
    """Two things are not known by one name: a connection has a `delay`,
    what a learning signal goes by `feedback`, a neuron `spikes`.
    """
    states = [s for p in model.populations if p.dynamics for s in p.dynamics.states if s.name == "spikes"]
    for span in dict.fromkeys(s.span for s in states):
        message = "`spikes` would be two things: this state, and the spikes that are recorded and that losses read"
        diagnostics.error("duplicate", span, message, help="give the state another name")
    found: dict[object, tuple[str, str, nodes.Parameter]] = {}

    def look(owner: str, name: str, parameters: tuple[nodes.Parameter, ...]) -> None:
        for parameter in (p for p in parameters if p.name == name):
            found.setdefault(parameter.span, (owner, name, parameter))

    training = model.training
    fed_back = training is not None and training.rule.feedback != "symmetric"
    read = {loss.population for loss in training.losses} if training is not None else set()
    for connection in model.connections:
        parameters = connection.synapse.parameters if connection.synapse is not None else ()
        if connection.delay is not None:
            look(connection.name, "delay", parameters)
        if fed_back and connection.target in read:
            look(connection.name, "feedback", parameters)
    direct = {c.source for c in model.connections if c.target in read} | read
    for population in model.populations:
        if fed_back and population.name not in direct:
            look(population.name, "feedback", population.parameters)
    for owner, name, parameter in found.values():
        message = f"`{owner}.{name}` would be two numbers: this parameter and the {name} of `{owner}`"
        diagnostics.error("duplicate", parameter.span, message, help="give the parameter another name")


def check_states(model: nodes.Model, diagnostics: Diagnostics) -> None:
    """Warn of states that nothing reads."""
    read = {(r.owner, r.variable) for r in model.simulation.records} if model.simulation else set()
    if model.training:
        read |= {(loss.population, loss.variable) for loss in model.training.losses}
    for population in model.populations:
        dynamics = population.dynamics
        if dynamics is None or dynamics.spike is None:
            continue  # without spikes a state is what one looks at
        for state in dynamics.states:
            used = symbols(dynamics.spike.distance)
            updates = [(e.state, e.derivative) for e in dynamics.equations]
            updates += [(a.state, a.value) for a in (*dynamics.each_step, *dynamics.spike.jumps)]
            for target, value in updates:
                used |= symbols(value) - {target}
            if state.name not in used and (population.name, state.name) not in read:
                message = f"the state `{state.name}` of `{population.model}` is never used"
                diagnostics.warning("unused-state", state.span, message)


def _learning(model: nodes.Model, key: str) -> list[str]:
    """Populations by whose states a number moves the loss: a connection's target, or what reads a number of neurons."""
    owner, _, name = key.partition(".")
    into = next((c.target for c in model.connections if c.name == owner), None)
    if into is not None:
        return [into]
    readers = {c.target for c in model.connections if c.source == owner and f"pre.{name}" in _read_by_synapses(c)}
    readers |= {owner for c in model.connections if c.target == owner and f"post.{name}" in _read_by_synapses(c)}
    if not readers or name in _moving(model.population(owner)):
        readers.add(owner)
    return sorted(readers)


def _read_by_synapses(connection: nodes.Connection) -> set[str]:
    """What the blocks of a connection read of its neurons."""
    synapse, plasticity = connection.synapse, connection.plasticity
    values = [value for _, value in connection.deliveries]
    if synapse is not None:
        values += [s.initial for s in synapse.states]
        values += [synapse.deliver] if synapse.deliver is not None else []
        values += [e.derivative for e in synapse.equations] + [a.value for a in synapse.on_pre]
    if plasticity is not None:
        states = (*plasticity.states, *plasticity.pre_states, *plasticity.post_states)
        values += [s.initial for s in states] + [e.derivative for e in plasticity.equations]
        values += [a.value for a in (*plasticity.on_pre, *plasticity.on_post)]
    return {name for value in values for name in symbols(value)}


def _moving(population: nodes.Population) -> set[str]:
    """What the neurons' own states and spikes depend on."""
    dynamics = population.dynamics
    if dynamics is None:
        return {p.name for p in population.parameters}
    values = [s.initial for s in dynamics.states] + [e.derivative for e in dynamics.equations]
    values += [a.value for a in dynamics.each_step]
    values += [dynamics.refractory.duration] if dynamics.refractory is not None else []
    if dynamics.spike is not None:
        values += [dynamics.spike.distance, *(a.value for a in dynamics.spike.jumps)]
    return {name for value in values for name in symbols(value)}


def _reaching(model: nodes.Model, read: set[str], by_modulators: bool) -> set[str]:
    """Populations from which connections lead to those in `read`, and these;
    also by what they tell modulators, which e-prop cuts.
    """
    found, waiting = set(read), list(read)
    while waiting:
        target = waiting.pop()
        for connection in (c for c in model.connections if c.target == target):
            setting = [name for _, name, _ in connection.modulators] if by_modulators else []
            for source in {connection.source, *setting} - found:
                found.add(source)
                waiting.append(source)
    return found
