"""The Model as readable text: what `sncc ir --stage model` prints."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.connectivity.patterns import Part
from sncc.expressions.printer import print_expression, print_number
from sncc.expressions.units import Unit
from sncc.model import nodes, training_nodes


def print_model(model: nodes.Model) -> str:
    """All of a Model, a line per fact, numbers with their units in the consistent system."""
    return "\n".join(_lines(model)) + "\n"


def _lines(model: nodes.Model) -> Iterator[str]:
    yield f"network {model.name}"
    yield f"  step {print_number(model.step)} ms"
    for population in model.populations:
        yield ""
        yield from _population(population)
    if model.connections:
        yield ""
    for connection in model.connections:
        yield from _connection(connection)
    if model.training is not None:
        yield ""
        yield from _training(model.training)
    if model.simulation is not None:
        yield ""
        yield from _simulation(model.simulation)


def _population(population: nodes.Population) -> Iterator[str]:
    shape = ", ".join(str(n) for n in population.shape)
    extra = (
        f"  values {_unit(population.unit)}"
        if population.unit is not None and not population.unit.dimensionless
        else ""
    )
    extra += "  as impulse" if population.impulse else ""
    yield f"population {population.name}: {population.model}[{shape}]{extra}"
    for parameter in population.parameters:
        yield f"  {_parameter(parameter)}"
    if population.dynamics is not None:
        yield from _dynamics(population.dynamics)


def _parameter(parameter: nodes.Parameter) -> str:
    text = f"param {parameter.name} = {print_expression(parameter.value, units=True)}  {_unit(parameter.unit)}".rstrip()
    text += "" if parameter.storage == "compiled" else f"  {parameter.storage}"
    text += f"  clip {_interval(parameter.clip)}" if parameter.clip else ""
    return text + (f"  in {_interval(parameter.bounds)}" if parameter.bounds else "")


def _dynamics(dynamics: nodes.Dynamics) -> Iterator[str]:
    yield from _states("state", dynamics.states)
    for where in dynamics.inputs:
        yield f"  input {where.name}  {_unit(where.unit)}".rstrip()
    yield from _equations(dynamics.equations)
    yield from _block("each step", dynamics.each_step)
    if dynamics.spike is not None:
        sign = ">" if dynamics.spike.strict else ">="
        yield f"  spike when {print_expression(dynamics.spike.distance, units=True)} {sign} 0"
        yield from (f"    {_assignment(a)}" for a in dynamics.spike.jumps)
    if dynamics.refractory is not None:
        hold = f" hold {', '.join(dynamics.refractory.hold)}" if dynamics.refractory.hold else ""
        yield f"  refractory {print_expression(dynamics.refractory.duration, units=True)}{hold}"
    if dynamics.surrogate is not None:
        yield f"  surrogate {print_expression(dynamics.surrogate, units=True)}"
    yield from _method(dynamics.method, dynamics.substeps)


def _states(word: str, states: tuple[nodes.State, ...]) -> Iterator[str]:
    for state in states:
        text = f"  {word} {state.name} = {print_expression(state.initial, units=True)}  {_unit(state.unit)}".rstrip()
        text += "" if state.storage == "compiled" else f"  {state.storage}"
        yield text + (f"  clip {_interval(state.clip)}" if state.clip else "")


def _equations(equations: tuple[nodes.Equation, ...]) -> Iterator[str]:
    for equation in equations:
        yield f"  d{equation.state}/dt = {print_expression(equation.derivative, units=True)}"


def _block(head: str, assignments: tuple[nodes.Assignment, ...]) -> Iterator[str]:
    if assignments:
        yield f"  {head}:"
        yield from (f"    {_assignment(a)}" for a in assignments)


def _method(method: nodes.Method | None, substeps: int) -> Iterator[str]:
    if method is not None:
        yield f"  method {method}" + (f"(substeps = {substeps})" if substeps > 1 else "")


def _assignment(assignment: nodes.Assignment) -> str:
    reset = "reset " if assignment.reset else ""
    return f"{reset}{assignment.state} = {print_expression(assignment.value, units=True)}"


def _connection(connection: nodes.Connection) -> Iterator[str]:
    source = connection.source + _part(connection.source_part)
    target = f"{connection.target}{_part(connection.target_part)}.{connection.input}"
    delay = f"delay {_steps(connection.delay_steps)}" + (" or more" if connection.delay else "")
    delay += f"  post_delay {_steps(connection.post_delay_steps)}" if connection.post_delay_steps else ""
    yield f"connection {connection.name}: {source} -> {target}  {connection.pattern}  {delay}"
    if connection.share is not None:
        yield f"  share {connection.share[0]}" + (" transposed" if connection.share[1] else "")
    else:
        sign = "  sign fixed" if connection.sign_fixed else ""
        sign += f"  rewire {connection.rewiring}" if connection.rewiring is not None else ""
        sign += f"  dropout {print_number(connection.dropout)}" if connection.dropout else ""
        sign += "" if connection.stored else "  not stored"
        yield f"  {_parameter(connection.weight)}{sign}"
    if connection.delay is not None:
        yield f"  {_parameter(connection.delay)}"
    if connection.synapse is not None:
        yield from (f"  {line}" for line in _synapse(connection.synapse))
    if connection.plasticity is not None:
        yield from (f"  {line}" for line in _plasticity(connection.plasticity))
    for name, population, variable in connection.modulators:
        yield f"  modulator {name} set by {population}.{variable}"


def _synapse(synapse: nodes.Synapse) -> Iterator[str]:
    yield f"synapse {synapse.model}"
    yield from (f"  {_parameter(p)}" for p in synapse.parameters)
    yield from _states("state", synapse.states)
    yield from _equations(synapse.equations)
    yield from _block("on pre", synapse.on_pre)
    if synapse.deliver is not None:
        yield f"  deliver {print_expression(synapse.deliver, units=True)}  {_unit(synapse.deliver_unit)}".rstrip()
    yield from _method(synapse.method, synapse.substeps)


def _plasticity(plasticity: nodes.Plasticity) -> Iterator[str]:
    yield f"plasticity {plasticity.model}"
    yield from (f"  {_parameter(p)}" for p in plasticity.parameters)
    yield from _states("pre state", plasticity.pre_states)
    yield from _states("post state", plasticity.post_states)
    yield from _states("state", plasticity.states)
    for modulator in plasticity.modulators:
        yield f"  modulator {modulator.name}  {_unit(modulator.unit)}".rstrip()
    yield from _equations(plasticity.equations)
    yield from _block("on pre", plasticity.on_pre)
    yield from _block("on post", plasticity.on_post)
    for name, low, high in plasticity.bounds:
        yield f"  bound {name} in [{print_expression(low, units=True)}, {print_expression(high, units=True)}]"


def _part(part: Part) -> str:
    return "" if part.is_whole else f"[{', '.join(f'{start}:{stop}' for start, stop in part.ranges)}]"


def _steps(steps: int) -> str:
    return f"{steps} steps" if steps != 1 else "1 step"


def _simulation(simulation: nodes.Simulation) -> Iterator[str]:
    trials = f", {simulation.trials} trials" if simulation.trials > 1 else ""
    yield f"simulate {_steps(simulation.duration_steps)}{trials}"
    for record in simulation.records:
        every = "" if record.every_steps == 1 else f" every {_steps(record.every_steps)}"
        yield f"  record {record.variable} of {record.owner}{_part(record.part) if record.part else ''}{every}"
    for stimulus in simulation.stimuli:
        place = f"{stimulus.owner}{_part(stimulus.part) if stimulus.part else ''}.{stimulus.input}"
        start, stop = stimulus.window
        window = f"steps {start}..{'' if stop is None else stop}"
        yield f"  stimulate {place}: {print_expression(stimulus.value, units=True)}  {window}"


def _training(training: training_nodes.Training) -> Iterator[str]:
    yield "train"
    yield f"  rule {_rule(training.rule)}"
    for loss in training.losses:
        yield f"  loss {_loss(loss)}"
    for penalty in training.penalties:
        yield f"  penalty {_penalty(penalty)}"
    optimiser = training.optimiser
    yield f"  optimiser {_call(optimiser.name, optimiser.settings)}"
    if optimiser.schedule is not None:
        yield f"  schedule {_call(*optimiser.schedule)}"
    if optimiser.clip is not None:
        yield f"  clip {optimiser.clip[0]}({print_number(optimiser.clip[1])})"
    for learnt in training.learn:
        rate = "" if learnt.rate == 1.0 else f"  rate {print_number(learnt.rate)}"
        bounds = f"  in {_interval(learnt.bounds)}" if learnt.bounds else ""
        yield f"  learn {learnt.key}{rate}{bounds}"
    yield f"  batch {training.batch}"


def _rule(rule: training_nodes.Rule) -> str:
    settings = [f"feedback = {rule.feedback}"] if rule.name == "eprop" else []
    settings += ["online = true"] if rule.online else []
    settings += [f"truncate = {rule.truncate_steps} steps"] if rule.truncate_steps else []
    return f"{rule.name}({', '.join(settings)})" if settings else rule.name


def _penalty(penalty: training_nodes.Penalty) -> str:
    target, strength = print_number(penalty.target), print_number(penalty.strength)
    return f"firing_rate({penalty.population}, target = {target} kHz, strength = {strength}, over = {penalty.over})"


def _loss(loss: training_nodes.Loss) -> str:
    read = f"{loss.population}.{loss.variable}"
    start, stop = loss.window
    window = "" if (start, stop) == (0, None) else f", steps {start}..{'' if stop is None else stop}"
    classes = f", smoothing = {print_number(loss.smoothing)}" if loss.smoothing else ""
    if loss.class_weights:
        classes += f", weights = [{', '.join(map(print_number, loss.class_weights))}]"
    text = f"{loss.function}({loss.reduction}({read}{window}){classes})" if loss.reduction else ""
    text = text or f"{loss.over_steps}({loss.function}({read}{classes}){window})"
    return text if loss.factor == 1.0 else f"{print_number(loss.factor)} * {text}"


def _call(name: str, numbers: tuple[tuple[str, float], ...]) -> str:
    return f"{name}({', '.join(f'{key} = {print_number(value)}' for key, value in numbers)})"


def _interval(interval: tuple[float, float]) -> str:
    return f"[{print_number(interval[0])}, {print_number(interval[1])}]"


def _unit(unit: Unit | None) -> str:
    """The unit of in-memory numbers, in brackets; nothing for plain ones."""
    return "" if unit is None or unit.dimensionless else f"[{Unit(unit.dimension)}]"
