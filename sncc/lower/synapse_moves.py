"""What each synapse of a connection does by itself in training:
its states, those of its plasticity, and how far its weight has moved.

A plastic weight is a state, `weight.now`, that starts every sample at the learnt number. What is read of it is
`weight.now + (weight - stop(weight))`, the same to the bit, so that the number has a gradient wherever the weight is
read: also in windows of `truncate` behind the first. The traces of a plasticity, `pre` and `post` states, are states of
each synapse too: equal for all synapses of a neuron, they jump after its synapses were served. Flows stay apart as they
are where nothing is trained: those of the synapse, of its plasticity and of the traces of either side each see the
others as the step before has left them. A spike of the target is noticed ahead of the flow of the step after, as traces
notice it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sncc.expressions.algebra import ONE, ZERO, add, affine, has_draws, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.names_apart import with_names_apart
from sncc.lower.readings import is_timed
from sncc.lower.seen_neurons import LEARNT, WEIGHT, Reader, Seen, When, is_state
from sncc.lower.shared_draws import with_draws_shared
from sncc.lower.synapse_ends import arrives_in_parts
from sncc.lower.traces import rests
from sncc.model.nodes import Apart, Assignment, Connection, Equation, Model, Parameter, Plasticity, State
from sncc.model.white_noise import is_noise
from sncc.program.statements import WEIGHT_NOW

SIGNAL = "source.signal"  # an input: what the source, a signal, has
GAIN = "source.gain"  # an input: by how much a spike counts, where states of its source say so

Block = tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """States of a synapse, how they flow and jump, and what it delivers."""

    states: tuple[State, ...]
    equations: tuple[Equation, ...]
    apart: tuple[Apart, ...]
    # Jumps in blocks, each of which moves for every spike of a step before the next block does.
    on_pre: tuple[Block, ...]
    on_post: tuple[Block, ...]
    delivered: tuple[tuple[str, Expression], ...]  # (input, value): at spikes or all the time
    impulses: bool  # at spikes
    leaving: Block  # what a step begins with
    parameters: tuple[Parameter, ...]
    seen: tuple[Seen, ...]
    # Whether those of `on_pre` read the target between its flow and its arrivals. Then they are made up for as the next
    # step begins: what a synapse delivers at a spike is the weight from before, and what it delivers all the time
    # follows its states in the step after.
    after: bool = False
    # (state, what is seen of the source, or a modulator): as it is when a spike arrives, kept for a step.
    kept: tuple[tuple[str, str], ...] = ()
    # (trace, side) of traces that noise or draws move: all synapses of a neuron draw the same numbers.
    whose: tuple[tuple[str, str], ...] = ()
    # (input, modulator, steps ago) of what a simulation adds to modulators
    stimulated: tuple[tuple[str, str, int], ...] = ()
    # Traces that would move before their source's first step has reached the synapse; until then they stand.
    waiting: tuple[str, ...] = ()

    @property
    def made_up(self) -> set[str]:
        """States of which a step's last jumps are made as the next one begins."""
        blocks = (*self.on_post, *(self.on_pre if self.after else ()))
        return {jump.state for block in blocks for jump in block}


