"""The update that `eventprop` transposes: the forward one, with the times of its spikes and arrivals as variables.

The times are shifts from where they are, so their value is zero, and the update computes what it computed; but its
derivative is now that of the hybrid system: a spike is one (a constant), what moves is when it comes. The distance to
the threshold moves the spike's time at the rate -1 / (du/dt), the time moves the states by the locals of
`sncc/lower/events.py`, and the spike's time moves the arrivals that it causes. Transposed, that is the jump of the
adjoint at spikes (docs/gradients.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sncc.expressions.algebra import ZERO, add, div, mul, sub, total
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute
from sncc.program.operations import Readout, Update
from sncc.program.statements import SPIKE, Assign, Fire, Statement

SHIFT = "spike.shift"  # of the time of this step's spike, ms
LAST = "spike.last"  # of the time of the last spike, carried from step to step


def arrival_time(name: str) -> str:
    """Symbol of the sum over an accumulator's arrivals of weight times the shift of the arrival's time."""
    return f"{name}.time"


def delivery_time(variable: str) -> str:
    """Symbol of a delivered value times the shift of the time at which it arrives,
    where it is delivered as an impulse.
    """
    return f"{variable}.time"


def moved(name: str) -> str:
    """Symbol of what a value, or an input of values, moves by in a step's mean:
    what it jumps by at events, times their shift.
    """
    return f"{name}.moved"


def here(variable: str) -> str:
    """Symbol of a value without that."""
    return f"{variable}.here"


def reads_curved(update: Update, name: str) -> bool:
    """Whether a group reads an input nonlinearly that jumps at events, or a copy of it in the step after."""
    return any(_is_read(update, n) for n in (name, *(k for k, i in _copied(update).items() if i == name)))


def _is_read(update: Update, name: str) -> bool:
    return any(s.name.startswith(f"read.{name}.") for s in update.body)


def _copied(update: Update) -> dict[str, str]:
    """States that keep what something was for the step after: {state: an input, or a local}."""
    copies = {s.name: s.value.name for s in update.body if isinstance(s, Assign) and isinstance(s.value, Symbol)}
    return {state: copies[local] for state, local in update.carry if local in copies}


@dataclass(frozen=True, slots=True)
class Timed:
    """Statements, the local that holds each carried variable in the end, that each readout reads,
    that each which sees the largest value does in the step after, and that of each value that is delivered.
    """

    body: tuple[Statement, ...]
    carry: dict[str, str]
    seen: dict[int, str | None]
    ahead: dict[int, str]
    told: dict[str, str]


def with_event_times(
    update: Update, step: float, readouts: Mapping[int, Readout], told: Collection[str], sent: Collection[str],
    late: Collection[str],
) -> Timed:  # fmt: skip
    """The update of a group with event times.

    readouts: those that read the group, by index. told, sent: carried variables that are delivered, all the time and as
    impulses. Of the former there is the value, alone (`here`) and with what it is moved by, and that by itself
    (`moved`); of the latter also the time, `delivery_time`. late: inputs whose delays are learnt; of those that are
    read nonlinearly `arrival_time` is the sum of what is delivered times the shift of its delay.
    """
    return _Timed(update, step, late).build(readouts, told, sent)


def jumps(update: Update, state: str) -> bool:
    """Whether a state of the group, or a value that it tells, jumps at spikes or arrivals."""
    names = {_of_spike("gap", state)}
    arriving = (*impulses(update), *_made_up(update))
    names |= {_of_arrival(what, i, state) for i in arriving for what in ("gap", "later")}
    return any(s.name in names for s in update.body)


def _made_up(update: Update) -> dict[str, str]:
    """States that keep how many spikes have come, for jumps that are made up for as the next step begins:
    {state: the spikes' input}.
    """
    counts = {f"{i}!": i for i in impulses(update)}
    return {state: counts[copy] for state, copy in _copied(update).items() if copy in counts}


def _before(variable: str) -> str:
    """A variable as the step before has left it."""
    return f"{variable}.before"


def impulses(update: Update) -> list[str]:
    """The inputs that receive impulses."""
    return [name.removesuffix("!") for name in update.inputs if name.endswith("!")]


def _of_spike(what: str, state: str) -> str:
    return f"spike.{what}.{state}"


def _of_arrival(what: str, name: str, state: str) -> str:
    return f"arrival.{what}.{name}.{state}"


class _Timed:
    def __init__(self, update: Update, step: float, late: Collection[str]) -> None:
        self.update, self.step = update, step
        self.delayed = [name for name in late if reads_curved(update, name)]
        self.locals = {s.name for s in update.body}
        self.inputs = impulses(update)
        self.sums = {s.name: s.value for s in update.body if isinstance(s, Assign) and s.name.endswith("!+")}
        self.late = _made_up(update)
        self.copied = {k: v for k, v in _copied(update).items() if v in update.inputs and _is_read(update, k)}
        self.remembers = "spike.again" in self.locals or any(name.startswith("release.") for name in self.locals)

    def build(self, readouts: Mapping[int, Readout], told: Collection[str], sent: Collection[str]) -> Timed:
        # a spike's being there is a constant: without its statement nothing passes through it
        body: list[Statement] = [self._marked(s) for s in self.update.body if not isinstance(s, Fire)]
        carry = dict(self.update.carry)
        if "spike.rate" in self.locals:
            body.append(Assign(SHIFT, self._shift()))
        ends = dict(carry)
        for state, local in carry.items():
            change = total([self._moves("drift", state), self._released(state)])
            if self._first_mark(state) is None:
                change = add(change, self._read(state))
            if change != ZERO:
                ends[state] = f"{state}.end"
                body.append(Assign(ends[state], add(Symbol(local), change)))
        if self.remembers:
            body.append(Assign(f"{LAST}.1", apply("jump", apply("stop", Symbol(SPIKE)), Symbol(SHIFT), Symbol(LAST))))
            ends[LAST] = f"{LAST}.1"
        for state, i in self.late.items():
            ends[arrival_time(state)] = f"{arrival_time(state)}.1"
            body.append(Assign(f"{arrival_time(state)}.1", self._arrival(i)))
        for name in self.delayed:
            ends[_before(arrival_time(name))] = f"{arrival_time(name)}.1"
            body.append(Assign(f"{arrival_time(name)}.1", Symbol(arrival_time(name))))
        for state, i in self.copied.items():
            ends[moved(state)] = f"{moved(state)}.1"
            body.append(Assign(f"{moved(state)}.1", self._moved(i)))
        seen = {k: self._seen(k, readout, ends, body) for k, readout in readouts.items()}
        ahead = {k: found for k, readout in readouts.items() if (found := self._ahead(k, readout, body)) is not None}
        reading = self._told(told, ends, body)
        for variable in sent:
            reading[variable] = ends[variable]
            reading[delivery_time(variable)] = delivery_time(variable)
            value = mul(apply("stop", Symbol(ends[variable])), self._arriving(ends[variable]))
            body.append(Assign(delivery_time(variable), value))
        return Timed(tuple(body), ends, seen, ahead, reading)

    def _marked(self, statement: Statement) -> Statement:
        """The statement; that of a state at an arrival, or behind its jumps, moved with the arrival's time."""
        for i in (*self.inputs, *self.late):
            for mark, slope, sign in (("at", "rise", 1.0), ("met", "pass", 1.0), ("behind", "fall", -1.0)):
                state = statement.name.removeprefix(_of_arrival(mark, i, ""))
                if state != statement.name and isinstance(statement, Assign):
                    change = mul(mul(Number(sign), self._held(_of_arrival(slope, i, state))), self._each_arriving(i))
                    if statement.name == self._first_mark(state):
                        change = add(change, self._read(state))
                    return Assign(statement.name, add(statement.value, change))
        return statement

    def _arriving(self, local: str) -> Expression:
        """The shift of the time of the spikes with which what a synapse delivers at spikes comes, in the mean."""
        read = next((s.reads for s in self.update.body if s.name == local), frozenset())
        named = [i for i in self.inputs if f"{i}!" in read]  # a target's spikes come to its synapses as well
        return total(self._each_arriving(i) for i in named or self.inputs)

    def _each_arriving(self, name: str) -> Expression:
        """The same of an input, or of what has kept its spikes."""
        count = f"arrival.count.{name}"
        return div(self._arrival(name), self._held(count)) if count in self.locals else self._arrival(name)

    def _first_mark(self, state: str) -> str | None:
        """The mark of a state at the first arrivals of a step, where it has one."""
        return next((m for i in self.inputs if (m := _of_arrival("at", i, state)) in self.locals), None)

    def _read(self, x: str) -> Expression:
        """What a state, or a value that is told, moves by where inputs that are read nonlinearly have jumped."""
        read = {i: self._moved(i) for i in self.update.inputs} | {k: Symbol(moved(k)) for k in self.copied}
        return total(mul(self._held(f"read.{i}.{x}"), by) for i, by in read.items())

    def _moved(self, name: str) -> Expression:
        """What an input moves by; where what is delivered comes later, what came in the step before stays as long."""
        if name not in self.delayed:
            return Symbol(moved(name))
        late = sub(Symbol(_before(arrival_time(name))), Symbol(arrival_time(name)))
        return add(Symbol(moved(name)), div(late, Number(self.step)))

    def _told(self, variables: Collection[str], ends: dict[str, str], body: list[Statement]) -> dict[str, str]:
        """What stands for each value that is delivered all the time: at an event, the one from before lasts longer."""
        result: dict[str, str] = {}
        for variable in variables:
            change = div(self._moves("gap", variable), Number(self.step))
            later = div(self._moves("later", variable), Number(self.step))
            if later != ZERO:
                ends[f"{variable}.later"] = f"{variable}.later.1"
                body.append(Assign(f"{variable}.later.1", later))
                change = add(change, Symbol(f"{variable}.later"))
            result[variable] = result[here(variable)] = ends[variable]
            if change != ZERO:
                result[variable], result[moved(variable)] = f"{variable}.told", moved(variable)
                body.append(Assign(moved(variable), change))
                body.append(Assign(f"{variable}.told", add(Symbol(ends[variable]), Symbol(moved(variable)))))
        return result

    def _held(self, name: str) -> Expression:
        """A local as a constant, zero where there is none."""
        return apply("stop", Symbol(name)) if name in self.locals else ZERO

    def _arrival(self, name: str) -> Expression:
        """The sum over an input's arrivals, in all of its accumulators,
        of weight times the shift of the arrival's time.

        Of a state that has kept how many they were, it has been kept as well.
        """
        if name in self.late:
            return Symbol(arrival_time(name))
        whole = self.sums.get(f"{name}!+", Symbol(f"{name}!"))
        return substitute(whole, {i: Symbol(arrival_time(i)) for i in self.update.inputs})

    def _shift(self) -> Expression:
        distance = Symbol("spike.distance")
        by_flow = apply("neg", mul(self._held("spike.rate"), apply("sub", distance, apply("stop", distance))))
        by_arrivals = [mul(self._held(f"arrival.share.{i}"), self._arrival(i)) for i in self.inputs]
        again = mul(self._held("spike.again"), self._resumed())
        return total([by_flow, *by_arrivals, again])

    def _moves(self, what: str, state: str) -> Expression:
        """How a state moves with the events of this step."""
        by_spike = mul(self._held(_of_spike(what, state)), Symbol(SHIFT))
        arriving = (*self.inputs, *self.late)
        by_arrivals = [mul(self._held(_of_arrival(what, i, state)), self._arrival(i)) for i in arriving]
        return total([by_spike, *by_arrivals])

    def _released(self, state: str) -> Expression:
        return mul(self._held(f"release.{state}"), self._resumed())

    def _resumed(self) -> Expression:
        """The shift of the time at which a neuron is tested again: that of its last spike, and of how long it waits."""
        waits = Symbol("release.time")
        return add(Symbol(LAST), sub(waits, apply("stop", waits))) if waits.name in self.locals else Symbol(LAST)

    def _seen(self, k: int, readout: Readout, ends: dict[str, str], body: list[Statement]) -> str | None:
        """What the loss reads: sampled in time, at the end, or where it is largest."""
        if readout.variable == SPIKE:
            return SHIFT if readout.reduction == "first_spike" else None  # a number of spikes does not move
        end = ends.get(readout.variable)
        if end is None:
            return None
        if readout.before is not None:  # the mean derivative along the jump is for what jumps alone
            body.append(Assign(f"seen.{k}", div(self._moves("gap", readout.variable), Number(self.step))))
            return f"seen.{k}"
        if readout.reduction == "max":  # at an event, the largest value moves along with it
            change = self._moves("slope", readout.variable)
        elif readout.reduction in ("last", None):
            change = ZERO
        else:  # a sum over steps stands for an integral: the value from before an event lasts longer
            change = div(self._moves("gap", readout.variable), Number(self.step))
        if change == ZERO:
            return end
        body.append(Assign(f"seen.{k}", add(Symbol(end), change)))
        return f"seen.{k}"

    def _ahead(self, k: int, readout: Readout, body: list[Statement]) -> str | None:
        """What the largest value moves by where the events of this step,
        or what they have made of its inputs, end its rise.
        """
        if readout.reduction != "max" or readout.variable == SPIKE:
            return None
        x = readout.variable
        driven: Expression = Symbol(f"drive.{x}") if f"drive.{x}" in self.locals else ZERO
        part = mul(self._held(f"drive.ahead.{x}"), add(driven, self._read(x)))
        change = add(self._moves("ahead", x), part)
        if change == ZERO:
            return None
        body.append(Assign(f"ahead.{k}", change))
        return f"ahead.{k}"
