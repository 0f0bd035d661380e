"""How a neuron's state at the end of a step follows the times of its spikes and arrivals, as locals for `eventprop`.

Between events the state flows along f; at an event it jumps. An event that comes dt later lets the state flow dt longer
along the flow before it and dt less along the flow behind it, so a spike with the jumps R moves the state behind it by
(R' f- - f+) dt, an arrival that jumps by c w by (f- - f+) dt, and the end of a refractory time by (f held - f free) dt.
The derivation is in docs/gradients.md.

Locals (K is a state, I an input; those that are zero are left out):
    spike.rate            -d(spike time) / d(distance), for a spike that the flow fired, else 0
    spike.again           1 where a spike follows another at once, or the end of a refractory time, and moves with that
    spike.drift.K         d(K) / d(spike time)
    spike.gap.K           K before the spike minus K behind it
    spike.slope.K         d(K) / dt behind the spike
    arrival.share.I       d(spike time) / d(time of an arrival of weight 1), where arrivals fired it, else 0
    arrival.drift.I.K     d(K) / d(time of an arrival of weight 1)
    arrival.gap.I.K       K before minus K behind an arrival of weight 1
    arrival.slope.I.K     d(K) / dt behind the arrivals, over their sum
    before.K              K before the spike and the arrivals of the step
    release.K             d(K) / d(end of a refractory time), in the step that ends it, else 0
    release.time          how long a refractory time is, where that is no fixed number
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sncc.expressions.algebra import ONE, ZERO, add, affine, div, fold_all, mul, neg, sub, total
from sncc.expressions.calculus import derivative, expanded
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.lower.readings import read_at_spikes
from sncc.model.nodes import Dynamics, Population
from sncc.program.statements import REFRACTORY, SPIKE, Assign

# per ms: what the distance to the threshold is taken to rise by at least, at a spike that the flow fired
LEAST_SLOPE = 1e-3
TINY = 1e-12  # a sum of arrivals below it counts as none

Now = Mapping[str, Expression]


@dataclass(frozen=True, slots=True)
class Moments:
    """The states at three moments of a step, as locals: before the flow, behind it, behind the arrivals."""

    before: Now
    flowed: Now
    arrived: Now


def event_times(
    population: Population, moments: Moments, impulses: frozenset[str], drives: frozenset[str], gate: Expression | None,
    step: float,
) -> tuple[Assign, ...]:  # fmt: skip
    """The locals listed above, for a population whose inputs in `impulses` and `drives` receive something."""
    return _Events(population, moments, impulses, drives, gate, step).locals()


def ending_slopes(
    population: Population, moments: Moments, drives: frozenset[str], waits: Expression, step: float, end: Now
) -> dict[str, Expression]:
    """By state how fast it goes as the step ends.

    `end`: the states then; `waits`: whether some are held.
    """
    return _Events(population, moments, frozenset(), drives, waits, step).endings(end)


class _Events:
    def __init__(
        self, population: Population, moments: Moments, impulses: frozenset[str], drives: frozenset[str],
        gate: Expression | None, step: float,
    ) -> None:  # fmt: skip
        dynamics = population.dynamics
        assert dynamics is not None
        self.population, self.dynamics, self.moments, self.gate = population, dynamics, moments, gate
        # what arrives at synapses makes jumps of its own: `arrival_times.py`
        self.inputs = () if dynamics.arrivals else tuple(i.name for i in dynamics.inputs if i.name in impulses)
        self.states = tuple(state.name for state in dynamics.states)
        silent = {i.name: ZERO for i in dynamics.inputs if i.name not in drives}
        self.free: dict[str, Expression] = dict.fromkeys(self.states, ZERO)
        self.free |= {e.state: substitute(e.derivative, silent) for e in dynamics.equations}
        held = dynamics.refractory.hold if dynamics.refractory else ()
        self.held = {s: ZERO if s in held else f for s, f in self.free.items()}
        for i in dynamics.integrated:  # what comes as the flow ends has come all along: its mean
            come = div(Symbol(i.input), Number(step))
            self.free[i.state] = add(self.free[i.state], mul(i.free, come))
            if i.state not in held:
                self.held[i.state] = add(self.held[i.state], mul(i.held, come))
        self.jump = {i: _entering(dynamics, i) for i in self.inputs}  # what an arrival of weight 1 adds to each state
        self.spike_reads_arrivals = dynamics.spike is not None and any(self._raise(i) != ZERO for i in self.inputs)

    def locals(self) -> tuple[Assign, ...]:
        found: list[tuple[str, Expression]] = []
        if self.dynamics.spike is not None:
            found += self._spike()
            if self.gate is not None:
                found += [(f"release.{s}", value) for s, value in self._release().items()]
                found += [("release.time", apply("select", self._waits, self._lasts(), 0.0))]
        for i in self.inputs:
            found += self._arrival(i)
        found += [(f"before.{s}", self.moments.flowed[s]) for s in self.states]
        return tuple(Assign(name, value) for name, v in found if (value := fold_all(v)) != ZERO)

    def endings(self, end: Now) -> dict[str, Expression]:
        """d(K) / dt of states as the step ends; `gate` is whether some are held then."""
        result: dict[str, Expression] = {}
        for s, free in self.free.items():
            slope = substitute(free, end)
            if self.held[s] != free and self.gate is not None:
                slope = apply("select", self.gate, substitute(self.held[s], end), slope)
            result[s] = slope
        return result

    # -------------------------------------------------------------------------------------------- spikes
    def _distance(self, now: Now) -> Expression:
        assert self.dynamics.spike is not None
        return substitute(self.dynamics.spike.distance, now)

    @property
    def _ahead(self) -> Now:
        """The states right before a spike: arrivals that cannot fire the neuron come behind the spike."""
        return self.moments.arrived if self.spike_reads_arrivals else self.moments.flowed

    def _behind(self) -> dict[str, Expression]:
        """The states behind a spike, from those before it."""
        assert self.dynamics.spike is not None
        now = dict(self._ahead)
        for jump in self.dynamics.spike.jumps:
            now[jump.state] = substitute(jump.value, now)
        return now | {o.state: substitute(o.value, now) for o in self.dynamics.outputs if read_at_spikes(o.state)}

    def _spike(self) -> list[tuple[str, Expression]]:
        spike = self.dynamics.spike
        assert spike is not None
        fired = Symbol(SPIKE)
        began = sub(Symbol("t"), Symbol("step"))  # a threshold may move by itself
        start = self._distance({**self.moments.before, "t": began})
        end = self._distance(self.moments.flowed)
        least = mul(Symbol("step"), Number(LEAST_SLOPE))
        rate: Expression = apply("div", mul(fired, Symbol("step")), apply("max", sub(end, start), least))
        by_flow = apply("gt" if spike.strict else "ge", end, 0.0)
        above = apply("gt" if spike.strict else "ge", start, 0.0)  # already before the step
        again = self._may_follow_at_once()
        if again:
            rate = apply("select", above, 0.0, rate)
        if self.spike_reads_arrivals:
            rate = apply("select", by_flow, rate, 0.0)
        found: list[tuple[str, Expression]] = [("spike.rate", rate)]
        if again:
            found.append(("spike.again", apply("select", above, fired, 0.0)))
        behind = self._behind()
        before = {s: substitute(f, self.moments.flowed) for s, f in self.free.items()}
        resting = dict(self.held)
        if self.gate is not None:  # a refractory time of less than half a step is none
            for s, f in self.free.items():
                if self.held[s] != f:
                    resting[s] = apply("select", self._waits, self.held[s], f)
        for s in self.states:
            flow = substitute(resting[s], behind)
            found.append((f"spike.drift.{s}", expanded(sub(self._moved(behind[s], before), flow))))
            if not read_at_spikes(s):
                found.append((f"spike.gap.{s}", expanded(sub(self.moments.flowed[s], behind[s]))))
            found.append((f"spike.slope.{s}", flow))
        return found

    def _moved(self, value: Expression, by: Mapping[str, Expression]) -> Expression:
        """The derivative of a state behind the spike along a direction of those before it,
        and by the time that its jump reads.
        """
        parts: list[Expression] = [derivative(value, "t")] if "t" in symbols(value) else []
        for s in self.states:
            local = self._ahead[s]
            assert isinstance(local, Symbol)
            if local.name in symbols(value):
                parts.append(mul(derivative(value, local.name), by[s]))
        return total(parts)

    def _may_follow_at_once(self) -> bool:
        """Whether a neuron may stand above its threshold at a step's start;
        not where every spike, and its first value, takes it below a fixed one.

        A spike that lowers the state by a number may leave it above: a strong input is worth several. So may a first
        value that is drawn.
        """
        if self.gate is not None or self.spike_reads_arrivals:
            return True
        starts = {s.name: s.initial for s in self.dynamics.states}
        return not (self._is_below(self._behind()) and self._is_below(starts))

    def _is_below(self, now: Now) -> bool:
        """Whether states are below the threshold whatever happens."""
        numbers = {p.name: p.value for p in self.population.parameters if isinstance(p.value, Number)}
        distance = fold_all(substitute(self._distance(now), numbers))
        return isinstance(distance, Number) and distance.value < 0

    @property
    def _waits(self) -> Expression:
        return apply("gt", Symbol("refractory.steps"), 0.5)

    def _lasts(self) -> Expression:
        """The refractory time; zero where it is compiled in, and never moves."""
        assert self.dynamics.refractory is not None
        duration = self.dynamics.refractory.duration
        stored = {p.name for p in self.population.parameters if p.storage != "compiled"}
        return duration if symbols(duration) & stored else ZERO

    def _release(self) -> dict[str, Expression]:
        """A refractory time that began with the last spike ends with this step."""
        ends = apply("and", apply("gt", Symbol(REFRACTORY), 0.5), apply("lt", Symbol(REFRACTORY), 1.5))
        change = {s: expanded(substitute(sub(self.held[s], f), self.moments.arrived)) for s, f in self.free.items()}
        return {s: apply("select", ends, value, 0.0) for s, value in change.items() if value != ZERO}

    # -------------------------------------------------------------------------------------------- arrivals
    def _raise(self, i: str) -> Expression:
        """What an arrival of weight 1 adds to the distance."""
        assert self.dynamics.spike is not None
        distance = self.dynamics.spike.distance
        parts = [mul(derivative(distance, s), c) for s, c in self.jump[i].items() if s in symbols(distance)]
        return total(parts)

    def _fired_by_arrivals(self) -> Expression:
        assert self.dynamics.spike is not None
        above = apply("gt" if self.dynamics.spike.strict else "ge", self._distance(self.moments.flowed), 0.0)
        if self._may_follow_at_once():
            start = self._distance(self.moments.before)
            above = apply("or", above, apply("gt" if self.dynamics.spike.strict else "ge", start, 0.0))
        return apply("select", above, 0.0, Symbol(SPIKE))

    def _arrival(self, i: str) -> list[tuple[str, Expression]]:
        found: list[tuple[str, Expression]] = []
        own = Symbol(f"{i}!")
        alone: Expression = ONE  # 1 where the arrival is an event of its own, 0 where it fired the neuron
        if self.spike_reads_arrivals:
            rises = {k: substitute(self._raise(k), self.moments.flowed) for k in self.inputs}
            together = total(mul(rises[k], Symbol(f"{k}!")) for k in self.inputs)
            fired = self._fired_by_arrivals()
            share = apply("select", apply("gt", together, TINY), div(rises[i], apply("max", together, TINY)), 0.0)
            if rises[i] != ZERO:
                found.append((f"arrival.share.{i}", mul(fired, share)))
            alone = sub(ONE, fired)
        there = _is_there(own)
        for s in self.states:
            drift = self._arrival_drift(i, s)
            found.append((f"arrival.drift.{i}.{s}", mul(alone, drift)))
            entering = self.jump[i].get(s, ZERO)
            if self.gate is not None and entering != ZERO and s in self._held_names():
                entering = apply("select", self.gate, entering, 0.0)
            found.append((f"arrival.gap.{i}.{s}", neg(mul(alone, entering))))
            slope = self._flow_of(s, self.moments.arrived)
            safe = apply("select", there, own, 1.0)
            found.append((f"arrival.slope.{i}.{s}", apply("select", there, div(mul(alone, slope), safe), 0.0)))
        return found

    def _held_names(self) -> tuple[str, ...]:
        return self.dynamics.refractory.hold if self.dynamics.refractory else ()

    def _flow_of(self, s: str, now: Now) -> Expression:
        value = substitute(self.free[s], now)
        if self.gate is None or self.free[s] == self.held[s]:
            return value
        return apply("select", self.gate, value, substitute(self.held[s], now))

    def _arrival_drift(self, i: str, s: str) -> Expression:
        """(f before - f behind) of state s at an arrival, over the weight."""
        entered = {k: c for k, c in self.jump[i].items() if c != ZERO}
        drift = self._field_drift(i, self.free[s], entered)
        if self.gate is None:
            return drift
        moving = {k: c for k, c in entered.items() if k not in self._held_names()}
        waiting = self._field_drift(i, self.held[s], moving)
        return drift if drift == waiting else apply("select", self.gate, drift, waiting)

    def _field_drift(self, i: str, field: Expression, entered: Mapping[str, Expression]) -> Expression:
        names = [k for k in entered if k in symbols(field)]
        if not names:
            return ZERO
        slope = total(mul(derivative(field, k), entered[k]) for k in names)
        parts = affine(field, names)
        if parts is not None and not any(symbols(c) & set(entered) for c in parts[0].values()):
            return neg(substitute(slope, self.moments.flowed))
        own = Symbol(f"{i}!")  # the flow is curved along the jump: its mean slope there
        far = {k: add(v, mul(entered.get(k, ZERO), own)) for k, v in self.moments.flowed.items()}
        change = sub(substitute(field, self.moments.flowed), substitute(field, far))
        secant = div(change, apply("select", _is_there(own), own, 1.0))
        return apply("select", _is_there(own), secant, neg(substitute(slope, self.moments.flowed)))


def _is_there(arrivals: Expression) -> Expression:
    return apply("gt", apply("abs", arrivals), TINY)


def _entering(dynamics: Dynamics, i: str) -> dict[str, Expression]:
    """What an arrival of weight 1 on input i adds to each state."""
    found: dict[str, Expression] = {}
    for equation in dynamics.equations:
        parts = affine(equation.derivative, [i])
        if parts is not None and i in parts[0]:
            found[equation.state] = parts[0][i]
    return found
