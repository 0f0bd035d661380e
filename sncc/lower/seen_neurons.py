"""What each synapse sees of its neurons in training:
their states, at spikes or all the time, their numbers, and what sets modulators.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from sncc.expressions.algebra import ONE, ZERO, add, sub
from sncc.expressions.nodes import Expression, Symbol, apply, substitute, symbols
from sncc.lower.absent_synapses import THERE, guarded
from sncc.lower.readings import ENDING, FLOWED, before_events, is_timed
from sncc.lower.synapse_ends import is_placed
from sncc.lower.traces import unsupported
from sncc.model.divisors import divided_by, divisors
from sncc.model.nodes import Connection, Model, Parameter
from sncc.program.statements import IS_THERE, MOMENT, NUMBER, SLOPED, SPIKED, WEIGHT_NOW

WEIGHT = Symbol("weight")
LEARNT = sub(WEIGHT, apply("stop", WEIGHT))  # 0, with the derivative of what is learnt

_MODULATOR = "modulator."  # before a modulator's name: the state that it follows


@dataclass(frozen=True, slots=True)
class Seen:
    """What synapses see of neurons: `symbol` is `variable` of `side`, pre, post or a modulator, so many steps ago."""

    symbol: str
    side: str
    variable: str
    ago: int


@dataclass(frozen=True, slots=True)
class When:
    """How many steps ago synapses see either side, and what sets modulators."""

    pre: int | None  # None, with a delay for each synapse: the source is seen a step before what arrives
    post: int | None  # None: the target is seen between its flow and its arrivals
    modulator: int
    after: bool = False  # of the step before, with a delay for each synapse
    # At a spike whose time moves what is seen. Its own neuron is seen as the spike has left it, and those in `met` as
    # they are then.
    timed: bool = False
    met: tuple[str, ...] = ()


@dataclass
class Reader:
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
        return WEIGHT if self.connection.plasticity is None else add(Symbol(WEIGHT_NOW), LEARNT)

    def read(self, expression: Expression, when: When) -> Expression:
        """The expression of what the synapses see of either side, and of what sets modulators, so many steps ago."""
        c, names = self.connection, dict[str, Expression]()
        following = {name for name, _, _ in c.modulators}
        stimuli = self.model.simulation.stimuli if self.model.simulation is not None else ()
        stimulated = {s.input for s in stimuli if s.owner == c.name}
        for name in sorted(symbols(expression)):
            side, _, variable = name.partition(".")
            if name == "weight":
                names[name] = self.weight
            elif name in following:
                names[name] = self._modulator(name, when)
            elif name in self.set_from_outside:
                names[name] = self._keep(Symbol(name)) if when.modulator else Symbol(name)
                if name in stimulated:
                    symbol = f"stimulated.{name}.{when.modulator}"
                    self.stimulated[symbol] = name, when.modulator
                    names[name] = add(names[name], Symbol(symbol))
            elif _is_told(self.model, c, name):
                names[name] = self._told(self._see(name, side, f"{NUMBER}{variable}", 1, 1), side, variable)
            elif side in ("pre", "post") and variable and not is_state(self.model, c, name):
                self.numbers[name] = _number(self.model, c, name)
            elif side == "pre" and variable:
                names[name] = self._source(name, variable, when)
            elif side == "post" and variable:
                names[name] = self._target(name, variable, when)
        found = substitute(expression, names)
        outside = {n for n in symbols(found) if self.kept.get(n, n) in self.seen} | {WEIGHT.name, WEIGHT_NOW}
        return found if is_placed(c) else guarded(found, outside, self._there)

    def _there(self) -> Expression:
        """The target tells its synapses that they are there."""
        self._see(THERE.name, "post", IS_THERE, 1, 1)
        return THERE

    def see_flowed(self) -> None:
        """See all states that are read all the time also as they were before the events of their step."""
        for s in [s for s in self.seen.values() if "." not in s.variable and not s.symbol.startswith(MOMENT)]:
            symbol = before_events(s.symbol)
            self.seen[symbol] = Seen(symbol, s.side, f"{FLOWED}{s.variable}", s.ago)

    # ------------------------------------------------------------------------------------------------ one by one
    def _source(self, name: str, variable: str, when: When) -> Symbol:
        c = self.connection
        ago = c.delay_steps if when.pre is None else when.pre
        if when.timed and "pre" in when.met:
            found = self._meet(name, "pre", variable, ago)
            if when.pre is None:
                self._keep(Symbol(f"{SLOPED}{found.name}"))
            return self._keep(found) if when.pre is None else found
        kept = f"{SPIKED}{variable}" if when.timed else variable
        seen = self._see(f"pre.{kept}", "pre", kept, ago, max(c.delay_steps, 1))
        return self._keep(seen) if when.pre is None or when.after and c.delay is not None else seen

    def _target(self, name: str, variable: str, when: When) -> Symbol:
        if when.post is None:
            if when.timed:
                self._see(f"post.{SLOPED}{variable}", "post", f"{SLOPED}{variable}", 1, 1)
            return self._see(f"post.{FLOWED}{variable}", "post", f"{FLOWED}{variable}", 1, 1)
        if when.timed and "post" in when.met:
            return self._meet(name, "post", variable, when.post)
        kept = f"{SPIKED}{variable}" if when.timed else variable
        return self._see(f"post.{kept}", "post", kept, when.post, 1)

    def _modulator(self, name: str, when: When) -> Symbol:
        """What a modulator follows: where spikes are followed in time, the state itself,
        else what tells it a step later.
        """
        if not is_timed(self.model):
            return self._see(name, name, "m", when.modulator, 1)
        variable = next(variable for modulator, _, variable in self.connection.modulators if modulator == name)
        ago = 1 + when.modulator
        if when.timed:
            return self._meet(f"{_MODULATOR}{name}", name, variable, ago)
        return self._see(f"{_MODULATOR}{name}", name, variable, ago, 1)

    def _meet(self, name: str, side: str, variable: str, ago: int) -> Symbol:
        """What a spike finds of a neuron other than the one that it comes from, and how fast that goes."""
        seen = self._see(f"{MOMENT}{name}", side, variable, ago, 1)
        self._see(f"{SLOPED}{seen.name}", side, f"{ENDING}{variable}", ago, ago)
        return seen

    def _keep(self, seen: Symbol) -> Symbol:
        """What holds it for a step."""
        state = f"{seen.name}.before"
        self.kept[state] = seen.name
        return Symbol(state)

    def _told(self, number: Symbol, side: str, variable: str) -> Expression:
        """A number of a neuron's.

        One that equations divide by is 0 only where no synapse is, in the room that is left for more.
        """
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
