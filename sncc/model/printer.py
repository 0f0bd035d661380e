"""The Model as readable text: what `sncc ir --stage model` prints."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.expressions.printer import print_expression, print_number
from sncc.expressions.units import Unit
from sncc.model import nodes


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
        yield from _connection(connection, model.step)
    if model.training is not None:
        yield ""
        yield from _training(model.training)
    if model.simulation is not None:
        yield ""
        yield f"simulate {model.simulation.duration_steps} steps"
        for record in model.simulation.records:
            every = "" if record.every_steps == 1 else f" every {record.every_steps} steps"
            yield f"  record {record.variable} of {record.owner}{every}"


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
    for state in dynamics.states:
        yield f"  state {state.name} = {print_expression(state.initial, units=True)}  {_unit(state.unit)}".rstrip()
    for where in dynamics.inputs:
        yield f"  input {where.name}  {_unit(where.unit)}".rstrip()
    for equation in dynamics.equations:
        yield f"  d{equation.state}/dt = {print_expression(equation.derivative, units=True)}"
    if dynamics.each_step:
        yield "  each step:"
        yield from (f"    {_assignment(a)}" for a in dynamics.each_step)
    if dynamics.spike is not None:
        sign = ">" if dynamics.spike.strict else ">="
        yield f"  spike when {print_expression(dynamics.spike.distance, units=True)} {sign} 0"
        yield from (f"    {_assignment(a)}" for a in dynamics.spike.jumps)
    if dynamics.refractory is not None:
        hold = f" hold {', '.join(dynamics.refractory.hold)}" if dynamics.refractory.hold else ""
        yield f"  refractory {print_expression(dynamics.refractory.duration, units=True)}{hold}"
    if dynamics.surrogate is not None:
        yield f"  surrogate {print_expression(dynamics.surrogate, units=True)}"
    if dynamics.method is not None:
        yield f"  method {dynamics.method}"


def _assignment(assignment: nodes.Assignment) -> str:
    reset = "reset " if assignment.reset else ""
    return f"{reset}{assignment.state} = {print_expression(assignment.value, units=True)}"


def _connection(connection: nodes.Connection, step: float) -> Iterator[str]:
    ends = f"{connection.source} -> {connection.target}.{connection.input}"
    delay = f"{connection.delay_steps} steps" if connection.delay_steps != 1 else "1 step"
    yield f"connection {connection.name}: {ends}  {connection.pattern}  delay {delay}"
    yield f"  {_parameter(connection.weight)}"


def _training(training: nodes.Training) -> Iterator[str]:
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


def _rule(rule: nodes.Rule) -> str:
    settings = [f"feedback = {rule.feedback}"] if rule.name == "eprop" else []
    settings += ["online = true"] if rule.online else []
    settings += [f"truncate = {rule.truncate_steps} steps"] if rule.truncate_steps else []
    return f"{rule.name}({', '.join(settings)})" if settings else rule.name


def _penalty(penalty: nodes.Penalty) -> str:
    target, strength = print_number(penalty.target), print_number(penalty.strength)
    return f"firing_rate({penalty.population}, target = {target} kHz, strength = {strength}, over = {penalty.over})"


def _loss(loss: nodes.Loss) -> str:
    read = f"{loss.population}.{loss.variable}"
    start, stop = loss.window
    window = "" if (start, stop) == (0, None) else f", steps {start}..{'' if stop is None else stop}"
    text = f"{loss.function}({loss.reduction}({read}{window}))" if loss.reduction else ""
    text = text or f"{loss.over_steps}({loss.function}({read}){window})"
    return text if loss.factor == 1.0 else f"{print_number(loss.factor)} * {text}"


def _call(name: str, numbers: tuple[tuple[str, float], ...]) -> str:
    return f"{name}({', '.join(f'{key} = {print_number(value)}' for key, value in numbers)})"


def _interval(interval: tuple[float, float]) -> str:
    return f"[{print_number(interval[0])}, {print_number(interval[1])}]"


def _unit(unit: Unit | None) -> str:
    """The unit of in-memory numbers, in brackets; nothing for plain ones."""
    return "" if unit is None or unit.dimensionless else f"[{Unit(unit.dimension)}]"
