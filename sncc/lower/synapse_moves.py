"""What each synapse of a connection does by itself in training: its states, those of its plasticity, and how far its weight has moved.

A plastic weight is a state, `weight.now`, that starts every sample at the learnt number. What is read of it is `weight.now + (weight -
stop(weight))`, the same to the bit, so that the number has a gradient wherever the weight is read: also in windows of `truncate`
behind the first. The traces of a plasticity, `pre` and `post` states, are states of each synapse too: equal
for all synapses of a neuron, they jump after its synapses were served. Flows stay apart as they are where nothing is trained:
those of the synapse, of its plasticity and of the traces of either side each see the others as the step before has left them.
A spike of the target is noticed ahead of the flow of the step after, as traces notice it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from sncc.expressions.algebra import ONE, ZERO, add, affine, has_draws, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.absent_synapses import THERE, guarded
from sncc.lower.plasticity import with_names_apart
from sncc.lower.readings import FLOWED, before_events, is_timed
from sncc.lower.synapse_ends import is_placed
from sncc.lower.traces import unsupported
from sncc.model.divisors import divided_by, divisors
from sncc.model.nodes import Assignment, Connection, Equation, Model, Parameter, Plasticity, State
from sncc.model.white_noise import is_noise
from sncc.program.statements import IS_THERE, NUMBER, SLOPED, SPIKED, WEIGHT_NOW

WEIGHT = Symbol("weight")
SIGNAL = "source.signal"  # an input: what the source, a signal, has
GAIN = "source.gain"  # an input: by how much a spike counts, where states of its source say so

_LEARNT = sub(WEIGHT, apply("stop", WEIGHT))  # 0, with the derivative of what is learnt

Block = tuple[Assignment, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What synapses see of neurons: `symbol` is `variable` of `side`, pre, post or a modulator, so many steps ago."""

    symbol: str
    side: str
    variable: str
    ago: int


@dataclass(frozen=True, slots=True)
class Moves:
    """States of a synapse, how they flow and jump, and what it delivers into which input: at spikes (`impulses`) or all the time.

    leaving: what a step begins with. on_pre, on_post: jumps in blocks, each of which moves for every spike of a step before the next block does.
    stimulated: (input, modulator, steps ago) of what a simulation adds to modulators.
    kept: (state, what is seen of the source, or a modulator): as it is when a spike arrives, kept for a step.
    whose: (trace, side) of traces that noise or draws move: all synapses of a neuron draw the same numbers.
    after: those of `on_pre` read the target between its flow and its arrivals, so they are made up for as the next step begins: what a synapse
    delivers at a spike is the weight from before, and what it delivers all the time follows its states in the step after.
    """

    states: tuple[State, ...]
    equations: tuple[Equation, ...]
    apart: tuple[tuple[str, ...], ...]
    on_pre: tuple[Block, ...]
    on_post: tuple[Block, ...]
    delivered: tuple[tuple[str, Expression], ...]
    impulses: bool
    leaving: Block
    parameters: tuple[Parameter, ...]
    seen: tuple[Seen, ...]
    after: bool = False
    kept: tuple[tuple[str, str], ...] = ()
    whose: tuple[tuple[str, str], ...] = ()
    stimulated: tuple[tuple[str, str, int], ...] = ()

    @property
    def made_up(self) -> set[str]:
        """States of which a step's last jumps are made as the next one begins."""
        blocks = (*self.on_post, *(self.on_pre if self.after else ()))
        return {jump.state for block in blocks for jump in block}


