"""Model → Model, for training: synapses that no neuron can carry become a population of one neuron each.

`CONN.synapses` has the states of the synapses, moves them as the synapses move, and keeps what they deliver. The source's
spikes and states reach its synapses, the target's states the synapses onto it, and what those deliver is added up in the
target: connections by a weight of one. So gradients, tape and engines need nothing that neurons do not need.

Between whole populations, `dense` or `one_to_one`, synapses have their places in rows and columns, so these connections have
the patterns of images, and the weight is a number of each of the neurons. Elsewhere only the library knows which synapses
there are (`OfSynapses`); there the connection itself brings its weights, from `CONN.one`, neurons that stand at one.
"""

from __future__ import annotations

from dataclasses import replace

from sncc.connectivity.patterns import (
    Convolution,
    Dense,
    OfSynapses,
    OneToOne,
    Part,
    Pattern,
    Pooling,
    Random,
    most_synapses,
)
from sncc.expressions.algebra import ONE, ZERO, has_draws, mul
from sncc.expressions.nodes import Expression, Symbol, apply, substitute, symbols, walk
from sncc.expressions.units import PLAIN
from sncc.lower.connections import flattened
from sncc.lower.traces import MOST_SPIKES, amounts, most_spikes, trace_population, unsupported
from sncc.model.nodes import Assignment, Connection, Dynamics, Input, Model, Parameter, Population, State, Synapse

DELIVERED = "synapse.delivered"  # the user's states have no dots
KEPT = "dropout.kept"  # an input: what dropout makes of what a synapse delivers, 0 or 1 / (1 - p)
MOST_SYNAPSES = 1 << 20  # of one connection: every step of a sample keeps the states of each

Ends = tuple[Pattern, Part, Part]


def spread_synapses(model: Model) -> Model:
    """The model with a population in place of each connection's synapses that keep states of their own."""
    if model.training is None:
        return model
    populations, connections = list(model.populations), list[Connection]()
    for connection in model.connections:
        if connection.synapse is None or connection.plasticity is not None:
            connections.append(connection)
            continue
        _refuse(model, connection, connection.synapse)
        added, around = _spread(model, connection, connection.synapse)
        populations += added
        connections += around
    return replace(model, populations=tuple(populations), connections=tuple(connections))


def _spread(model: Model, c: Connection, synapse: Synapse) -> tuple[list[Population], list[Connection]]:
    source, target = model.population(c.source), model.population(c.target)
    placed = _is_placed(c) and c.delay is None and not _shares(model, c)
    name, count = f"{c.name}.synapses", _count(c)
    flowing: list[Expression] = [e.derivative for e in synapse.equations]
    flowing += [synapse.deliver] if synapse.deliver is not None else []
    read = sorted({n for e in flowing for n in symbols(e) if n.partition(".")[0] in ("pre", "post")})
    states = {n: _state(model, c, n) for n in read}
    numbers = [_number(model, c, n) for n in read if not states[n]]
    inputs = [Input("pre", PLAIN)] * bool(synapse.on_pre) + [Input(n, PLAIN) for n in read if states[n]]
    inputs += [] if placed else [Input("weight", PLAIN)]
    inputs += [Input(KEPT, PLAIN)] if c.dropout else []
    delivered = synapse.deliver if synapse.deliver is not None else ZERO
    dynamics = Dynamics(
        states=(*synapse.states, State(DELIVERED, ZERO, PLAIN)),
        inputs=tuple(inputs),
        equations=synapse.equations,
        method=synapse.method,
        substeps=synapse.substeps,
        arrivals=(("pre", synapse.on_pre),) if synapse.on_pre else (),
        most=most_spikes(source) or (MOST_SPIKES if amounts(synapse.on_pre, synapse.states) is None else 0),
        leaving=(Assignment(DELIVERED, mul(delivered, Symbol(KEPT)) if c.dropout else delivered),),
    )
    own = [replace(p, key=f"{c.name}.{p.name}", value=_in_a_row(c, p, target.size)) for p in synapse.parameters]
    parameters = own + numbers
    if placed:
        weight = _in_a_row(c, c.weight, target.size)
        parameters.append(replace(c.weight, name="weight", key=f"{c.name}.weight", value=weight))
    held = Population(name, "neuron", (count,), "synapses", tuple(parameters), dynamics, holds="synapses", span=c.span)
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

    each = replace(c.delay, key=f"{c.name}.delay") if c.delay is not None else None  # a delay for each synapse
    around = [join("spikes", (source.name, name), "pre", to_rows, None, c.delay_steps, each)] if synapse.on_pre else []
    for n in (n for n in read if states[n]):
        side, _, state = n.partition(".")
        if side == "pre":
            around.append(join(n, (source.name, name), n, to_rows, state, max(c.delay_steps, 1), each))
        else:
            around.append(replace(join(n, (target.name, name), n, to_columns, state, 1), of_target=True))
    if c.dropout or not placed:
        always = Dynamics((State("one", ONE, PLAIN),), ())
        populations.append(trace_population(f"{c.name}.one", source, (), always, c.span))
    if c.dropout:
        around.append(replace(join("kept", (f"{c.name}.one", name), KEPT, to_rows, "one", 1), dropout=c.dropout))
    if not placed:
        bringing = join("weight", (f"{c.name}.one", name), "weight", to_rows, "one", 1)
        around.append(
            replace(bringing, name=c.name, weight=c.weight, share=c.share, sign_fixed=c.sign_fixed, doc=c.doc)
        )
    return populations, [*around, join("onto", (name, target.name), c.input, from_columns, DELIVERED, 0)]