def moves_of(model: Model, connection: Connection) -> Moves:
    """What each synapse does. Raises `DiagnosticError` for what it cannot see of its neurons yet."""
    c = with_names_apart(connection)
    synapse, plasticity, reader = c.synapse, c.plasticity, Reader(model, c)
    after, timed = reads_target_on_pre(model, c), is_timed(model)
    usual, told = max(c.delay_steps, 1), int(after)
    late = c.delay_steps + (after and c.delay is None)  # with a delay for each synapse what is seen is kept for a step
    before = c.delay_steps + 1 if c.delay is None else None  # a delay for each synapse is that of what arrives
    flows = [Apart(_flowing(synapse.equations), synapse.method, synapse.substeps)] if synapse is not None else []
    all_the_time = When(usual, 1, 0)
    equations = [_read(e, reader, all_the_time) for e in synapse.equations] if synapse is not None else []
    arriving, on_pre = When(late, None, told, after, timed), list[Block]()
    if synapse is not None and plasticity is None:
        on_pre.append(_jumps(synapse.on_pre, reader, arriving))
    on_post: list[Block] = []
    states = list(synapse.states) if synapse is not None else []
    if plasticity is not None:
        on_pre += [_jumps(b, reader, arriving) for b in _jumps_on_pre(model, c, plasticity) if b]
        blocks = [_of_synapses(plasticity.on_post, plasticity), _of_traces(plasticity.on_post, plasticity, "post")]
        # a trace meets its neuron as the spike has left it, a synapse as it is when it notices the spike
        noticing = When(before, 1, 1, timed=timed, met=("pre", *["post"] * bool(c.post_delay_steps)))
        moments = (noticing, When(before, 1 + c.post_delay_steps, 1, timed=timed))
        on_post += [_jumps(b, reader, when) for b, when in zip(blocks, moments, strict=True) if b]
        for side, own in (("pre", plasticity.pre_states), ("post", plasticity.post_states), ("", plasticity.states)):
            flowing = [e for e in plasticity.equations if e.state in {s.name for s in own}]
            flows.append(Apart(_flowing(flowing)))
            of_trace = replace(all_the_time, pre=before) if side == "pre" else all_the_time
            equations += [_read(e, reader, of_trace) for e in flowing]
            states += own
        states.append(State(WEIGHT_NOW, ZERO, PLAIN))
    begin = apply("select", apply("lt", Symbol("t"), model.step / 2), apply("stop", WEIGHT), Symbol(WEIGHT_NOW))
    delivered = tuple((where, reader.read(value, When(usual, 1, 1))) for where, value in c.deliveries)
    if timed and (on_post or after):
        reader.see_flowed()
    source = model.population(c.source)
    if synapse is None:
        sent = f"{SIGNAL}{'!' * source.impulse}" if source.kind == "signal" else "pre!" if c.gain is None else GAIN
        delivered = ((c.input, mul(Symbol(sent), reader.weight)),)
    return Moves(
        states=tuple(states),
        equations=tuple(equations),
        apart=tuple(f for f in flows if f.states) if plasticity is not None else (),
        on_pre=tuple(b for b in on_pre if b),
        on_post=tuple(on_post),
        delivered=delivered,
        impulses=synapse is None and (source.kind != "signal" or source.impulse),
        leaving=(Assignment(WEIGHT_NOW, begin),) if plasticity is not None else (),
        parameters=(*_own_parameters(c, model), *reader.numbers.values()),
        seen=tuple(reader.seen.values()),
        after=after,
        kept=tuple(reader.kept.items()),
        whose=_whose(model, c, plasticity) if plasticity is not None else (),
        stimulated=tuple((symbol, *about) for symbol, about in sorted(reader.stimulated.items())),
        waiting=_waiting(c, plasticity) if plasticity is not None else (),
    )


def _jumps_on_pre(model: Model, c: Connection, plasticity: Plasticity) -> tuple[Block, Block]:
    """The jumps at spikes of the source, of synapses and then of their traces."""
    pre = (*(c.synapse.on_pre if c.synapse is not None else ()), *plasticity.on_pre)
    synapses, traces = _of_synapses(pre, plasticity), _of_traces(pre, plasticity, "pre")
    return synapses, with_draws_shared(traces) if arrives_in_parts(model, c) else traces


def _waiting(c: Connection, plasticity: Plasticity) -> tuple[str, ...]:
    own = {s.name for s in plasticity.pre_states}
    if c.delay is None or rests(plasticity.pre_states, plasticity.equations):
        return ()
    return _flowing(e for e in plasticity.equations if e.state in own)


