"""Model → Model: synapses become states of their neurons, once per neuron instead of once per synapse.

What `reduction.py` calls the target's goes into the target's own dynamics: states, equations, an input that the
connection delivers its weights into as impulses, and what `deliver` says added to the neuron's input. Neuron and
synapses are then one system, integrated together. What it calls the source's goes into a population of its own,
`CONN.pre`, of the source's size, which the source's spikes move one to one. Synapses of one target with equal dynamics
and compiled-in numbers share their states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sncc.expressions.algebra import ONE, ZERO, add, div, mul
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.expressions.printer import print_expression
from sncc.expressions.units import PLAIN
from sncc.lower.readings import is_timed
from sncc.lower.reduction import Reduction, reduce_synapse
from sncc.lower.traces import drive, most_spikes, rests, trace_population, unsupported
from sncc.model.nodes import (
    Assignment,
    Connection,
    Dynamics,
    Equation,
    Input,
    Model,
    Parameter,
    Population,
    State,
    Synapse,
)

GAIN, VALUE = "trace.gain", "trace.value"  # states of traces beside the user's, which have no dots


def place_synapses(model: Model) -> Model:
    """The model with every synapse that its neurons can carry moved into them; others keep theirs."""
    found = {
        c.name: r
        for c in model.connections
        if c.synapse is not None
        and (r := reduce_synapse(c)) is not None
        and _is_told(c, r)
        and not _follows_number(model, c)
        and _is_met(model, c, r)
    }
    placed = [c for c in model.connections if c.name in found]
    traces = _Traces(model)
    populations = [
        _with_synapses(p, [c for c in placed if c.target == p.name], found, traces) for p in model.populations
    ]
    connections: list[Connection] = []
    for connection in model.connections:
        connections += traces.connections.get(connection.name, [connection])
    return replace(
        model,
        populations=(*(p for p in populations), *traces.populations),
        connections=(*traces.driving, *connections),
    )


def _is_told(connection: Connection, reduction: Reduction) -> bool:
    """Whether a source can tell what its synapses read, each its own delay ago:
    its states themselves, or what rests until it spikes.
    """
    if connection.delay is None:
        return True
    values = (total.value for total in reduction.sums)
    told = all(isinstance(value, Symbol) or not _follows(value) for value in values)
    synapse, own = connection.synapse, set(reduction.source_states)
    assert synapse is not None
    return told and rests([s for s in synapse.states if s.name in own], synapse.equations)


def _follows_number(model: Model, connection: Connection) -> bool:
    """Whether traces follow a number that each neuron of the source has for itself to every synapse by itself:
    learnt forwards in time.
    """
    training, synapse = model.training, connection.synapse
    assert synapse is not None
    if training is None or not training.rule.online or synapse.deliver is None:
        return False
    source, learnt = model.population(connection.source), {entry.key for entry in training.learn}
    each = {p.name for p in source.parameters if p.storage == "each" and f"{source.name}.{p.name}" in learnt}
    return any(name in symbols(synapse.deliver) for name in (f"pre.{p}" for p in each))


def _is_met(model: Model, connection: Connection, reduction: Reduction) -> bool:
    """Whether what a source's states make of its spikes can reach synapses with weights that move:
    with spikes' times it needs these as well.
    """
    return not (is_timed(model) and connection.plasticity is not None and reduction.gain != ONE)


def _follows(value: Expression) -> bool:
    return any(name.startswith("pre.") for name in symbols(value))


# ------------------------------------------------------------------------------------------------ the target's side
def _with_synapses(
    population: Population, arriving: Sequence[Connection], found: Mapping[str, Reduction], traces: _Traces
) -> Population:
    """A population with the states of its synapses,
    numbered in an order that does not depend on the order of connections.
    """
    alike: dict[object, list[Connection]] = {}
    for connection in arriving:
        alike.setdefault(_identity(connection), []).append(connection)
    for number, members in enumerate(sorted(alike.values(), key=_canonical), 1):
        population = _placed(population, members, found[members[0].name], f"synapse{number}", traces)
    return population


def _identity(connection: Connection) -> object:
    """Equal for connections that may share their states."""
    synapse = connection.synapse
    assert synapse is not None
    numbers = tuple((p.name, p.value) for p in synapse.parameters)
    own = None if all(p.storage == "compiled" for p in synapse.parameters) else connection.name
    kinds = connection.plasticity is None  # it decides what is whose
    return (
        own, connection.input, numbers, synapse.states, synapse.equations, synapse.on_pre, synapse.deliver,
        synapse.method, synapse.substeps, kinds,
    )  # fmt: skip


def _canonical(members: Sequence[Connection]) -> tuple[str, ...]:
    synapse = members[0].synapse
    assert synapse is not None
    return (members[0].input, synapse.model, *(print_expression(p.value) for p in synapse.parameters))


@dataclass
class _Target:
    """What a synapse adds to its target's dynamics."""

    states: list[State]
    inputs: list[Input]
    equations: list[Equation]
    delivered: Expression = ZERO


