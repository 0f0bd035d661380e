"""What an eligibility trace is made of: its own neuron's Jacobian, the synapses in front,
the way to what the loss reads.

Traces of a step from those of the step before, as statements; `online.py` says of what there are traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sncc.expressions.algebra import ZERO, add, mul
from sncc.expressions.nodes import Expression, Symbol, apply
from sncc.gradients.derivation import first_by
from sncc.gradients.jacobians import Jacobian, product, states_of
from sncc.gradients.live_traces import with_live_traces
from sncc.gradients.trace_ways import Answer, Front, Path, Through
from sncc.program.groups import Group
from sncc.program.learning import Each, PenaltySignal, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.statements import NUMBER, SPIKE, Assign

DELAY = "delay"  # of that group: before the name of a connection whose delay that synapse has
READ = "read"  # of the group in which a neuron has a synapse: before the names of variables of that synapse's target


def rises(readout: int) -> str:
    """The variable of what a readout reads that is 1 in a step in which its maximum is larger than before, else 0."""
    return f"max{readout}/rises"


class _Body:
    """Statements of traces in the making, and what they leave for the next step."""

    def __init__(self, truncated: bool) -> None:
        self.truncated = truncated
        self.body: list[Assign] = []
        self.carry: list[tuple[str, str]] = []
        self.gradient: list[tuple[str, str, int]] = []
        self.adds: list[tuple[str, str]] = []
        self.kept: list[tuple[str, str]] = []
        self.delays: list[tuple[str, str]] = []

    def before(self, trace: str) -> Expression:
        """A trace of the step before; nothing where a window of truncated credit begins."""
        return mul(Symbol("within"), Symbol(trace)) if self.truncated else Symbol(trace)

    def keep(self, trace: str, value: Expression) -> Symbol:
        """A trace's value after the step."""
        self.body.append(Assign(f"{trace}.now", value))
        self.carry.append((trace, f"{trace}.now"))
        return Symbol(f"{trace}.now")

    def late(self, name: str, value: Expression, delay: int) -> Expression:
        """A value of `delay` steps ago: a row of traces, each of which takes over the one before it."""
        for k in range(delay, 0, -1):
            self.keep(f"{name}{k}", value if k == 1 else self.before(f"{name}{k - 1}"))
        return self.before(f"{name}{delay}") if delay else value

    def through(self, jacobian: Jacobian, entering: Mapping[str, Expression], name: str) -> dict[str, Expression]:
        """What states, which are kept under `name`, and spikes make of values that enter by inputs."""
        states = states_of(jacobian)
        vector = {s: self.before(f"{name}.{s}") for s in states}
        moved = {o: add(product(jacobian, o, vector), product(jacobian, o, entering)) for o in (*states, SPIKE)}
        return {o: self.keep(f"{name}.{o}", x) if o in vector else x for o, x in moved.items()}

    def read(self, path: Path, seen: Expression, place: str) -> None:
        """What the path's readout sees: a trace by which its signal is multiplied.

        `place`: of variables of what is read.
        """
        if path.readout.reduction is not None:
            seen = _reduced(path, seen, place)
        trace = f"{path.signal.variable}.seen"
        self.keep(trace, seen)
        self.gradient.append((path.signal.variable, trace, path.readout.index))


