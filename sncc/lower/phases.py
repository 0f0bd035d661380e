"""Model → Program: one group per population, its update, and the deliveries of one step.

Every parameter stays a symbol here; passes fold numbers after populations with equal dynamics have been merged.
"""

from __future__ import annotations

from typing import Literal

from sncc.expressions.nodes import Expression, Number
from sncc.lower.connections import impulsive, lower_connection
from sncc.lower.initial_states import store_initial_states
from sncc.lower.neuron import Neuron, hoist, lower_neuron, poisson, without_surrogate
from sncc.lower.parameters import key_of, program_parameters
from sncc.lower.plasticity import lower_synapses, place_traces
from sncc.lower.synapses import place_synapses
from sncc.model.nodes import Model, Population
from sncc.program.nodes import (
    Deliver,
    Derive,
    Draw,
    ForwardOperation,
    Group,
    Precision,
    Program,
    Record,
    Row,
    Simulation,
    Source,
    Update,
)
from sncc.program.order import forward_order
from sncc.program.streams import stream

ALIGNMENT = 16  # every row of a group starts at a multiple of so many neurons: whole vectors, no scalar remainder


def lower(model: Model, precision: Precision = "float32") -> Program:
    """The forward Program of a Model.

    Raises `DiagnosticError` (`not-supported-yet`) for what the language can say and the Program cannot yet.
    """
    written = store_initial_states(model)
    model = place_traces(place_synapses(written))
    neurons = {p.name: _neuron(model, p) for p in model.populations if p.kind in ("neuron", "poisson")}
    names = {population: f"g{k}" for k, population in enumerate(neurons)}
    groups = tuple(_group(model.population(p), neuron, names[p]) for p, neuron in neurons.items())
    connections = tuple(lower_connection(model, c, names) for c in model.connections)
    moving = [s for c in model.connections if (s := lower_synapses(model, c)) is not None]
    operations: list[ForwardOperation] = [Deliver(c.name) for c in model.connections if c.synapse is None]
    operations += [update for s in moving for update in s.updates]
    for population, neuron in neurons.items():
        operations.append(
            Update(
                names[population], neuron.inputs, neuron.body, neuron.carry, spikes="spike" if neuron.spiking else None
            )
        )
    simulation = None
    if model.simulation is not None:
        records = tuple(Record(r.owner, r.variable, r.every_steps, r.part) for r in model.simulation.records)
        simulation = Simulation(model.simulation.duration_steps, records)
    return Program(
        name=model.name,
        step=model.step,
        precision=precision,
        sources=tuple(_source(p) for p in model.populations if p.name not in neurons),
        parameters=program_parameters(written, model, connections),
        groups=groups,
        connections=connections,
        derive=tuple(Derive(names[p], n.coefficients) for p, n in neurons.items() if n.coefficients),
        forward=forward_order(groups, connections, operations),
        schedule="sample_parallel" if model.training else "neuron_parallel",
        rule=model.training.rule.name if model.training else "",
        batch=model.training.batch if model.training else 32,
        synapses=tuple(s.states for s in moving),
        simulation=simulation,
        source=model.source,
        doc=model.doc,
    )


def _neuron(model: Model, population: Population) -> Neuron:
    if population.kind == "poisson":
        return poisson(population, model.step)
    arriving = [c for c in model.connections if c.target == population.name]
    impulses = frozenset(c.input for c in arriving if impulsive(model, c))
    drives = frozenset(c.input for c in arriving if not impulsive(model, c))
    neuron = lower_neuron(population, impulses, drives, model.step)
    if model.training is None:
        neuron = without_surrogate(neuron)
    return hoist(neuron, frozenset(p.name for p in population.parameters))


def _group(population: Population, neuron: Neuron, name: str) -> Group:
    own = population.dynamics.states if population.dynamics is not None else ()
    values: list[tuple[str, float | str]] = []
    for parameter in population.parameters:
        if parameter.storage == "compiled" and isinstance(parameter.value, Number):
            values.append((parameter.name, parameter.value.value))
        else:
            values.append((parameter.name, key_of(population, parameter)))
    initial: list[tuple[str, Expression]] = [(s.name, s.initial) for s in own]
    if neuron.refractory:
        initial.append(("refractory", Number(0.0)))
    row = Row(
        population.name,
        population.shape,
        0,
        population.size,
        tuple(values),
        tuple(initial),
        neuron.spiking,
        _streams(population, neuron),
    )
    return Group(
        name=name,
        size=-(-population.size // ALIGNMENT) * ALIGNMENT,
        rows=(row,),
        states=tuple(state for state, _ in initial),
        declared=()
        if "." in population.name
        else tuple(
            (s.name, "" if s.unit.dimensionless else str(s.unit), s.unit.to_si) for s in own if "." not in s.name
        ),
        inputs=neuron.inputs,
        arrays=(*(symbol for symbol, _ in values), *(c.name for c in neuron.coefficients)),
    )


def _streams(population: Population, neuron: Neuron) -> tuple[tuple[str, int], ...]:
    draws = (s.name for s in neuron.body if isinstance(s, Draw))
    return tuple((name, stream(population.name, name)) for name in draws)


def _source(population: Population) -> Source:
    kind: Literal["events", "signal"] = "signal" if population.kind == "signal" else "events"
    unit = population.unit
    return Source(
        population.name, kind, population.shape, population.size,
        "" if unit is None or unit.dimensionless else str(unit), unit.to_si if unit else 1.0,
        kept=population.kind == "spike_times",
    )  # fmt: skip
