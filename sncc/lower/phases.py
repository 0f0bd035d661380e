"""Model → Program: one group per population, its update, and the deliveries of one step.

Every parameter stays a symbol here; passes fold numbers after populations with equal dynamics have been merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import Expression, Number
from sncc.lower.connections import impulsive, lower_connection
from sncc.lower.curved_reading import remember_what_jumps
from sncc.lower.deliveries import deliver_over_steps
from sncc.lower.dropout import enlarge_what_is_left
from sncc.lower.initial_states import store_initial_states
from sncc.lower.maps import start_maps_before_flows
from sncc.lower.neuron import Neuron, Part, hoist, lower_neuron, poisson, without_surrogate
from sncc.lower.parameters import key_of, program_parameters
from sncc.lower.plasticity import lower_synapses, place_traces, reads_target
from sncc.lower.recorded_synapses import record_synapses
from sncc.lower.shared_draws import share_draws, stream_name
from sncc.lower.shared_weights import place_shared_weights
from sncc.lower.support import refuse
from sncc.lower.synapse_populations import spread_synapses
from sncc.lower.synapses import place_synapses
from sncc.model.nodes import Model, Population
from sncc.program.groups import Group, Row, Source
from sncc.program.groups import Recordable as RecordedState
from sncc.program.nodes import Precision, Program, Record, Simulation, Stimulus
from sncc.program.operations import Deliver, Derive, ForwardOperation, Update
from sncc.program.order import forward_order
from sncc.program.statements import REFRACTORY, Draw, Repeat
from sncc.program.streams import stream

ALIGNMENT = 16  # every row of a group starts at a multiple of so many neurons: whole vectors, no scalar remainder


def lower(model: Model, precision: Precision = "float32") -> Program:
    """The forward Program of a Model.

    Raises `DiagnosticError` (`not-supported-yet`) for what the language can say and the Program cannot yet.
    """
    refuse(model)
    written, model = place_shared_weights(store_initial_states(model)), place(model)
    neurons = {p.name: _updates(model, p) for p in model.populations if p.kind in ("neuron", "poisson")}
    names = {population: f"g{k}" for k, population in enumerate(neurons)}
    groups = tuple(_group(model.population(p), neuron, names[p]) for p, neuron in neurons.items())
    connections = tuple(lower_connection(model, c, names) for c in model.connections)
    moving = [s for c in model.connections if (s := lower_synapses(model, c)) is not None]
    operations: list[ForwardOperation] = [
        Deliver(c.name) for c in model.connections if c.synapse is None and not c.only_recorded
    ]
    operations += [update for s in moving for update in s.updates]
    operations += [
        Update(names[population], n.inputs, n.body, n.carry, spikes=n.spikes)
        for population, updates in neurons.items()
        for n in updates
    ]
    coefficients = {names[p]: tuple(c for n in updates for c in n.coefficients) for p, updates in neurons.items()}
    program = Program(
        name=model.name,
        step=model.step,
        precision=precision,
        sources=tuple(_source(p) for p in model.populations if p.name not in neurons),
        parameters=program_parameters(written, model, connections),
        groups=groups,
        connections=connections,
        derive=tuple(Derive(group, body) for group, body in coefficients.items() if body),
        forward=forward_order(groups, connections, operations),
        schedule="sample_parallel" if model.spreads_samples else "neuron_parallel",
        rule=model.training.rule.name if model.training else "",
        batch=model.training.batch if model.training else 32,
        synapses=tuple(s.states for s in moving),
        simulation=_simulation(model, names),
        source=model.source,
        doc=model.doc,
    )
    return enlarge_what_is_left(program)


def place(model: Model) -> Model:
    """The model as its neurons carry it: with the states of synapses and traces that move with them."""
    model = place_shared_weights(share_draws(store_initial_states(model)))
    by_neurons = record_synapses(model, place_synapses(model))
    placed = place_traces(spread_synapses(deliver_over_steps(by_neurons)))
    return start_maps_before_flows(remember_what_jumps(placed))


def _updates(model: Model, population: Population) -> tuple[Neuron, ...]:
    """A population's update; in two where plasticity reads its states between flow and arrivals."""
    if population.kind == "poisson":
        return (poisson(model.step),)
    arriving = [c for c in model.connections if c.target == population.name]
    impulses = frozenset(c.input for c in arriving if impulsive(model, c))
    continuous = [c for c in arriving if not impulsive(model, c)]
    drives = frozenset(where for c in continuous for where in [d[0] for d in c.deliveries] or [c.input])
    if model.simulation is not None:  # also where another of the model is stimulated, so that the two can still merge
        alike = {p.name for p in model.populations if p.model == population.model}
        drives |= {s.input for s in model.simulation.stimuli if s.owner in alike}
    reading = next((c for c in arriving if reads_target(model, c)), None)
    dynamics = population.dynamics
    flows = dynamics is not None and bool(dynamics.equations)  # else its states are those of the step before
    parts: tuple[Part, ...] = ("flow", "rest") if reading is not None and flows else ("whole",)
    timed = model.training is not None and model.training.rule.name == "eventprop"
    neurons = [lower_neuron(population, impulses, drives, model.step, part, timed) for part in parts]
    if model.training is None:
        neurons = [without_surrogate(neuron) for neuron in neurons]
    own = frozenset(p.name for p in population.parameters)
    return tuple(hoist(n, own, "C" if k == 0 else f"C{k}") for k, n in enumerate(neurons))