class _Traces:
    """Traces in the making: the statements before all loops (`shared`) and in each of them,
    and what leaves the neuron in this step (`now`).
    """

    def __init__(self, program: Program, group: str, jacobians: Mapping[str, Jacobian], front: Front | None) -> None:
        alike = front is None or bool(front.summed)  # elements of the group have the places of the traces
        self.where = "post" if front is None else f"through.{group}" if alike else f"post.{group}"
        self.beside = "through" if alike else "post"  # of groups whose elements have the places of the group's
        self.jacobians = jacobians
        self.jacobian = {pair: _at(value, self.where) for pair, value in jacobians[group].items()}
        self.states = states_of(self.jacobian)
        self.shared = _Body(program.truncate is not None)
        self.loops: dict[Each, _Body] = {}
        self.answered: list[tuple[_Body, Each]] = []
        self.now: dict[str, Expression] = {}

    def into(self, each: Each | None) -> _Body:
        """The statements of a loop; without one those before all loops."""
        return self.shared if each is None else self.loops.setdefault(each, _Body(self.shared.truncated))

    def entering(self, by: str, front: Front | None) -> dict[str, Expression]:
        """What comes by the group's inputs: of the weight itself,
        or of what the synapses in front make of what they learn.
        """
        if front is None:
            return {by: Symbol("pre")}
        if front.summed:
            return {input: Symbol(f"post.{variable}") for input, variable in front.summed}
        inner = {pair: _at(value, f"through.{front.group}") for pair, value in self.jacobians[front.group].items()}
        before = {s: self.shared.before(f"s.{s}") for s in states_of(inner)}
        synapse = {s: add(product(inner, s, before), mul(inner.get((s, by), ZERO), Symbol("pre"))) for s in before}
        delivered = {s: self.shared.keep(f"s.{s}", value) for s, value in synapse.items()}
        result: dict[str, Expression] = {}
        for c in front.onto:
            result[c.input] = add(result.get(c.input, ZERO), delivered[c.values or ""])
        return result

    def answer(
        self, answers: Sequence[Answer], entering: dict[str, Expression], into: _Body, head: str, around: Each | None
    ) -> None:
        """Add to what enters neurons, whose traces are kept `into` a body under `head`,
        what their synapses deliver as they read their states.
        """
        for answer in answers:
            k, each = len(self.answered), replace(answer.each, inside=around)
            body = _answering(answer, self.jacobians, self.beside, k, head, self.shared.truncated)
            self.answered.append((body, each))
            for _, input in answer.onto:
                entering[input] = add(entering.get(input, ZERO), Symbol(f"into{k}.{input}"))
                into.keep(f"into{k}.{input}", ZERO)

    def of_the_neuron(self, entering: Mapping[str, Expression]) -> None:
        """The traces of the neuron's states, e[n] = J[n] e[n-1] + b[n] · what enters, and of its spike."""
        vector = {s: self.shared.before(f"e.{s}") for s in self.states}
        moved = {
            output: add(product(self.jacobian, output, vector), product(self.jacobian, output, entering))
            for output in dict.fromkeys(output for output, _ in self.jacobian)
        }
        self.now = {s: self.shared.keep(f"e.{s}", moved[s]) for s in self.states}
        if SPIKE in moved:
            self.shared.body.append(Assign(f"e.{SPIKE}", moved[SPIKE]))
            self.now[SPIKE] = Symbol(f"e.{SPIKE}")

    def follow(self, path: Path) -> None:
        """The traces of what leaves the neuron, by one path to what the loss reads."""
        if not path.input:
            self.shared.read(path, self.now[path.readout.variable], self.where)
            return
        head, way, into = path.signal.variable, path.through, self.into(path.filters)
        value = self._reached(path, self._sent(path))
        if way is not None:
            value = into.through(self._on_the_way(way), {way.input: value}, f"{head}.s")[way.values]
            value = into.late(f"{head}.out", value, way.delay)
        self._filtered(path, value)

    def _sent(self, path: Path) -> Expression:
        """What a path brings after its delay (where each synapse has one: before it), of all that leaves the neuron."""
        kept = path.delay > 0 and not (path.delays and path.shared is None)
        value = self.shared.before(f"e.{path.leaves}.{path.delay}") if kept else self.now[path.leaves]
        if path.shared is None:
            return value
        head, jacobian = path.signal.variable, self._on_the_way(path.shared)
        value = self.shared.through(jacobian, {path.shared.input: value}, f"{head}.r")[path.shared.values]
        return self.shared.late(f"{head}.sent", value, 0 if path.delays else path.shared.delay)

    def _reached(self, path: Path, value: Expression) -> Expression:
        """The same as the path's loop finds it: after the delay of each synapse, or what stands before all loops."""
        head, shared = path.signal.variable, self.shared
        if path.each is not None and path.delays:
            shared.keep(f"{head}.past", value)
            shared.kept.append((f"{head}.past", path.delays))
            delays = f"{self.beside}.{path.each.places}.{DELAY}.{path.delays}"
            self.into(path.filters).delays.append((f"{head}.past", delays))
            return Symbol(f"past.{head}.past")
        if path.filters is None:
            return value
        if path.shared is None:
            return Symbol(f"shared.{_row(path)}")
        shared.keep(f"{head}.arrives", value)
        return Symbol(f"shared.{head}.arrives")

    def _filtered(self, path: Path, value: Expression) -> None:
        """What a trace makes of what the readout reads, as the readout's own states filter it."""
        head, into = f"{path.signal.variable}.f", self.into(path.filters)
        place = f"{'read' if path.filters is None else 'output'}.{path.readout.index}"
        if path.each is not None and path.each.along:
            place = f"{self.beside}.{path.each.places}.{READ}"
        reading = {pair: _at(value, place) for pair, value in self.jacobians[path.readout.group].items()}
        entering = {path.input: value}
        self.answer(path.answers, entering, into, head, path.filters)
        moved = into.through(reading, entering, head)
        for state, ago in _agos(path.answers).items():
            into.late(f"{head}.{state}.", moved[state], ago)
        seen = moved[path.readout.variable]
        if path.alike and path.each is not None:
            into, place = self.into(path.each), f"output.{path.readout.index}"
            seen = Symbol(f"shared.{head}.{path.readout.variable}")
        into.read(path, seen, place)

    def _on_the_way(self, way: Through) -> Jacobian:
        return {pair: _at(value, f"{self.beside}.{way.places}") for pair, value in self.jacobians[way.jacobian].items()}

    def penalise(self, penalties: Sequence[PenaltySignal]) -> list[tuple[str, str]]:
        """The traces of rates, which see every spike alike, each with its signal."""
        penalised = [(p.variable, f"{p.variable}.spikes") for p in penalties if SPIKE in self.now]
        for _, trace in penalised:
            self.shared.keep(trace, add(Symbol(trace), Symbol(f"e.{SPIKE}")))
        return penalised