def _shares(model: Model, c: Connection) -> bool:
    """Whether another connection has the same weights."""
    return any(o.share is not None and c.name in (o.name, o.share[0]) for o in model.connections)


def _is_placed(c: Connection) -> bool:
    """Whether each synapse's row and column follow from its number."""
    return c.source_part.is_whole and c.target_part.is_whole and c.pattern in (Dense(), OneToOne())


def _is_counted(c: Connection) -> bool:
    """Whether the number of synapses is known before the library is loaded."""
    match c.pattern:
        case Dense(self_connections=True) | OneToOne():
            return True
        case Random(kind):
            return kind != "p"
    return False


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
    wired = OfSynapses(
        "rows", c.name, c.pattern, (c.source, c.target), flattened(c.source_part), flattened(c.target_part)
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


def _state(model: Model, c: Connection, name: str) -> bool:
    """Whether `pre.X` or `post.X` is a state, and no number, of the neuron."""
    side, _, variable = name.partition(".")
    dynamics = model.population(c.source if side == "pre" else c.target).dynamics
    return dynamics is not None and any(s.name == variable for s in dynamics.states)


def _number(model: Model, c: Connection, name: str) -> Parameter:
    """A number of the source's or the target's neurons, as one of the synapses."""
    side, _, variable = name.partition(".")
    population = model.population(c.source if side == "pre" else c.target)
    found = next((p for p in population.parameters if p.name == variable), None)
    if found is None or found.storage == "each":
        what = f"`{name}` in the synapses of `{c.name}`"
        raise unsupported(c.span, what, "read a state of the neuron, or a parameter that is one number")
    return replace(found, name=name, key=found.key or f"{population.name}.{variable}")


def _refuse(model: Model, c: Connection, synapse: Synapse) -> None:
    what, help = _cannot(model, c, synapse)
    if what:
        raise unsupported(
            c.span, f"training through `{synapse.model}`, of which every synapse keeps states, {what}", help
        )


def _cannot(model: Model, c: Connection, synapse: Synapse) -> tuple[str, str]:
    """What stands in the way of training through synapses one by one, and what helps."""
    if (count := _count(c)) > MOST_SYNAPSES:
        return (
            f"in {count:,} synapses (at most {MOST_SYNAPSES:,}: every step keeps the states of each)",
            "use a synapse whose states a neuron can carry, or fewer neurons",
        )
    if model.population(c.source).kind not in ("neuron", "input"):
        return f"behind `{c.source}`, which may spike any number of times in a step", "put neurons in between"
    if c.rewiring is not None:
        return "and whose pairs of neurons training moves", "leave out `rewire`"
    if c.share is not None and c.share[1]:
        return "with weights shared `transposed`", "give the connection weights of its own"
    if c.delay is not None and model.training is not None:
        if any(entry.key == f"{c.name}.delay" for entry in model.training.learn):
            return "and learning their delays", "leave the delay out of `learn`"
    jumps = [a.value for a in synapse.on_pre]
    if any(n.partition(".")[0] in ("pre", "post") for e in jumps for n in symbols(e)):
        return "and whose `on pre` reads its neurons", "read them in an equation or in `deliver`"
    if any(has_draws(e) for e in (*jumps, *(s.initial for s in synapse.states))):
        return "and which draws numbers", "draw them in a neuron"
    each = [p for p in synapse.parameters if p.storage == "each"]
    if each and not _is_counted(c):
        return (
            "with a parameter per synapse where their number is drawn or handed over",
            "give the parameter one number",
        )
    if not _is_placed(c) and any(symbols(p.value) & {"i", "j"} for p in each):
        return "with a parameter written in `i` and `j`", "draw it, or assign it"
    if _is_placed(c) and any(getattr(n, "operation", "") == "orthogonal" for n in walk(c.weight.value)):
        return "with `orthogonal` weights", "draw the weights from `glorot()` or `kaiming()`"
    return "", ""