def _placed(
    population: Population, members: Sequence[Connection], reduction: Reduction, tag: str, traces: _Traces
) -> Population:
    synapse, dynamics = members[0].synapse, population.dynamics
    assert synapse is not None and dynamics is not None
    names = _names(synapse, dynamics, tag, members[0])
    part = _Target([], [], [])
    impulse = Symbol(f"in.{tag}")  # in front: behind the tag stand the user's names
    if reduction.amounts:
        part.inputs.append(Input(impulse.name, PLAIN))
    for state in (s for s in synapse.states if s.name in reduction.target_states):
        derivative = next((e.derivative for e in synapse.equations if e.state == state.name), ZERO)
        slope = substitute(derivative, names)
        if state.name in reduction.amounts:
            slope = add(slope, mul(substitute(reduction.amounts[state.name], names), impulse))
        part.states.append(State(f"{tag}.{state.name}", ZERO, state.unit))
        part.equations.append(Equation(f"{tag}.{state.name}", slope, synapse.span))
    part.delivered = substitute(reduction.deliver, names)
    for number, total in enumerate(reduction.sums, 1):
        drive = Symbol(f"sum{number}.{tag}")
        part.inputs.append(Input(drive.name, PLAIN))
        part.delivered = add(part.delivered, mul(substitute(total.factor, names), drive))
    for connection in members:
        traces.add(connection, reduction, tag)
    used = {s for e in part.equations for s in symbols(e.derivative)} | symbols(part.delivered)
    parameters = tuple(
        replace(p, name=f"{tag}.{p.name}", key=f"{members[0].name}.{p.name}")
        for p in synapse.parameters
        if f"{tag}.{p.name}" in used
    )
    dynamics = _joined(dynamics, synapse, members[0].input, part)
    return replace(population, parameters=(*population.parameters, *parameters), dynamics=dynamics)


def _names(synapse: Synapse, dynamics: Dynamics, tag: str, connection: Connection) -> dict[str, Expression]:
    """The synapse's names as the target's."""
    names: dict[str, Expression] = {p.name: Symbol(f"{tag}.{p.name}") for p in synapse.parameters}
    names |= {s.name: Symbol(f"{tag}.{s.name}") for s in synapse.states}
    inputs = {i.name for i in dynamics.inputs}
    used = {s for e in synapse.equations for s in symbols(e.derivative)}
    used |= symbols(synapse.deliver) if synapse.deliver is not None else set()
    for name in sorted(used):
        if name.startswith("post."):
            if name[5:] in inputs:
                what = f"`{name}`, an input of the target, in a synapse"
                raise unsupported(synapse.span or connection.span, what, "let it drive a state, and read that")
            names[name] = Symbol(name[5:])
    return names


def _joined(dynamics: Dynamics, synapse: Synapse, where: str, part: _Target) -> Dynamics:
    whole: dict[str, Expression] = {where: add(Symbol(where), part.delivered)}
    return replace(
        dynamics,
        states=(*dynamics.states, *part.states),
        inputs=(*dynamics.inputs, *part.inputs),
        equations=(
            *(replace(e, derivative=substitute(e.derivative, whole)) for e in dynamics.equations),
            *part.equations,
        ),
        each_step=tuple(replace(a, value=substitute(a.value, whole)) for a in dynamics.each_step),
        method=dynamics.method or synapse.method,
        substeps=dynamics.substeps if dynamics.method or not synapse.method else synapse.substeps,
    )