def traces(
    program: Program, group: str, jacobians: Mapping[str, Jacobian], paths: Sequence[Path],
    penalties: Sequence[PenaltySignal], by: str, connection: str | None, array: str | None,
    answers: Sequence[Answer] = (), front: Front | None = None, of_delays: bool = False,
) -> list[TraceUpdate]:  # fmt: skip
    """Traces of one connection's weights, or delays (`by` is the input they enter), or of a number of the neurons;
    or of the synapses in front of them.

    First those of what synapses make of the states of their target as these were, in a loop along them, then those that
    serve all outputs, then, in loops over the outputs of a readout, those of which each has its own.
    """
    making = _Traces(program, group, jacobians, front)
    entering = making.entering(by, front)
    making.answer(answers, entering, making.shared, "e", None)
    making.of_the_neuron(entering)
    rows = _rows(paths, answers)
    for leaves, count in rows.items():
        making.shared.late(f"e.{leaves}.", making.now[leaves], count)
    for path in paths:
        making.follow(path)
    penalised = making.penalise(penalties)
    start = [] if array is None else _starts(program, group, array, jacobians, front, rows, paths)

    def update(made: _Body, each: Each | None) -> TraceUpdate:
        alone = each is None
        return TraceUpdate(
            group if front is None else front.places,
            connection,
            array,
            tuple(made.body),
            tuple(made.carry),
            tuple(made.gradient),
            tuple(start) if alone else (),
            tuple(penalised) if alone else (),
            each,
            tuple(made.adds),
            tuple(made.kept),
            tuple(made.delays),
            of_delays,
        )

    made = [
        *(update(body, each) for body, each in making.answered),
        update(making.shared, None),
        *(update(made, each) for each, made in making.loops.items()),
    ]
    return with_live_traces(made)