def moves_of(model: Model, connection: Connection) -> Moves:
    """What each synapse does. Raises `DiagnosticError` for what it cannot see of its neurons yet."""
    c = with_names_apart(connection)
    synapse, plasticity, reader = c.synapse, c.plasticity, _Reader(model, c)
    after, timed = reads_target_on_pre(model, c), is_timed(model)
    usual, told = max(c.delay_steps, 1), int(after)
    late = c.delay_steps + (after and c.delay is None)  # with a delay for each synapse what is seen is kept for a step
    before = c.delay_steps + 1 if c.delay is None else None  # a delay for each synapse is that of what arrives
    flows = [_flowing(synapse.equations)] if synapse is not None else []
    equations = [_read(e, reader, usual, 1) for e in synapse.equations] if synapse is not None else []
    on_pre: list[Block] = []
    if synapse is not None and plasticity is None:
        on_pre.append(_jumps(synapse.on_pre, reader, late, None, told, after, timed))
    on_post: list[Block] = []
    states = list(synapse.states) if synapse is not None else []
    if plasticity is not None:
        pre = (*(synapse.on_pre if synapse is not None else ()), *plasticity.on_pre)
        for side, jumps in (("pre", pre), ("post", plasticity.on_post)):
            blocks = [_of_synapses(jumps, plasticity), _of_traces(jumps, plasticity, side)]
            if side == "pre":
                on_pre += [_jumps(b, reader, late, None, told, after, timed) for b in blocks if b]
            else:
                at_spike = 1 + c.post_delay_steps  # a trace meets its neuron as the spike has left it
                agos = (1, at_spike)
                pairs = zip(blocks, agos, strict=True)
                on_post += [_jumps(b, reader, before, ago, 1, timed=timed) for b, ago in pairs if b]
        for side, own in (("pre", plasticity.pre_states), ("post", plasticity.post_states), ("", plasticity.states)):
            flowing = [e for e in plasticity.equations if e.state in {s.name for s in own}]
            flows.append(_flowing(flowing))
            equations += [_read(e, reader, before if side == "pre" else usual, 1) for e in flowing]
            states += own
        states.append(State(WEIGHT_NOW, ZERO, PLAIN))
    begin = apply("select", apply("lt", Symbol("t"), model.step / 2), apply("stop", WEIGHT), Symbol(WEIGHT_NOW))
    delivered = tuple((where, reader.read(value, usual, 1, 1)) for where, value in c.deliveries)
    if timed and (on_post or after):
        reader.see_flowed()
    source = model.population(c.source)
    if synapse is None:
        sent = f"{SIGNAL}{'!' * source.impulse}" if source.kind == "signal" else "pre!" if c.gain is None else GAIN
        delivered = ((c.input, mul(Symbol(sent), reader.weight)),)
    return Moves(
        states=tuple(states),
        equations=tuple(equations),
        apart=tuple(f for f in flows if f) if plasticity is not None else (),
        on_pre=tuple(b for b in on_pre if b),
        on_post=tuple(on_post),
        delivered=delivered,
        impulses=synapse is None and (source.kind != "signal" or source.impulse),
        leaving=(Assignment(WEIGHT_NOW, begin),) if plasticity is not None else (),
        parameters=(*_own_parameters(c, model), *reader.numbers.values()),
        seen=tuple(reader.seen.values()),
        after=after,
        kept=tuple(reader.kept.items()),
        whose=_whose(plasticity) if plasticity is not None else (),
        stimulated=tuple((symbol, *about) for symbol, about in sorted(reader.stimulated.items())),
    )


def _whose(plasticity: Plasticity) -> tuple[tuple[str, str], ...]:
    moved = drawn_states(plasticity)
    sides = (("pre", plasticity.pre_states), ("post", plasticity.post_states))
    return tuple((s.name, side) for side, states in sides if {s.name for s in states} & moved for s in states)


def drawn_states(plasticity: Plasticity) -> set[str]:
    """States of a plasticity that noise or draws move."""
    found = {j.state for j in (*plasticity.on_pre, *plasticity.on_post) if has_draws(j.value)}
    return found | {e.state for e in plasticity.equations if any(is_noise(n) for n in symbols(e.derivative))}


def index_of(side: str) -> str:
    """The input that says which neuron of a side a synapse has."""
    return f"index.{side}"


