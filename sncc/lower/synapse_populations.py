"""Model → Model: synapses that no neuron can carry become a population of one neuron each.

So it is where samples are spread over threads, as in training.

`CONN.synapses` has the states of the synapses, moves them as the synapses move, and keeps what they deliver. The
source's spikes and states reach its synapses, the target's states the synapses onto it, and what those deliver is added
up in the target: connections by a weight of one. So gradients, tape and engines need nothing that neurons do not need.

Between whole populations, `dense` or `one_to_one`, synapses have their places in rows and columns, so these connections
have the patterns of images, and the weight is a number of each of the neurons. Elsewhere only the library knows which
synapses there are (`OfSynapses`); there the connection itself brings its weights, from `CONN.one`, neurons that stand
at one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.connectivity.patterns import Dense, Part
from sncc.expressions.algebra import ONE, ZERO, add, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.apart import noises_of
from sncc.lower.drawn_starts import drawn_starts, with_starts
from sncc.lower.followers import follow_modulator, trace_name
from sncc.lower.readings import ENDING, FLOWED, is_timed
from sncc.lower.recorded_synapses import recordable_states
from sncc.lower.sent_noise import SENT, sending
from sncc.lower.shared_draws import index_of
from sncc.lower.synapse_ends import (
    Ends,
    arrives_in_parts,
    built_ends,
    in_a_row,
    is_of_matrix,
    is_placed,
    most_of,
    placed_ends,
)
from sncc.lower.synapse_limits import refuse
from sncc.lower.synapse_moves import GAIN, SIGNAL, moves_of
from sncc.lower.telling import telling
from sncc.lower.traces import most_spikes, trace_population
from sncc.lower.whole_delays import CLOCK, INPUTS, LATE, SPIKES, TICK, WHOLE, WholeDelays, draws_at_source
from sncc.model.nodes import (
    Apart,
    Assignment,
    Connection,
    Dynamics,
    Input,
    Model,
    Parameter,
    Population,
    Recordable,
    Simulation,
    State,
    Stimulus,
)
from sncc.program.statements import NUMBER, SPIKED, TOLD

DELIVERED = "synapse.delivered"  # the user's states have no dots
ARRIVED = "arrived.before"  # a state: spikes of the step before
BEGUN = "source.begun"  # an input: 1 from when on the source's first step has reached a synapse
WHEN = "source.when"  # an input: the step that has reached a synapse
FROM = ".from"  # behind a state's name: what it begins a step with
KEPT = "dropout.kept"  # an input: what dropout makes of what a synapse delivers, 0 or 1 / (1 - p)


def spread_synapses(model: Model) -> Model:
    """The model with a population in place of each connection's synapses that keep states of their own."""
    if not model.spreads_samples:
        return model
    populations, connections = list[Population](), list[Connection]()
    for connection in model.connections:
        if connection.synapse is None and connection.plasticity is None:
            connections.append(connection)
            continue
        refuse(model, connection)
        added, around = _Spread(model, connection).spread()
        populations += added
        connections += around
    simulation = _stimulating(model, [c for c in model.connections if c.plasticity is not None])
    kept = (NUMBER, SPIKED, FLOWED, ENDING)
    told = {(c.source, c.values) for c in connections if c.of_target or (c.values or "").startswith(kept)}
    neurons = (telling(p, [v for name, v in told if name == p.name and v]) for p in model.populations)
    return replace(model, populations=(*neurons, *populations), connections=tuple(connections), simulation=simulation)


def _stimulating(model: Model, plastic: Sequence[Connection]) -> Simulation | None:
    """The simulation with what it adds to modulators as inputs of the synapses, as late as these see it."""
    if model.simulation is None:
        return None
    stimulated = {c.name: moves_of(model, c).stimulated for c in plastic}
    stimuli: list[Stimulus] = []
    for s in model.simulation.stimuli:
        stimuli += [s] if s.owner not in stimulated else []
        for symbol, modulator, ago in stimulated.get(s.owner, ()):
            if modulator == s.input:
                value = substitute(s.value, {"t": sub(Symbol("t"), Number(ago * model.step))})
                first, last = s.window
                window = first + ago, None if last is None else last + ago
                stimuli.append(Stimulus(f"{s.owner}.synapses", symbol, value, window, span=s.span))
    return replace(model.simulation, stimuli=tuple(stimuli))