def _whose(model: Model, c: Connection, plasticity: Plasticity) -> tuple[tuple[str, str], ...]:
    drawn = {j.state for j in (*plasticity.on_pre, *plasticity.on_post) if has_draws(j.value)}
    noisy = {e.state for e in plasticity.equations if any(is_noise(n) for n in symbols(e.derivative))}
    told = arrives_in_parts(model, c)  # noise of the source's
    sides = (
        ("pre", plasticity.pre_states, drawn if told else drawn | noisy),
        ("post", plasticity.post_states, drawn | noisy),
    )
    return tuple((s.name, side) for side, states, moved in sides if {s.name for s in states} & moved for s in states)


def reads_target_on_pre(model: Model, connection: Connection) -> bool:
    """Whether a spike of the source moves synapses by states of their target,
    as these are between flow and arrivals.
    """
    blocks = [b for b in (connection.synapse, connection.plasticity) if b is not None]
    names = {name for block in blocks for jump in block.on_pre for name in symbols(jump.value)}
    return any(name.startswith("post.") and is_state(model, connection, name) for name in names)


def _flowing(equations: Iterable[Equation]) -> tuple[str, ...]:
    return tuple(e.state for e in equations)


def _own_parameters(c: Connection, model: Model) -> list[Parameter]:
    """Numbers of the synapse and of its plasticity, with the modulators that Python sets."""
    found = [replace(p, key=p.key or f"{c.name}.{p.name}") for p in (c.synapse.parameters if c.synapse else ())]
    if c.plasticity is not None:
        prefix = f"{c.name}.plasticity."
        found += [replace(p, key=p.key or f"{prefix}{p.name}") for p in c.plasticity.parameters]
        following = {modulator for modulator, _, _ in c.modulators}
        found += [
            Parameter(m.name, Number(0.0), m.unit, "shared", key=f"{prefix}{m.name}")
            for m in c.plasticity.modulators
            if m.name not in following
        ]
    return found


# ------------------------------------------------------------------------------------------------ jumps
def _traces(plasticity: Plasticity) -> set[str]:
    return {s.name for s in (*plasticity.pre_states, *plasticity.post_states)}


def _of_synapses(jumps: Sequence[Assignment], plasticity: Plasticity) -> Block:
    """The jumps of what is each synapse's own; they see a trace as earlier lines have left it,
    which is not moved here.
    """
    traces, now = _traces(plasticity), dict[str, Expression]()
    bounds = {name: (low, high) for name, low, high in plasticity.bounds}
    result: list[Assignment] = []
    for jump in jumps:
        value = substitute(jump.value, now)
        if jump.state in bounds:
            value = apply("clip", value, *bounds[jump.state])
        if jump.state in traces:
            now[jump.state] = value
        else:
            result.append(replace(jump, value=value))
    return tuple(result)


def _of_traces(jumps: Sequence[Assignment], plasticity: Plasticity, side: str) -> Block:
    """The jumps of the traces of a side."""
    own = {s.name for s in (plasticity.pre_states if side == "pre" else plasticity.post_states)}
    return tuple(jump for jump in jumps if jump.state in own)


def _jumps(block: Block, reader: Reader, when: When) -> Block:
    """Jumps as they see neurons."""
    result: list[Assignment] = []
    for jump in block:
        if jump.state != "weight":
            result.append(replace(jump, value=reader.read(jump.value, when)))
            continue
        parts = affine(jump.value, ["weight"])
        if parts is not None and parts[0] == {"weight": ONE}:
            now = add(Symbol(WEIGHT_NOW), reader.read(parts[1], when))
        else:
            now = sub(reader.read(jump.value, when), LEARNT)
        result.append(replace(jump, state=WEIGHT_NOW, value=now))
    return tuple(result)


def _read(equation: Equation, reader: Reader, when: When) -> Equation:
    return replace(equation, derivative=reader.read(equation.derivative, when))
