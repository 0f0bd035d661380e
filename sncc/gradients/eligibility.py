"""What an eligibility trace is made of: its own neuron's Jacobian, the synapses in front, the way to what the loss reads.

Traces of a step from those of the step before, as statements; `online.py` says of what there are traces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sncc.expressions.algebra import ZERO, add, mul
from sncc.expressions.calculus import derivative
from sncc.expressions.nodes import Expression, Symbol, apply
from sncc.gradients.transpose import without_stop
from sncc.program.groups import Connection, Group
from sncc.program.learning import LearningSignal, PenaltySignal, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE, Assign

Jacobian = dict[tuple[str, str], Expression]  # (output, input) → a number, or a variable of the group
Keep = Callable[[str, Expression], Symbol]  # a trace's value after the step


@dataclass(frozen=True, slots=True)
class Through:
    """States of synapses on the way: spikes enter their `input`, `values` leave them, and arrive `delay` steps later.

    places: the group of which an element has what a neuron's trace reads of them, where that is not theirs. jacobian: what theirs
    is known by.
    """

    group: str
    input: str
    values: str
    delay: int
    places: str
    jacobian: str


@dataclass(frozen=True, slots=True)
class Path:
    """How what `leaves` a group, its spikes or a state, reaches a readout: `delay` steps later, through `input`.

    Without an input the loss reads the group itself. With states of synapses on the way the delay is that of the
    spikes that move them.
    """

    readout: Readout
    signal: LearningSignal
    input: str = ""
    leaves: str = SPIKE
    delay: int = 0
    through: Through | None = None
    output: int | None = None  # the only neuron of the readout that is reached


@dataclass(frozen=True, slots=True)
class Front:
    """Synapses, of which each keeps states, in front of a group; what they deliver goes over `onto`, and the traces have `places`."""

    group: str
    onto: tuple[Connection, ...]
    places: str = ""


def traces(
    program: Program, group: str, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], by: str, connection: str | None, array: str | None,
    front: Front | None = None,
) -> TraceUpdate:  # fmt: skip
    """Traces of one connection's weights (`by` is the input they enter), or of a number of the neurons; or of the synapses in front of them."""
    where = "post" if front is None else f"post.{group}"
    beside = "through" if front is None else "post"  # of groups whose elements have the places of the group's
    jacobian = {pair: _at(value, where) for pair, value in jacobians[group].items()}
    outputs, states = list(dict.fromkeys(output for output, _ in jacobian)), states_of(jacobian)
    body: list[Assign] = []
    carry: list[tuple[str, str]] = []
    gradient: list[tuple[str, str, int]] = []

    def before(trace: str) -> Expression:
        """A trace of the step before; nothing where a window of truncated credit begins."""
        return mul(Symbol("within"), Symbol(trace)) if program.truncate else Symbol(trace)

    def keep(trace: str, value: Expression) -> Symbol:
        body.append(Assign(f"{trace}.now", value))
        carry.append((trace, f"{trace}.now"))
        return Symbol(f"{trace}.now")

    entering: dict[str, Expression] = {by: Symbol("pre")}
    if front is not None:
        inner = {pair: _at(value, f"through.{front.group}") for pair, value in jacobians[front.group].items()}
        kept = {s: before(f"s.{s}") for s in states_of(inner)}
        synapse = {s: add(_product(inner, s, kept), mul(inner.get((s, by), ZERO), Symbol("pre"))) for s in kept}
        delivered = {s: keep(f"s.{s}", value) for s, value in synapse.items()}
        entering = {}
        for c in front.onto:
            entering[c.input] = add(entering.get(c.input, ZERO), delivered[c.values or ""])
    moved = {
        output: add(
            _product(jacobian, output, {s: before(f"e.{s}") for s in states}), _product(jacobian, output, entering)
        )
        for output in outputs
    }
    now: dict[str, Expression] = {s: keep(f"e.{s}", moved[s]) for s in states}
    if SPIKE in moved:
        body.append(Assign(f"e.{SPIKE}", moved[SPIKE]))
        now[SPIKE] = Symbol(f"e.{SPIKE}")
    for path in paths:
        seen = (
            now[path.readout.variable]
            if not path.input
            else _filtered(path, now[path.leaves], jacobians, keep, before, beside)
        )
        if path.readout.reduction is not None:
            seen = _reduced(path, seen)
        trace = f"{path.signal.variable}.seen"
        keep(trace, seen)
        gradient.append((path.signal.variable, trace, path.readout.index))
    penalised = [(p.variable, f"{p.variable}.spikes") for p in penalties if SPIKE in moved]
    for _, trace in penalised:  # a rate sees every spike alike
        keep(trace, add(Symbol(trace), Symbol(f"e.{SPIKE}")))
    start = [] if array is None or front is not None else _start(program.group(group), array, states, "e")
    if array is not None and front is not None:
        start = _start(program.group(front.group), array, states_of(inner), "s")
    before_the_first_step = [  # states are delivered then as they start
        (f"{path.signal.variable}.late{k}", value)
        for path in paths for trace, value in start for k in range(1, path.delay + 1) if trace == f"e.{path.leaves}"
    ]  # fmt: skip
    start += before_the_first_step
    return TraceUpdate(
        group if front is None else front.places,
        connection,
        array,
        tuple(body),
        tuple(carry),
        tuple(gradient),
        tuple(start),
        tuple(penalised),
    )