def reads_target_on_pre(model: Model, connection: Connection) -> bool:
    """Whether a spike of the source moves synapses by states of their target, as these are between flow and arrivals."""
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
    """The jumps of what is each synapse's own; they see a trace as earlier lines have left it, which is not moved here."""
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


def _jumps(
    block: Block, reader: _Reader, pre: int | None, post: int | None, modulator: int, after: bool = False,
    timed: bool = False,
) -> Block:  # fmt: skip
    """Jumps as they see neurons so many steps ago; `after`: those that are made up for as the next step begins; `timed`: at a time that moves."""
    result: list[Assignment] = []
    for jump in block:
        if jump.state != "weight":
            result.append(replace(jump, value=reader.read(jump.value, pre, post, modulator, after, timed)))
            continue
        parts = affine(jump.value, ["weight"])
        if parts is not None and parts[0] == {"weight": ONE}:
            now = add(Symbol(WEIGHT_NOW), reader.read(parts[1], pre, post, modulator, after, timed))
        else:
            now = sub(reader.read(jump.value, pre, post, modulator, after, timed), _LEARNT)
        result.append(replace(jump, state=WEIGHT_NOW, value=now))
    return tuple(result)


def _read(equation: Equation, reader: _Reader, pre: int | None, post: int) -> Equation:
    return replace(equation, derivative=reader.read(equation.derivative, pre, post, 0))


