"""Model → Model, where samples are spread over threads, as in training: synapses that no neuron can carry become a population of one neuron each.

`CONN.synapses` has the states of the synapses, moves them as the synapses move, and keeps what they deliver. The source's
spikes and states reach its synapses, the target's states the synapses onto it, and what those deliver is added up in the
target: connections by a weight of one. So gradients, tape and engines need nothing that neurons do not need.

Between whole populations, `dense` or `one_to_one`, synapses have their places in rows and columns, so these connections have
the patterns of images, and the weight is a number of each of the neurons. Elsewhere only the library knows which synapses
there are (`OfSynapses`); there the connection itself brings its weights, from `CONN.one`, neurons that stand at one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.connectivity.patterns import (
    Convolution,
    Dense,
    OfSynapses,
    OneToOne,
    Part,
    Pattern,
    Pooling,
    Turned,
    most_synapses,
)
from sncc.expressions.algebra import ONE, ZERO, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols, walk
from sncc.expressions.units import PLAIN
from sncc.lower.connections import flattened
from sncc.lower.drawn_starts import cannot_start, drawn_starts, with_starts
from sncc.lower.plasticity import follow_modulator, trace_name
from sncc.lower.readings import FLOWED, is_timed
from sncc.lower.recorded_synapses import recordable_states
from sncc.lower.synapse_moves import GAIN, SIGNAL, drawn_states, index_of, moves_of
from sncc.lower.traces import MOST_SPIKES, amounts, most_spikes, rests, trace_population, unsupported
from sncc.model.nodes import (
    Assignment,
    Connection,
    Dynamics,
    Input,
    Model,
    Parameter,
    Plasticity,
    Population,
    Simulation,
    State,
    Stimulus,
)
from sncc.program.statements import NUMBER, SLOPED, SPIKED, TOLD

DELIVERED = "synapse.delivered"  # the user's states have no dots
ARRIVED = "arrived.before"  # a state: spikes of the step before
KEPT = "dropout.kept"  # an input: what dropout makes of what a synapse delivers, 0 or 1 / (1 - p)
MOST_SYNAPSES = 1 << 20  # of one connection: a sample has the states of each, in training at every step

Ends = tuple[Pattern, Part, Part]


def spread_synapses(model: Model) -> Model:
    """The model with a population in place of each connection's synapses that keep states of their own."""
    if not model.spreads_samples:
        return model
    populations, connections = list[Population](), list[Connection]()
    for connection in model.connections:
        if connection.synapse is None and connection.plasticity is None:
            connections.append(connection)
            continue
        _refuse(model, connection)
        added, around = _spread(model, connection)
        populations += added
        connections += around
    simulation = _stimulating(model, [c for c in model.connections if c.plasticity is not None])
    told = {(c.source, c.values) for c in connections if c.of_target or (c.values or "").startswith((NUMBER, SPIKED))}
    neurons = (_telling(p, [v for name, v in told if name == p.name and v]) for p in model.populations)
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


def _telling(population: Population, values: Sequence[str]) -> Population:
    """A population with states for synapses to read: numbers which each of its neurons has for itself, and others as they are at spikes."""
    numbers: dict[str, Expression] = {v: Symbol(v.removeprefix(NUMBER)) for v in sorted(values) if v.startswith(NUMBER)}
    flowed = tuple(v.removeprefix(FLOWED) for v in sorted(values) if v.startswith(FLOWED))
    others = [v for v in sorted(values) if v.startswith((FLOWED, SLOPED, SPIKED))]
    if population.dynamics is None or not (numbers or others):
        return population
    kept = {**numbers, **dict.fromkeys(others, ZERO)}
    spiked = tuple(Assignment(v, Symbol(v.removeprefix(SPIKED))) for v in others if v.startswith(SPIKED))
    dynamics = replace(
        population.dynamics,
        flowed=(*population.dynamics.flowed, *flowed),
        states=(*population.dynamics.states, *(State(name, number, PLAIN) for name, number in kept.items())),
        leaving=(*population.dynamics.leaving, *(Assignment(name, number) for name, number in numbers.items())),
        outputs=(*population.dynamics.outputs, *spiked),
    )
    return replace(population, dynamics=dynamics)