# ------------------------------------------------------------------------------------------------ the source's side
class _Traces:
    """The populations that carry the source's states, and what becomes of each connection."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.populations: list[Population] = []
        self.driving: list[Connection] = []  # the sources' spikes to their traces
        self.connections: dict[str, list[Connection]] = {}
        self._made: dict[object, Population] = {}

    def add(self, connection: Connection, reduction: Reduction, tag: str) -> None:
        """The connections that a connection becomes: its impulses, and a sum over its synapses per term."""
        synapse = connection.synapse
        assert synapse is not None
        bare = replace(connection, synapse=None)
        result: list[Connection] = []
        trace = self._trace(connection, reduction)
        if reduction.amounts and trace is not None and reduction.gain != ONE:
            result.append(replace(bare, input=f"in.{tag}", **self._gained(connection, trace)))
        elif reduction.amounts:
            result.append(replace(bare, input=f"in.{tag}"))
        for number, total in enumerate(reduction.sums, 1):
            first = not result
            source, values, delay = self._values(connection, total.value, number, trace)
            result.append(
                replace(
                    bare,
                    name=bare.name if first else f"{bare.name}.sum{number}",
                    source=source,
                    input=f"sum{number}.{tag}",
                    values=values,
                    delay_steps=delay,
                    synapses_of=None if first else bare.name,
                )
            )
        self.connections[connection.name] = result

    def _gained(self, connection: Connection, trace: Population) -> dict[str, Any]:
        """How spikes are delivered times a gain: where samples are spread as a value of the source's like any other,
        which credit goes back by.
        """
        if not self.model.spreads_samples or connection.plasticity is not None:
            return {"gain": (trace.name, GAIN)}
        least = 0 if connection.delay is None else connection.delay_steps  # the trace has jumped at the arrival
        return {"source": trace.name, "values": GAIN, "impulses": True, "delay_steps": least}

    def _values(
        self, connection: Connection, value: Expression, number: int, trace: Population | None
    ) -> tuple[str, str, int]:
        """(population, state, delay) of what is summed: the value at the end of the step before, or earlier."""
        if isinstance(value, Symbol) and self._is_state(connection, value):
            return connection.source, value.name.removeprefix("pre."), max(connection.delay_steps, 1)
        assert trace is not None
        if _leaves(connection, value):
            return trace.name, f"{VALUE}{number}", 0 if connection.delay is None else connection.delay_steps
        least = 1 if connection.delay is None else max(connection.delay_steps, 1)
        return trace.name, value.name if isinstance(value, Symbol) else f"{VALUE}{number}", least

    def _is_state(self, connection: Connection, value: Expression) -> bool:
        """Whether a value is a state of the source's own."""
        dynamics = self.model.population(connection.source).dynamics
        if dynamics is None or not isinstance(value, Symbol):
            return False
        return value.name in {f"pre.{s.name}" for s in dynamics.states}

    def _trace(self, connection: Connection, reduction: Reduction) -> Population | None:
        """The population of the source's states of a connection, shared where another needs the same.

        Values that it follows, or that synapses read their own delay ago, leave it as they are before its update.
        """
        synapse = connection.synapse
        assert synapse is not None
        own = set(reduction.source_states)
        values = {
            f"{VALUE}{number}": total.value
            for number, total in enumerate(reduction.sums, 1)
            if not self._is_state(connection, total.value)
            and (_leaves(connection, total.value) or not isinstance(total.value, Symbol))
        }
        if not own and reduction.gain == ONE and not values:
            return None
        gain, source = reduction.gain != ONE, self.model.population(connection.source)
        several = most_spikes(source) != 1
        spread = self.model.spreads_samples
        # the gain of several spikes of a step is their mean, since what is delivered counts them; with samples spread
        # their sum is what is delivered
        share = add(Symbol(GAIN), reduction.gain) if several else reduction.gain
        jumps = [*([Assignment(GAIN, share)] if gain else []), *(a for a in synapse.on_pre if a.state in own)]
        spikes = apply("max", Symbol("pre!"), 1.0)
        mean = [Assignment(GAIN, div(Symbol(GAIN), spikes))] if gain and several and not spread else []
        starts = {s.name: s.initial for s in synapse.states}
        followed, numbers_of_source = self._followed(connection, values.values())
        told = [Assignment(n, v) for n, v in values.items() if not isinstance(v, Number) and not _leaves(connection, v)]
        nothing: dict[str, Expression] = {f"pre.{name}": ZERO for name in followed}
        dynamics = Dynamics(
            states=(
                *(s for s in synapse.states if s.name in own),
                *([State(GAIN, ZERO, PLAIN)] if reduction.gain != ONE else []),
                *(State(name, substitute(value, starts | nothing), PLAIN) for name, value in values.items()),
            ),
            inputs=(*[Input("pre", PLAIN)] * bool(jumps), *(Input(f"pre.{name}", PLAIN) for name in followed)),
            equations=tuple(e for e in synapse.equations if e.state in own),
            method=synapse.method,
            substeps=synapse.substeps,
            arrivals=(("pre", tuple(jumps)),) if jumps else (),
            most=most_spikes(source),
            leaving=tuple(Assignment(n, v) for n, v in values.items() if _leaves(connection, v)),
            kept=(Assignment(GAIN, ZERO),) if gain and (several or spread) else (),
            outputs=(*mean, *told),
        )
        moves: list[Equation | Assignment] = [*dynamics.equations, *jumps, *dynamics.outputs, *dynamics.leaving]
        used = {s for e in moves for s in symbols(_right(e))}
        used |= {s for state in dynamics.states for s in symbols(state.initial)}
        parameters = tuple(replace(p, key=f"{connection.name}.{p.name}") for p in synapse.parameters if p.name in used)
        numbers = tuple((p.name, p.value) for p in parameters)
        stored = connection.name if any(p.storage != "compiled" for p in parameters) else None
        parameters += numbers_of_source
        return self._population(connection, (stored, numbers, dynamics), dynamics, parameters, followed)

    def _followed(
        self, connection: Connection, values: Iterable[Expression]
    ) -> tuple[tuple[str, ...], tuple[Parameter, ...]]:
        """Of what values read of the source its states, by name, and its parameters."""
        source, synapse = self.model.population(connection.source), connection.synapse
        assert synapse is not None
        states = {s.name for s in source.dynamics.states} if source.dynamics is not None else set()
        read = sorted({n.partition(".")[2] for v in values for n in symbols(v) if n.startswith("pre.")})
        parameters: list[Parameter] = []
        for name in (n for n in read if n not in states):
            found = next((p for p in source.parameters if p.name == name), None)
            if found is None:
                what = f"`pre.{name}`, an input of the source, delivered all the time,"
                raise unsupported(synapse.span or connection.span, what, "let it drive a state, and read that")
            parameters.append(replace(found, name=f"pre.{name}", key=found.key or f"{source.name}.{name}"))
        return tuple(n for n in read if n in states), tuple(parameters)

    def _population(
        self,
        connection: Connection,
        identity: object,
        dynamics: Dynamics,
        parameters: tuple[Parameter, ...],
        followed: tuple[str, ...],
    ) -> Population:
        key = (connection.source, connection.delay_steps, connection.delay is None, identity)
        if key not in self._made:
            source = self.model.population(connection.source)
            name = f"{connection.name}.pre"
            trace = trace_population(name, source, parameters, dynamics, connection.span)
            self._made[key] = trace
            self.populations.append(trace)
            delay = 0 if connection.delay is not None else connection.delay_steps  # read the synapse's delay ago
            if dynamics.arrivals:  # a source without spikes, before a gap junction, has nothing to tell
                self.driving.append(drive(name, source, name, "pre", delay))
            self.driving += [drive(f"{name}.{s}", source, name, f"pre.{s}", max(delay, 1), s) for s in followed]
        return self._made[key]


def _leaves(connection: Connection, value: Expression) -> bool:
    """Whether a trace tells a value as it is at the end of the step before."""
    return _follows(value) or connection.delay is not None and not isinstance(value, Number)


def _right(node: Equation | Assignment) -> Expression:
    return node.derivative if isinstance(node, Equation) else node.value