def _simulation(model: Model, groups: Mapping[str, str]) -> Simulation | None:
    given = model.simulation
    if given is None:
        return None
    return Simulation(
        given.duration_steps,
        tuple(Record(r.owner, r.variable, r.every_steps, r.part) for r in given.records),
        tuple(Stimulus(groups.get(s.owner, ""), s.owner, s.input, s.value, *s.window, s.part) for s in given.stimuli),
        given.trials,
    )


def _group(population: Population, neurons: Sequence[Neuron], name: str) -> Group:
    own = population.dynamics.states if population.dynamics is not None else ()
    values: list[tuple[str, float | str]] = []
    for parameter in population.parameters:
        if parameter.storage == "compiled" and isinstance(parameter.value, Number):
            values.append((parameter.name, parameter.value.value))
        else:
            values.append((parameter.name, key_of(population, parameter)))
    initial: list[tuple[str, Expression]] = [(s.name, s.initial) for s in own]
    if any(neuron.refractory for neuron in neurons):
        initial.append((REFRACTORY, Number(0.0)))
    row = Row(
        population.name,
        population.shape,
        0,
        population.size,
        tuple(values),
        tuple(initial),
        any(neuron.spikes is not None for neuron in neurons),
        _streams(population, neurons),
        tuple((s.name, s.clip) for s in own if s.clip is not None and has_draws(s.initial)),
        population.holds,
        tuple(
            RecordedState(r.name, r.state, "" if r.unit.dimensionless else str(r.unit), r.unit.to_si, r.ahead)
            for r in population.recordable
        ),
        tuple((s.name, s.starts_as) for s in own if s.starts_as),
        population.joins,
    )
    return Group(
        name=name,
        size=-(-population.size // ALIGNMENT) * ALIGNMENT,
        rows=(row,),
        states=tuple(state for state, _ in initial),
        declared=()
        if population.holds != "neurons"
        else tuple(
            (s.name, "" if s.unit.dimensionless else str(s.unit), s.unit.to_si) for s in own if "." not in s.name
        ),
        inputs=tuple(i for neuron in neurons for i in neuron.inputs),
        arrays=(*(symbol for symbol, _ in values), *(c.name for neuron in neurons for c in neuron.coefficients)),
    )


def _streams(population: Population, neurons: Sequence[Neuron]) -> tuple[tuple[str, int], ...]:
    each = [s for neuron in neurons for s in neuron.body]
    draws = [s.name for s in each if isinstance(s, Draw)]
    draws += [d.name for s in each if isinstance(s, Repeat) for d in s.draws]
    return tuple((name, stream(population.name, stream_name(name))) for name in dict.fromkeys(draws))


def _source(population: Population) -> Source:
    kind: Literal["events", "signal"] = "signal" if population.kind == "signal" else "events"
    unit = population.unit
    return Source(
        population.name, kind, population.shape, population.size,
        "" if unit is None or unit.dimensionless else str(unit), unit.to_si if unit else 1.0,
        kept=population.kind == "spike_times",
    )  # fmt: skip