def _spread(model: Model, c: Connection) -> tuple[list[Population], list[Connection]]:
    source, target, synapse = model.population(c.source), model.population(c.target), c.synapse
    learnt, own = _learns_delay(model, c), c.synapses_of or c.name
    placed = _is_placed(c) and c.delay is None and not _shares(model, c) and not c.only_recorded
    name, count, moves = f"{c.name}.synapses", _count(c), moves_of(model, c)
    seen, starts = sorted(moves.seen, key=lambda s: s.symbol), drawn_starts(model, c)
    # whether spikes of the source tell it anything
    met = bool(moves.on_pre) or any("pre!" in symbols(value) for _, value in moves.delivered)
    arriving = ARRIVED if moves.after else "pre"
    inputs = [Input("pre", PLAIN)] * met + [Input("post", PLAIN)] * bool(moves.on_post)
    inputs += [Input(s.symbol, PLAIN) for s in seen]
    inputs += [Input(symbol, PLAIN) for symbol, _, _ in moves.stimulated]
    inputs += [Input(given, PLAIN) for one in starts for _, given in one.inputs]
    inputs += [Input(GAIN, PLAIN)] if c.gain is not None else []
    inputs += [Input(SIGNAL, PLAIN)] if source.kind == "signal" else []
    sides = sorted({side for _, side in moves.whose})
    inputs += [Input(index_of(side), PLAIN) for side in sides]
    inputs += [] if placed else [Input("weight", PLAIN)]
    inputs += [Input(KEPT, PLAIN)] if c.dropout else []
    delivered = {f"{DELIVERED}.{where}": value for where, value in moves.delivered}
    kept = {ARRIVED: Symbol("pre!")} if moves.after else {}
    kept |= {state: Symbol(symbol) for state, symbol in moves.kept}
    alone = all(amounts(block) is not None for block in moves.on_pre)
    recordable = recordable_states(c, moves)
    told = tuple(r.state.removesuffix(TOLD) for r in recordable if r.ahead)
    dynamics = Dynamics(
        states=(
            *with_starts(moves.states, starts),
            *(State(name, ZERO, PLAIN) for name in (*delivered, *kept, *(f"{state}{TOLD}" for state in told))),
        ),
        inputs=tuple(inputs),
        equations=moves.equations,
        method=synapse.method if synapse is not None else None,
        substeps=synapse.substeps if synapse is not None else 1,
        arrivals=(*((arriving, block) for block in moves.on_pre), *(("post", block) for block in moves.on_post)),
        early=(*([ARRIVED] if moves.after else []), *(["post"] if moves.on_post else [])),
        once=("post",) if moves.on_post else (),
        most=most_spikes(source) or (0 if alone or c.only_recorded else MOST_SPIKES),
        parts=learnt and not is_timed(model),  # else each arrives as a whole, in the nearest step
        apart=moves.apart,
        leaving=(
            *moves.leaving,
            *(a for one in starts for a in one.leaving(model.step)),
            *(Assignment(n, mul(v, Symbol(KEPT)) if c.dropout else v) for n, v in delivered.items()),
        ),
        window=model.training.rule.truncate_steps if model.training is not None else None,
        outputs=tuple(Assignment(state, seen) for state, seen in kept.items()),
        whose=tuple((state, index_of(side)) for state, side in moves.whose),
        told=told,
    )
    parameters = [replace(p, value=_in_a_row(c, p, target.size)) for p in moves.parameters]
    if placed:
        weight = _in_a_row(c, c.weight, target.size)
        parameters.append(replace(c.weight, name="weight", key=f"{c.name}.weight", value=weight))
    held = Population(
        name, "neuron", (count,), "synapses", tuple(parameters), dynamics,
        holds="recorded" if c.only_recorded else "synapses", recordable=recordable,
        joins=(own, source.name, target.name), span=c.span,
    )  # fmt: skip
    populations = [held]
    sizes = source.size, target.size
    to_rows, to_columns, from_columns = _places(c, *sizes) if placed else _ends(c, *sizes, count)

    def join(
        tail: str, ends: tuple[str, str], where: str, how: Ends, values: str | None, delay: int,
        each: Parameter | None = None,
    ) -> Connection:  # fmt: skip
        one = Parameter("weight", ONE, PLAIN)
        return Connection(
            f"{c.name}.{tail}", *ends, where, how[0], one, delay, how[1], how[2], each, values=values, span=c.span
        )

    each = replace(c.delay, key=f"{own}.delay") if c.delay is not None else None  # a delay for each synapse
    around: list[Connection] = []
    if met:
        around.append(join("spikes", (source.name, name), "pre", to_rows, None, c.delay_steps, each))
    if moves.on_post:
        noticed = join("noticed", (target.name, name), "post", to_columns, None, 1 + c.post_delay_steps)
        around.append(replace(noticed, of_target=True))
    for modulator, population, variable in c.modulators:
        follower, follows = follow_modulator(model, c, modulator, population, variable)
        populations.append(follower)
        around.append(follows)
    for s in seen:
        if s.side == "pre":
            late = None if s.variable.startswith(NUMBER) else each  # a number is what it is
            around.append(join(s.symbol, (source.name, name), s.symbol, to_rows, s.variable, s.ago, late))
        elif s.side == "post":
            seeing = join(s.symbol, (target.name, name), s.symbol, to_columns, s.variable, s.ago)
            around.append(replace(seeing, of_target=True))
        else:
            follower = next(p for p in populations if p.name == trace_name(c, s.side))
            everywhere = Dense(), Part.whole((1,)), Part.whole((count,))
            how = to_columns if follower.size > 1 else everywhere
            around.append(join(s.symbol, (follower.name, name), s.symbol, how, s.variable, s.ago))
    for side in sides:
        index, neurons = index_of(side), source if side == "pre" else target
        states = Dynamics((State("index", Symbol("i"), PLAIN),), ())
        populations.append(trace_population(f"{c.name}.{index}", neurons, (), states, c.span))
        how = to_rows if side == "pre" else to_columns
        around.append(join(index, (f"{c.name}.{index}", name), index, how, "index", 1))
    for one in starts:
        populations.append(one.population)
        how = to_rows if one.side == "pre" else to_columns
        around += [join(given, (one.population.name, name), given, how, state, 1) for state, given in one.inputs]
    if source.kind == "signal":
        around.append(join("values", (source.name, name), SIGNAL, to_rows, None, c.delay_steps, each))
    if c.gain is not None:
        around.append(join("gain", (c.gain[0], name), GAIN, to_rows, c.gain[1], c.delay_steps if each else 0, each))
    if c.dropout or not placed:
        always = Dynamics((State("one", ONE, PLAIN),), ())
        populations.append(trace_population(f"{c.name}.one", source, (), always, c.span))
    if c.dropout:
        around.append(replace(join("kept", (f"{c.name}.one", name), KEPT, to_rows, "one", 1), dropout=c.dropout))
    if not placed:
        bringing = join("weight", (f"{c.name}.one", name), "weight", to_rows, "one", 1)
        around.append(
            replace(
                bringing,
                name=c.name,
                weight=c.weight,
                share=None if c.only_recorded else c.share,
                synapses_of=own if c.only_recorded else None,
                sign_fixed=c.sign_fixed,
                rewiring=c.rewiring,
                doc=c.doc,
            )
        )
    around += [
        replace(
            join(f"onto.{where}", (name, target.name), where, from_columns, f"{DELIVERED}.{where}", 0),
            impulses=moves.impulses,
        )
        for where, _ in moves.delivered
    ]
    if c.only_recorded:
        populations = [replace(p, holds="recorded") for p in populations]
    return populations, around