def _start(group: Group, array: str, states: Sequence[str], head: str) -> list[tuple[str, Expression]]:
    """Derivatives of the states' first values by a number, for traces whose names begin with `head`."""
    found = [(s, without_stop(derivative(value, array))) for s, value in group.rows[0].initial if s in states]
    return [(f"{head}.{s}", value) for s, value in found if value != ZERO]


def _product(jacobian: Jacobian, output: str, vector: Mapping[str, Expression]) -> Expression:
    result: Expression = ZERO
    for state, value in vector.items():
        result = add(result, mul(jacobian.get((output, state), ZERO), value))
    return result


def _filtered(
    path: Path, leaving: Expression, jacobians: Mapping[str, Jacobian], keep: Keep, before: Callable[[str], Expression],
    beside: str,
) -> Expression:  # fmt: skip
    """What a trace makes of what the readout reads: by way of states of synapses, and as the readout's own states filter it."""
    head = path.signal.variable

    def late(name: str, value: Expression, delay: int) -> Expression:
        """A value of `delay` steps ago: a row of traces, each of which takes over the one before it."""
        for k in range(delay, 0, -1):
            keep(f"{head}.{name}{k}", value if k == 1 else before(f"{head}.{name}{k - 1}"))
        return before(f"{head}.{name}{delay}") if delay else value

    def through(
        jacobian: Jacobian, states: Sequence[str], by: str, value: Expression, name: str
    ) -> dict[str, Expression]:
        vector = {s: before(f"{head}.{name}.{s}") for s in states}
        moved = {
            o: add(_product(jacobian, o, vector), mul(jacobian.get((o, by), ZERO), value)) for o in (*states, SPIKE)
        }
        return {o: keep(f"{head}.{name}.{o}", x) if o in vector else x for o, x in moved.items()}

    arriving = late("late", leaving, path.delay)
    if (way := path.through) is not None:
        jacobian = {pair: _at(value, f"{beside}.{way.places}") for pair, value in jacobians[way.jacobian].items()}
        found = through(jacobian, states_of(jacobian), way.input, arriving, "s")
        arriving = late("out", found[way.values], way.delay)
    where = f"read.{path.readout.index}" if path.output is None else f"output.{path.readout.index}.{path.output}"
    jacobian = {pair: _at(value, where) for pair, value in jacobians[path.readout.group].items()}
    return through(jacobian, states_of(jacobian), path.input, arriving, "f")[path.readout.variable]


def states_of(jacobian: Jacobian) -> list[str]:
    """The states among what a Jacobian is of."""
    return [o for o in dict.fromkeys(output for output, _ in jacobian) if o != SPIKE]


def _reduced(path: Path, seen: Expression) -> Expression:
    """What the readout has taken so far."""
    before, reads = Symbol(f"{path.signal.variable}.seen"), Symbol(f"reads.{path.readout.index}")
    if path.readout.reduction == "last":
        return apply("select", reads, seen, before)
    return add(before, mul(reads, seen))


def _at(value: Expression, where: str) -> Expression:
    return Symbol(f"{where}.{value.name}") if isinstance(value, Symbol) else value