def _row(path: Path) -> str:
    """The trace, after a step, of what a path has brought to each of the outputs: that of the step so many before."""
    return f"e.{path.leaves}" if path.delay == 0 and path.leaves != SPIKE else f"e.{path.leaves}.{path.delay + 1}"


def _rows(paths: Sequence[Path], answers: Sequence[Answer]) -> dict[str, int]:
    """How many steps are kept of what leaves a neuron, a spike or a state."""
    result = _agos(answers)
    for path in (p for p in paths if p.input):
        kept = path.delay > 0 or path.leaves == SPIKE  # else the state's own trace is what is read
        read_later = path.filters is not None and path.shared is None
        count = 0 if path.delays and path.shared is None else path.delay + int(kept and read_later)
        result[path.leaves] = max(result.get(path.leaves, 0), count)
    return result


def _agos(answers: Sequence[Answer]) -> dict[str, int]:
    """How many steps answers need of the traces of states, besides that of the step before."""
    result: dict[str, int] = {}
    for state, _, ago in (read for answer in answers for read in answer.read):
        result[state] = max(result.get(state, 0), ago if ago > 1 else 0)
    return result


def _answering(
    answer: Answer, jacobians: Mapping[str, Jacobian], beside: str, number: int, of: str, truncated: bool
) -> _Body:
    """What a target's synapse makes of the target's states, whose traces are kept under the name `of`,
    and adds to what enters the target.
    """
    made, head = _Body(truncated), f"answer{number}"
    inner = {pair: _at(value, f"{beside}.{answer.each.places}") for pair, value in jacobians[answer.group].items()}
    vector = {s: made.before(f"{head}.{s}") for s in states_of(inner)}
    read: dict[str, Expression] = {}
    for state, input, ago in answer.read:
        trace = f"shared.{of}.{state}" if ago == 1 else f"shared.{of}.{state}.{ago}"
        read[input] = Symbol(trace) if state.startswith(NUMBER) else made.before(trace)
    moved = {s: add(product(inner, s, vector), product(inner, s, read)) for s in vector}
    now = {s: made.keep(f"{head}.{s}", value) for s, value in moved.items()}
    made.adds += [(f"into{number}.{input}", now[value].name) for value, input in answer.onto]
    return made


def _starts(
    program: Program, group: str, array: str, jacobians: Mapping[str, Jacobian], front: Front | None,
    rows: Mapping[str, int], paths: Sequence[Path],
) -> list[tuple[str, Expression]]:  # fmt: skip
    """What the traces of a number are before step 1, also those of what is delivered then, as states start."""
    if front is not None:
        own = states_of(jacobians[front.group])
        return [] if front.summed else _start(program.group(front.group), array, own, "s")
    start = _start(program.group(group), array, states_of(jacobians[group]), "e")
    late = [
        (f"{trace}.{k}", value) for trace, value in start for leaves, count in rows.items()
        for k in range(1, count + 1) if trace == f"e.{leaves}"
    ]  # fmt: skip
    late += [
        (f"{p.signal.variable}.past", value) for trace, value in start for p in paths
        if p.delays and p.shared is None and trace == f"e.{p.leaves}"
    ]  # fmt: skip
    return [*start, *late]


def _start(group: Group, array: str, states: Sequence[str], head: str) -> list[tuple[str, Expression]]:
    found = first_by(group, array, states)
    return [(f"{head}.{s}", value) for s, value in found.items() if value != ZERO]


def _reduced(path: Path, seen: Expression, place: str) -> Expression:
    """What the readout has taken so far."""
    before, reads = Symbol(f"{path.signal.variable}.seen"), Symbol(f"reads.{path.readout.index}")
    if path.readout.reduction == "max":
        return apply("select", Symbol(f"{place}.{rises(path.readout.index)}"), seen, before)
    if path.readout.reduction == "last":
        return apply("select", reads, seen, before)
    return add(before, mul(reads, seen))


def _at(value: Expression, where: str) -> Expression:
    return Symbol(f"{where}.{value.name}") if isinstance(value, Symbol) else value