def _learns_delay(model: Model, c: Connection) -> bool:
    key = f"{c.synapses_of or c.name}.delay"
    return model.training is not None and any(entry.key == key for entry in model.training.learn)


def _shares(model: Model, c: Connection) -> bool:
    """Whether another connection has the same weights."""
    return any(o.share is not None and c.name in (o.name, o.share[0]) for o in model.connections)


def _is_placed(c: Connection) -> bool:
    """Whether each synapse's row and column follow from its number."""
    return c.source_part.is_whole and c.target_part.is_whole and c.pattern in (Dense(), OneToOne())


def _count(c: Connection) -> int:
    """How many synapses there may be."""
    return most_synapses(c.pattern, c.source_part, c.target_part)


def _places(c: Connection, sources: int, targets: int) -> tuple[Ends, Ends, Ends]:
    """From a source to its row of synapses, from a target to its column, and from the columns to the targets."""
    if c.pattern != Dense():
        line = Part.whole((sources,))
        return ((OneToOne(), line, line),) * 3
    none = (0, 0)
    rows, row = Part.whole((sources, 1, 1)), Part.whole((1, targets, 1))
    return (
        (Convolution((1, 1), (1, 1), (none, none), targets), rows, Part.whole((sources, 1, targets))),
        (
            Convolution((sources, 1), (1, 1), ((sources - 1, sources - 1), none), 1),
            row,
            Part.whole((sources, targets, 1)),
        ),
        (Pooling((sources, 1), (sources, 1)), Part.whole((sources, targets, 1)), row),
    )


def _ends(c: Connection, sources: int, targets: int, count: int) -> tuple[Ends, Ends, Ends]:
    """The same where only the library knows which synapses there are."""
    turned = c.share is not None and c.share[1] and isinstance(c.pattern, Dense)
    pattern = Turned(c.pattern.self_connections) if turned and isinstance(c.pattern, Dense) else c.pattern
    wired = OfSynapses(
        "rows",
        c.synapses_of or c.name,
        pattern,
        (c.source, c.target),
        flattened(c.source_part),
        flattened(c.target_part),
    )
    row, column, synapses = (Part.whole((size,)) for size in (sources, targets, count))
    return (
        (wired, row, synapses),
        (replace(wired, end="columns"), column, synapses),
        (replace(wired, end="onto"), synapses, column),
    )