class _Spread:
    """The neurons that stand for a connection's synapses,
    and the connections between these and all that they read or reach.
    """

    def __init__(self, model: Model, c: Connection) -> None:
        self.model, self.c = model, c
        self.source, self.target = model.population(c.source), model.population(c.target)
        self.name, self.own, self.count = f"{c.name}.synapses", c.synapses_of or c.name, most_of(c)
        self.placed = is_placed(c) and c.delay is None and not is_of_matrix(model, c) and not c.only_recorded
        self.moves, self.starts = moves_of(model, c), drawn_starts(model, c)
        self.seen = sorted(self.moves.seen, key=lambda s: s.symbol)
        self.sides = sorted({side for _, side in self.moves.whose})
        self.drawn_late = "pre" in self.sides and c.delay is not None
        self.noises: tuple[str, ...] = ()  # which the source sends its traces
        # whether spikes of the source tell it anything
        self.met = bool(self.moves.on_pre) or any("pre!" in symbols(value) for _, value in self.moves.delivered)
        self.delivered = {f"{DELIVERED}.{where}": value for where, value in self.moves.delivered}
        self.kept: dict[str, Expression] = {ARRIVED: Symbol("pre!")} if self.moves.after else {}
        self.kept |= {state: Symbol(symbol) for state, symbol in self.moves.kept}
        self.whole = WholeDelays.of(self.moves) if arrives_in_parts(model, c) else None
        self.kept |= dict(self.whole.kept) if self.whole is not None else {}
        self.when = WHEN  # what counts the steps of what has come
        if self.drawn_late and self.moves.after:
            self.when = f"{WHEN}.before"
            self.kept[self.when] = Symbol(WHEN)
        # a delay for each synapse
        self.each = replace(c.delay, key=f"{self.own}.delay") if c.delay is not None else None
        sizes = self.source.size, self.target.size
        joined = placed_ends(c, *sizes) if self.placed else built_ends(c, *sizes, self.count)
        self.to_rows, self.to_columns, self.from_columns = joined
        self.populations: list[Population] = []
        self.connections: list[Connection] = []

    def spread(self) -> tuple[list[Population], list[Connection]]:
        """The populations and connections in place of the connection."""
        self.populations.append(self._synapses())
        self._join_spikes()
        self._join_noise()
        self._join_modulators()
        self._join_what_is_seen()
        self._join_indices()
        self._join_starts()
        self._join_source()
        self._join_beginning()
        self._join_weights()
        self._join_target()
        if self.c.only_recorded:
            self.populations = [replace(p, holds="recorded") for p in self.populations]
        return self.populations, self.connections

    # ------------------------------------------------------------------------------------------------ the synapses
    def _synapses(self) -> Population:
        c, target = self.c, self.target
        parameters = list(self.moves.parameters)
        if self.placed:
            weight = in_a_row(c, c.weight, target.size)
            parameters.append(replace(c.weight, name="weight", key=f"{c.name}.weight", value=weight))
        recordable = recordable_states(c, self.moves)
        return Population(
            self.name, "neuron", (self.count,), "synapses", tuple(parameters),
            self._flows(parameters, self._dynamics(recordable)),
            holds="recorded" if c.only_recorded else "synapses", recordable=recordable,
            joins=(self.own, self.source.name, target.name), span=c.span,
        )  # fmt: skip

    def _flows(self, parameters: Sequence[Parameter], dynamics: Dynamics) -> Dynamics:
        """With the noise of the source's traces brought to them, where spikes arrive in parts."""
        if self.c.plasticity is None or not arrives_in_parts(self.model, self.c):
            return dynamics
        own, numbers = {s.name for s in self.c.plasticity.pre_states}, frozenset(p.name for p in parameters)
        apart: list[Apart] = []
        for group in dynamics.apart:
            noises = noises_of(dynamics, group, self.model.step, numbers) if own & set(group.states) else ()
            self.noises += noises
            apart.append(replace(group, brought=tuple((n, f"{SENT}{n}") for n in noises)))
        inputs = (*dynamics.inputs, *(Input(f"{SENT}{n}", PLAIN) for n in self.noises))
        return replace(dynamics, apart=tuple(apart), inputs=inputs)

    def _inputs(self) -> tuple[Input, ...]:
        c, moves = self.c, self.moves
        names = ["pre"] * self.met + ["post"] * bool(moves.on_post)
        names += [*(INPUTS if self.whole is not None else ()), *(s.symbol for s in self.seen)]
        names += [symbol for symbol, _, _ in moves.stimulated]
        names += [given for one in self.starts for _, given in one.inputs]
        names += [GAIN] * (c.gain is not None) + [SIGNAL] * (self.source.kind == "signal")
        names += [index_of(side) for side in self.sides] + [WHEN] * self.drawn_late
        names += ["weight"] * (not self.placed) + [KEPT] * bool(c.dropout) + [BEGUN] * bool(moves.waiting)
        return tuple(Input(name, PLAIN) for name in names)

    def _dynamics(self, recordable: Sequence[Recordable]) -> Dynamics:
        model, c, moves = self.model, self.c, self.moves
        synapse = c.synapse
        arriving = ARRIVED if moves.after else "pre"
        drawing = self.whole.parts if self.whole is not None else None
        on_pre = [(drawing.now if drawing is not None and draws_at_source(b) else arriving, b) for b in moves.on_pre]
        told = tuple(r.state.removesuffix(TOLD) for r in recordable if r.ahead)
        return Dynamics(
            states=(
                *with_starts(moves.states, self.starts),
                *(
                    State(name, ZERO, PLAIN)
                    for name in (
                        *self.delivered,
                        *self.kept,
                        *(f"{state}{TOLD}" for state in told),
                        *(f"{state}{FROM}" for state in moves.waiting),
                    )
                ),
            ),
            inputs=self._inputs(),
            equations=moves.equations,
            method=synapse.method if synapse is not None else None,
            substeps=synapse.substeps if synapse is not None else 1,
            arrivals=(*on_pre, *(("post", block) for block in moves.on_post)),
            early=(*(name for name, _ in on_pre if moves.after), *(["post"] if moves.on_post else [])),
            once=("post",) if moves.on_post else (),
            most=most_spikes(self.source),
            # of a learnt delay; else each arrives as a whole, in the nearest step
            parts=arrives_in_parts(model, c),
            apart=moves.apart,
            leaving=(
                *moves.leaving,
                *(a for one in self.starts for a in one.leaving(model.step)),
                *(Assignment(n, mul(v, Symbol(KEPT)) if c.dropout else v) for n, v in self.delivered.items()),
                *(Assignment(f"{state}{FROM}", Symbol(state)) for state in moves.waiting),
            ),
            kept=tuple(Assignment(state, _since_begun(state)) for state in moves.waiting),
            window=model.training.rule.truncate_steps if model.training is not None else None,
            outputs=tuple(Assignment(state, seen) for state, seen in self.kept.items()),
            whose=tuple(
                (state, index_of(side), self.when if side == "pre" and self.drawn_late else None)
                for state, side in moves.whose
            ),
            told=told,
            drawing=drawing,
        )

    # ------------------------------------------------------------------------------- what they read, and where it goes
    def _join(
        self, tail: str, ends: tuple[str, str], where: str, how: Ends, values: str | None, delay: int,
        each: Parameter | None = None,
    ) -> Connection:  # fmt: skip
        one = Parameter("weight", ONE, PLAIN)
        return Connection(
            f"{self.c.name}.{tail}", *ends, where, how[0], one, delay, how[1], how[2], each, values=values,
            span=self.c.span,
        )  # fmt: skip

    def _onto(
        self, source: str, tail: str, where: str, how: Ends, values: str | None, delay: int,
        each: Parameter | None = None,
    ) -> Connection:  # fmt: skip
        """A connection from a population onto the synapses."""
        return self._join(tail, (source, self.name), where, how, values, delay, each)

    def _join_spikes(self) -> None:
        c = self.c
        if self.met:
            self.connections.append(
                self._onto(self.source.name, "spikes", "pre", self.to_rows, None, c.delay_steps, self.each)
            )
        if self.whole is not None:
            spikes = self._onto(self.source.name, SPIKES, SPIKES, self.to_rows, None, c.delay_steps, self.each)
            self.connections.append(replace(spikes, whole_delays=True))
            ticking = self._each_step(CLOCK, TICK)
            self._tell(ticking, CLOCK, LATE)
            self._tell(ticking, CLOCK, WHOLE, whole=True)
        if self.moves.on_post:
            noticed = self._onto(self.target.name, "noticed", "post", self.to_columns, None, 1 + c.post_delay_steps)
            self.connections.append(replace(noticed, of_target=True))

    def _join_noise(self) -> None:
        """The noise of its traces, which the source draws and sends over the delays of its spikes."""
        c, name = self.c, f"{self.c.name}.sent"
        if not self.noises:
            return
        self.populations.append(sending(c, name, self.source, self.noises))
        into = {noise: f"{SENT}{noise}" for noise in self.noises}
        self.connections += [
            self._onto(name, where, where, self.to_rows, noise, c.delay_steps, self.each)
            for noise, where in into.items()
        ]

    def _join_modulators(self) -> None:
        if is_timed(self.model):  # synapses see what sets them
            return
        for modulator, population, variable in self.c.modulators:
            follower, follows = follow_modulator(self.model, self.c, modulator, population, variable)
            self.populations.append(follower)
            self.connections.append(follows)

    def _join_what_is_seen(self) -> None:
        """States of the source, of the target, and of the traces that follow either."""
        for s in self.seen:
            if s.side == "pre":
                late = None if s.variable.startswith(NUMBER) else self.each  # a number is what it is
                seeing = self._onto(self.source.name, s.symbol, s.symbol, self.to_rows, s.variable, s.ago, late)
            elif s.side == "post":
                seeing = self._onto(self.target.name, s.symbol, s.symbol, self.to_columns, s.variable, s.ago)
                seeing = replace(seeing, of_target=True)
            else:
                told = self._sets(s.side)
                everywhere = Dense(), Part.whole((1,)), Part.whole((self.count,))
                how = self.to_columns if told.size > 1 else everywhere
                seeing = self._onto(told.name, s.symbol, s.symbol, how, s.variable, s.ago)
            self.connections.append(seeing)

    def _sets(self, modulator: str) -> Population:
        """What synapses are told a modulator by: what follows the population that sets it, or that population."""
        if is_timed(self.model):
            return self.model.population(next(name for m, name, _ in self.c.modulators if m == modulator))
        return next(p for p in self.populations if p.name == trace_name(self.c, modulator))

    def _along(self, side: str) -> Ends:
        return self.to_rows if side == "pre" else self.to_columns

    def _join_indices(self) -> None:
        """The numbers of the neurons whose draws synapses share."""
        for side in self.sides:
            index, neurons = index_of(side), self.source if side == "pre" else self.target
            states = Dynamics((State("index", Symbol("i"), PLAIN),), ())
            numbers = trace_population(f"{self.c.name}.{index}", neurons, (), states, self.c.span)
            self.populations.append(numbers)
            self.connections.append(self._onto(numbers.name, index, index, self._along(side), "index", 1))

    def _join_starts(self) -> None:
        for one in self.starts:
            self.populations.append(one.population)
            self.connections += [
                self._onto(one.population.name, given, given, self._along(one.side), state, 1)
                for state, given in one.inputs
            ]

    def _join_source(self) -> None:
        """Values of a signal, and what the source's own states make of a spike."""
        c = self.c
        if self.source.kind == "signal":
            self.connections.append(
                self._onto(self.source.name, "values", SIGNAL, self.to_rows, None, c.delay_steps, self.each)
            )
        if c.gain is not None:
            delay = c.delay_steps if self.each else 0
            self.connections.append(self._onto(c.gain[0], "gain", GAIN, self.to_rows, c.gain[1], delay, self.each))

    def _join_beginning(self) -> None:
        """Neurons that stand at one from their first step on tell traces when it has come,
        and those that count, which step has.
        """
        if self.moves.waiting:
            self._tell(self._each_step("begun", ONE), "begun", BEGUN)
        if self.drawn_late:
            counting = self._each_step("when", add(Symbol("when"), ONE))
            self._tell(counting, "when", WHEN, whole=self.whole is not None)

    def _each_step(self, state: str, value: Expression) -> str:
        """The name of a population that sets a state of each neuron of the source at every step."""
        sets = Dynamics((State(state, ZERO, PLAIN),), (), each_step=(Assignment(state, value),))
        self.populations.append(trace_population(f"{self.c.name}.{state}", self.source, (), sets, self.c.span))
        return self.populations[-1].name

    def _tell(self, population: str, state: str, where: str, whole: bool = False) -> None:
        """What is set there arrives as late as the source's spikes, or over the whole steps of these."""
        told = self._onto(population, where, where, self.to_rows, state, self.c.delay_steps, self.each)
        self.connections.append(replace(told, whole_delays=whole))

    def _join_weights(self) -> None:
        """What dropout leaves, and weights that only the library knows the synapses of:
        from neurons that stand at one.
        """
        c = self.c
        if not c.dropout and self.placed:
            return
        always = Dynamics((State("one", ONE, PLAIN),), ())
        one = trace_population(f"{c.name}.one", self.source, (), always, c.span)
        self.populations.append(one)
        if c.dropout:
            left = self._onto(one.name, "kept", KEPT, self.to_rows, "one", 1)
            self.connections.append(replace(left, dropout=c.dropout))
        if not self.placed:
            bringing = self._onto(one.name, "weight", "weight", self.to_rows, "one", 1)
            self.connections.append(
                replace(
                    bringing, name=c.name, weight=c.weight, share=None if c.only_recorded else c.share,
                    synapses_of=self.own if c.only_recorded else None, sign_fixed=c.sign_fixed, rewiring=c.rewiring,
                    doc=c.doc,
                )
            )  # fmt: skip

    def _join_target(self) -> None:
        for where, _ in self.moves.delivered:
            ends = self.name, self.target.name
            onto = self._join(f"onto.{where}", ends, where, self.from_columns, f"{DELIVERED}.{where}", 0)
            self.connections.append(replace(onto, impulses=self.moves.impulses))


def _since_begun(state: str) -> Expression:
    """What a trace has flowed to, which it does since its source has begun."""
    start = Symbol(f"{state}{FROM}")
    return add(start, mul(Symbol(BEGUN), sub(Symbol(state), start)))