# ------------------------------------------------------------------------------------------------ what is seen of neurons
@dataclass
class _Reader:
    """Finds what stands for variables and numbers of neurons, for modulators and for the weight."""

    model: Model
    connection: Connection
    seen: dict[str, Seen] = field(default_factory=dict)
    numbers: dict[str, Parameter] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    stimulated: dict[str, tuple[str, int]] = field(default_factory=dict)

    @cached_property
    def divisors(self) -> set[str]:
        """By what the synapses divide."""
        return divided_by(self.connection)

    @cached_property
    def set_from_outside(self) -> set[str]:
        """Modulators that Python sets, between two steps: what a step before has told is read as it was then."""
        c = self.connection
        following = {name for name, _, _ in c.modulators}
        return {m.name for m in c.plasticity.modulators} - following if c.plasticity is not None else set()

    @property
    def weight(self) -> Expression:
        """The weight now."""
        return WEIGHT if self.connection.plasticity is None else add(Symbol(WEIGHT_NOW), _LEARNT)

    def read(
        self, expression: Expression, pre: int | None, post: int | None, modulator: int, after: bool = False,
        timed: bool = False,
    ) -> Expression:  # fmt: skip
        """The expression of what the synapses see of either side, and of what sets modulators, so many steps ago.

        `after`: of the step before, with a delay for each synapse. `timed`: at a spike whose time moves what is seen.
        """
        c, names = self.connection, dict[str, Expression]()
        following = {name for name, _, _ in c.modulators}
        stimuli = self.model.simulation.stimuli if self.model.simulation is not None else ()
        stimulated = {s.input for s in stimuli if s.owner == c.name}
        for name in sorted(symbols(expression)):
            side, _, variable = name.partition(".")
            if name == "weight":
                names[name] = self.weight
            elif name in following:
                names[name] = self._see(name, name, "m", modulator, 1)
            elif name in self.set_from_outside:
                names[name] = self._keep(Symbol(name)) if modulator else Symbol(name)
                if name in stimulated:
                    symbol = f"stimulated.{name}.{modulator}"
                    self.stimulated[symbol] = name, modulator
                    names[name] = add(names[name], Symbol(symbol))
            elif _is_told(self.model, c, name):
                names[name] = self._told(self._see(name, side, f"{NUMBER}{variable}", 1, 1), side, variable)
            elif side in ("pre", "post") and variable and not is_state(self.model, c, name):
                self.numbers[name] = _number(self.model, c, name)
            elif side == "pre" and variable:
                if pre is None:
                    what = f"`{name}` in the plasticity of `{c.name}`, of which each synapse has a delay, in training,"
                    raise unsupported(c.span, what, "give the connection one delay, or read it under `on pre`")
                kept = f"{SPIKED}{variable}" if timed else variable
                seen = self._see(f"pre.{kept}", side, kept, pre, max(c.delay_steps, 1))
                names[name] = self._keep(seen) if after and c.delay is not None else seen
            elif side == "post" and variable:
                if post is None:
                    names[name] = self._see(f"post.{FLOWED}{variable}", side, f"{FLOWED}{variable}", 1, 1)
                    if timed:
                        self._see(f"post.{SLOPED}{variable}", side, f"{SLOPED}{variable}", 1, 1)
                else:
                    kept = f"{SPIKED}{variable}" if timed else variable
                    names[name] = self._see(f"post.{kept}", side, kept, post, 1)
        found = substitute(expression, names)
        outside = {n for n in symbols(found) if self.kept.get(n, n) in self.seen} | {WEIGHT.name, WEIGHT_NOW}
        return found if is_placed(c) else guarded(found, outside, self._there)

    def _there(self) -> Expression:
        """The target tells its synapses that they are there."""
        self._see(THERE.name, "post", IS_THERE, 1, 1)
        return THERE

    def see_flowed(self) -> None:
        """See all states that are read all the time also as they were before the events of their step."""
        for s in [s for s in self.seen.values() if s.side in ("pre", "post") and "." not in s.variable]:
            symbol = before_events(s.symbol)
            self.seen[symbol] = Seen(symbol, s.side, f"{FLOWED}{s.variable}", s.ago)

    def _keep(self, seen: Symbol) -> Symbol:
        """What holds it for a step."""
        state = f"{seen.name}.before"
        self.kept[state] = seen.name
        return Symbol(state)

    def _told(self, number: Symbol, side: str, variable: str) -> Expression:
        """A number of a neuron's. One that equations divide by is 0 only where no synapse is, in the room that is left for more."""
        population = self.connection.source if side == "pre" else self.connection.target
        if f"{population}.{variable}" not in divisors(self.model) and f"{side}.{variable}" not in self.divisors:
            return number
        return apply("select", apply("eq", number, ZERO), ONE, number)

    def _see(self, name: str, side: str, variable: str, ago: int, usual: int) -> Symbol:
        symbol = name if ago == usual else f"{name}.ago{ago}"
        self.seen[symbol] = Seen(symbol, side, variable, ago)
        return Symbol(symbol)


def is_state(model: Model, c: Connection, name: str) -> bool:
    """Whether `pre.X` or `post.X` is a state, and no number, of the neuron."""
    side, _, variable = name.partition(".")
    dynamics = model.population(c.source if side == "pre" else c.target).dynamics
    return dynamics is not None and any(s.name == variable for s in dynamics.states)


def _is_told(model: Model, c: Connection, name: str) -> bool:
    """Whether `pre.X` or `post.X` is a number that each neuron has for itself: a state holds it for synapses to see."""
    side, _, variable = name.partition(".")
    population = model.population(c.source if side == "pre" else c.target)
    return side in ("pre", "post") and any(p.name == variable and p.storage == "each" for p in population.parameters)


def _number(model: Model, c: Connection, name: str) -> Parameter:
    """A number of the source's or the target's neurons, as one of the synapses."""
    side, _, variable = name.partition(".")
    population = model.population(c.source if side == "pre" else c.target)
    found = next((p for p in population.parameters if p.name == variable), None)
    if found is None or found.storage == "each":
        what = f"`{name}` in the synapses of `{c.name}`"
        raise unsupported(c.span, what, "read a state of the neuron, or a parameter that is one number")
    return replace(found, name=name, key=found.key or f"{population.name}.{variable}")