def _in_a_row(c: Connection, parameter: Parameter, targets: int) -> Expression:
    """A number's first value, of a synapse's number in place of its row i and column j."""
    if c.pattern != Dense() or not _is_placed(c):
        return parameter.value
    row = apply("floor", apply("div", Symbol("i"), float(targets)))
    return substitute(parameter.value, {"i": row, "j": apply("sub", Symbol("i"), apply("mul", row, float(targets)))})


def _refuse(model: Model, c: Connection) -> None:
    what, help = _cannot(model, c)
    if not what and c.plasticity is not None:
        what, help = _cannot_move(model, c, c.plasticity)
    doing = "training" if model.training is not None else "samples in parallel"
    if model.training is None or c.only_recorded:
        help = f"{help}, or build with the schedule `neuron_parallel`"
    if what and c.only_recorded:
        message = f"recording states of the synapses of `{c.synapses_of}` {what} where samples run in parallel"
        raise unsupported(c.span, message, help)
    if what and c.plasticity is not None:
        raise unsupported(c.span, f"{doing} through `{c.plasticity.model}`, which moves every weight, {what}", help)
    if what and c.synapse is not None:
        message = f"{doing} through `{c.synapse.model}`, of which every synapse keeps states, {what}"
        raise unsupported(c.span, message, help)


def _cannot(model: Model, c: Connection) -> tuple[str, str]:
    """What stands in the way of synapses one by one within samples, and what helps."""
    if (count := _count(c)) > MOST_SYNAPSES:
        return (
            f"in {count:,} synapses (at most {MOST_SYNAPSES:,}: every sample has the states of each, in training at every step)",
            "use a synapse whose states a neuron can carry, or fewer neurons",
        )
    if c.only_recorded:  # from numbers that it shares with what is trained, without gradients
        return "", ""
    kind = model.population(c.source).kind
    adds_up = kind == "poisson" and all(amounts(block) is not None for block in moves_of(model, c).on_pre)
    if kind not in ("neuron", "input", "signal") and not adds_up:
        return f"behind `{c.source}`, which may spike any number of times in a step", "put neurons in between"
    blocks = [b for b in (c.synapse, c.plasticity) if b is not None]
    each = [p for b in blocks for p in b.parameters if p.storage == "each"]
    if not _is_placed(c) and any(symbols(p.value) & {"i", "j"} for p in each):
        return "with a parameter written in `i` and `j`", "draw it, or assign it"
    if _is_placed(c) and any(getattr(n, "operation", "") == "orthogonal" for n in walk(c.weight.value)):
        return "with `orthogonal` weights", "draw the weights from `glorot()` or `kaiming()`"
    return "", ""


def _cannot_draw(c: Connection, plasticity: Plasticity) -> tuple[str, str]:
    """What traces that all synapses of a neuron share cannot draw in training, and what helps."""
    drawn = drawn_states(plasticity)
    for state in plasticity.pre_states:
        if c.delay is not None and state.name in drawn:
            what = f"with a delay for each synapse, and whose `{state.name}`, one for all of a neuron, draws numbers"
            return what, f"declare it with `state {state.name} = …`: one per synapse"
    return "", ""


def _cannot_move(model: Model, c: Connection, plasticity: Plasticity) -> tuple[str, str]:
    """What stands in the way of training through weights that move within a sample, and what helps."""
    for found in (_cannot_draw(c, plasticity), cannot_start(model, c)):
        if found[0]:
            return found
    if c.synapse is not None and c.synapse.method is not None:
        return f"behind `{c.synapse.model}`, which states its `method`", "leave the `method` out"
    if c.delay is not None and not rests(plasticity.pre_states, plasticity.equations):
        return "with a delay for each synapse and a `pre state` that does not rest", "let it start where it rests"
    traces = {s.name for s in plasticity.pre_states}
    flowing = [e for e in plasticity.equations if e.state in {s.name for s in plasticity.states}]
    if c.delay is not None and any(symbols(e.derivative) & traces for e in flowing):
        what = "with a delay for each synapse and a `pre state` in an equation of each synapse"
        return what, "give the connection one delay, or let the synapse's state jump under `on pre`"
    if model.population(c.source).kind == "signal" and is_timed(model):
        return f"under `eventprop`, behind the signal `{c.source}`,", "train with `bptt` or `eprop`"
    return "", ""
