"""e-prop forwards: eligibility traces beside the forward phase in place of a reverse phase (Bellec et al. 2020, eq. 13 to 24).

A trace is the derivative of a neuron's state by a weight (or by one of the neuron's numbers) through that neuron alone:
e[n] = J[n] e[n-1] + b[n] z_pre[n - d], J and b the Jacobian of the group's update. The part of it that moves the spike,
filtered as the readout filters spikes, times the learning signal is the gradient: the same number as in reverse. Where
synapses deliver states of their source, what moves the spike moves those states, and the readout filters what is delivered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.expressions.algebra import ONE, ZERO, add, fold_all, mul
from sncc.expressions.calculus import derivative
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.gradients.derivation import derive_adjoint, learnt_arrays
from sncc.gradients.feedback import filtering_input
from sncc.gradients.rules import Adjoint, Edge
from sncc.gradients.transpose import transpose, without_stop
from sncc.model.nodes import Rule
from sncc.program.groups import Connection, Group
from sncc.program.learning import LearningSignal, PenaltySignal, TraceOperation, TraceUpdate
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.statements import LEARNS, REFRACTORY, SPIKE, Assign, Fire, Reduce, Statement

Jacobian = dict[tuple[str, str], Expression]  # (output, input) → a number, or a variable of the group
Keep = Callable[[str, Expression], Symbol]  # a trace's value after the step


MOST_OWN = 16  # outputs that filter each in its own way: every one needs traces of its own


@dataclass(frozen=True, slots=True)
class _Through:
    """States of synapses on the way: spikes enter their `input`, `values` leave them, and arrive `delay` steps later."""

    group: str
    input: str
    values: str
    delay: int


@dataclass(frozen=True, slots=True)
class _Path:
    """How what `leaves` a group, its spikes or a state, reaches a readout: `delay` steps later, through `input`.

    Without an input the loss reads the group itself. With states of synapses on the way the delay is that of the
    spikes that move them.
    """

    readout: Readout
    signal: LearningSignal
    input: str = ""
    leaves: str = SPIKE
    delay: int = 0
    through: _Through | None = None
    output: int | None = None  # the only neuron of the readout that is reached


def forward_traces(program: Program, rule: Rule, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> Program:
    """The Program with traces in place of adjoints; its forward updates also compute their Jacobians.

    Raises `DiagnosticError` where the neurons that the loss reads do not filter alike.
    """
    _refuse_synapses(program, chosen, rule)
    jacobians: dict[str, Jacobian] = {}
    needed = {choice.group for choice in chosen}
    for name in sorted(needed):
        program, jacobians[name] = _with_jacobian(program, name)
    operations: list[TraceOperation] = []
    gradient = []
    for choice in chosen:
        if not choice.learns or choice.group not in _learning(program):
            continue
        paths = [p for p in _paths(program, choice, chosen, readouts) if _is_moved(p, jacobians)]
        for read in dict.fromkeys(p.readout.group for p in paths if p.input):
            if not _is_shared(program, read, jacobians[read]):
                if program.group(read).rows[0].size > MOST_OWN:
                    raise DiagnosticError([_own_filters(program, read, rule)])
                paths = _one_by_one(paths, read)
        penalties = [_penalty_signal(program, choice.group, k) for k in choice.penalties]
        operations += [*(path.signal for path in paths), *penalties]
        updates = [*_of_weights(program, choice.group, jacobians, paths, penalties)]
        numbers = [*_of_numbers(program, choice.group, jacobians, paths, penalties)]
        operations += [*updates, *numbers]
        sums = tuple((f"{update.array}~", "") for update in numbers)
        derived = derive_adjoint(program, Update(choice.group, (), (), (), sums=sums)) if sums else None
        gradient += [derived] if derived is not None else []
    variables = {(o.target[0], o.variable) for o in operations if isinstance(o, LearningSignal | PenaltySignal)}
    groups = tuple(_with_variables(g, sorted(v for name, v in variables if name == g.name)) for g in program.groups)
    return replace(program, groups=groups, traces=tuple(operations), gradient=tuple(gradient))


def _refuse_synapses(program: Program, chosen: Sequence[Adjoint], rule: Rule) -> None:
    """Traces follow what states of synapses that a source shares do to a spike, and nothing else of synapses."""
    help = "leave `online` out: the gradient is the same number"
    for choice in chosen:
        row = program.group(choice.group).rows[0]
        name = row.population.partition(".")[0]
        if row.holds == "synapses" and choice.edges:
            what = f"`online = true` with credit through the synapses of `{name}`, of which each keeps states,"
            raise DiagnosticError([not_supported_yet(rule.span, what, help)])
        if row.holds == "traces" and choice.learns:
            what = f"`online = true` with learnt numbers of the synapses of `{name}`"
            help = "leave them out of `learn`, or leave `online` out: the gradient is the same number"
            raise DiagnosticError([not_supported_yet(rule.span, what, help)])


def _own_filters(program: Program, group: str, rule: Rule) -> Diagnostic:
    """The refusal of a readout whose neurons filter what they receive each in its own way."""
    what = f"`online = true` with more than {MOST_OWN} neurons in the readout `{program.group(group).rows[0].population}`, each with a filter of its own,"
    help = "read linear neurons that share their time constants, such as `LI`, or leave `online` out: the gradient is the same number"
    return not_supported_yet(rule.span, what, help)


def _penalty_signal(program: Program, group: str, index: int) -> PenaltySignal:
    row = program.group(group).rows[0]  # groups hold one population each where training goes forwards
    return PenaltySignal(index, (group, row.offset, row.size), f"penalty{index}")


def _learning(program: Program) -> set[str]:
    learnt = {p.key for p in program.parameters if p.learnt}
    own = {g.name for g in program.groups for row in g.rows for _, value in row.values if value in learnt}
    return own | {c.target_group for c in program.connections if c.weight in learnt}


def _with_variables(group: Group, names: Iterable[str]) -> Group:
    """Variables that are kept from step to step but are no states of the user's."""
    names = tuple(names)
    rows = tuple(replace(r, initial=(*r.initial, *((name, ZERO) for name in names))) for r in group.rows)
    return replace(group, states=(*group.states, *names), rows=rows)


# ------------------------------------------------------------------------------------------------ the Jacobian of an update
def _with_jacobian(program: Program, name: str) -> tuple[Program, Jacobian]:
    """Derivatives of the states after an update, and of the spike, by the states before, inputs and numbers."""
    group = program.group(name)
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == name)
    states = [s for s in group.states if s != REFRACTORY]
    after = {s: local for s, local in update.carry if s in states} | ({SPIKE: SPIKE} if update.spikes else {})
    wanted = frozenset({*states, *update.inputs, *group.arrays})
    body, variables, jacobian = list(update.body), list(update.carry), Jacobian()
    for output, local in after.items():
        transposed = transpose(update.body, {local: ONE}, wanted)
        names: dict[str, Expression] = {s.name: Symbol(f"{output}/{s.name}") for s in transposed.body}
        body += [_renamed(s, f"{output}/{s.name}", names) for s in transposed.body]
        for by, value in transposed.adjoints.items():
            entry = fold_all(substitute(value, names))
            if not isinstance(entry, Number):
                variable = f"{output}/{by}"
                body.append(Assign(f"{variable}.now", entry))
                variables.append((variable, f"{variable}.now"))
                entry = Symbol(variable)
            jacobian[output, by] = entry
    jacobian |= {(s, s): ONE for s in states if s not in after}  # a state that nothing moves
    changed = replace(update, body=tuple(body), carry=tuple(variables))
    added = [v for v, _ in variables if v not in group.states]
    return replace(
        program,
        groups=tuple(_with_variables(g, added) if g.name == name else g for g in program.groups),
        forward=tuple(changed if o is update else o for o in program.forward),
    ), jacobian


def _renamed(statement: Statement, name: str, names: dict[str, Expression]) -> Statement:
    assert isinstance(statement, Assign | Reduce) and not isinstance(statement, Fire)
    return Assign(name, fold_all(substitute(statement.value, names)))


# ------------------------------------------------------------------------------------------------ ways to the loss
def _paths(program: Program, choice: Adjoint, chosen: Sequence[Adjoint], readouts: Sequence[Readout]) -> list[_Path]:
    group = program.group(choice.group)
    row = group.rows[0]
    own = (group.name, row.offset, row.size)
    paths: list[_Path] = []

    def variable() -> str:
        return f"signal{len(paths)}"

    def into_loss(edge: Edge, leaves: str = SPIKE, moved: Connection | None = None) -> None:
        """The ways along a connection into what the loss reads; `moved`: by the states of its source that it moves."""
        c = program.connection(edge.connection)
        through = None
        if moved is not None:
            through = _Through(moved.target_group, moved.input, c.values or "", c.delay)
        for r in (r for r in readouts if r.group == c.target_group):
            weight = c.weight if edge.feedback is None else edge.feedback
            signal = LearningSignal(
                r.index, own, variable(), weight, edge.feedback is not None, c.pattern == "one_to_one", c.name
            )
            delay = c.delay if moved is None else moved.delay
            paths.append(_Path(r, signal, c.input, leaves, delay, through))

    for k in choice.readouts:
        paths.append(_Path(readouts[k], LearningSignal(k, own, variable())))
    for edge in choice.edges:
        c = program.connection(edge.connection)
        if program.group(c.target_group).rows[0].holds == "neurons":
            into_loss(edge, c.values or SPIKE)
            continue
        for onward in (o for o in chosen if (o.group, o.label) == (c.target_group, edge.label)):
            for further in onward.edges:
                into_loss(further, c.values or SPIKE, c)
    for direct in choice.signals:
        for r in (r for r in readouts if r.group == direct.group):
            signal = LearningSignal(r.index, own, variable(), direct.feedback, True)
            paths.append(_Path(r, signal, filtering_input(program, direct.group)))
    return paths


def _is_moved(path: _Path, jacobians: Mapping[str, Jacobian]) -> bool:
    """Whether spikes move what states of synapses deliver on the way; not where that is one number."""
    return path.through is None or path.through.values in _states(jacobians[path.through.group])


def _one_by_one(paths: Sequence[_Path], group: str) -> list[_Path]:
    """The same ways with one for each output of a group."""
    result: list[_Path] = []
    for path in paths:
        outputs = range(path.readout.size) if path.input and path.readout.group == group else (path.output,)
        for k in outputs:
            signal = replace(path.signal, variable=f"signal{len(result)}", output=k)
            result.append(replace(path, signal=signal, output=k))
    return result


# ------------------------------------------------------------------------------------------------ traces
def _of_weights(
    program: Program, group: str, jacobians: dict[str, Jacobian], paths: Sequence[_Path],
    penalties: Sequence[PenaltySignal],
) -> list[TraceUpdate]:  # fmt: skip
    learnt = {p.key for p in program.parameters if p.learnt}
    into = [c for c in program.connections if c.target_group == group and c.weight in learnt]
    return [_traces(program, group, jacobians, paths, penalties, c.input, c.name, None) for c in into]


def _of_numbers(
    program: Program, group: str, jacobians: dict[str, Jacobian], paths: Sequence[_Path],
    penalties: Sequence[PenaltySignal],
) -> list[TraceUpdate]:  # fmt: skip
    initial = program.group(group).rows[0].initial
    moved = {by for _, by in jacobians[group]} | {name for _, value in initial for name in symbols(value)}
    arrays = [a for a in program.group(group).arrays if a in learnt_arrays(program, program.group(group)) & moved]
    return [_traces(program, group, jacobians, paths, penalties, a, None, a) for a in arrays]


def _traces(
    program: Program, group: str, jacobians: dict[str, Jacobian], paths: Sequence[_Path],
    penalties: Sequence[PenaltySignal], by: str, connection: str | None, array: str | None,
) -> TraceUpdate:  # fmt: skip
    """Traces of one connection's weights (`by` is the input they enter), or of a number of the neurons."""
    jacobian = {pair: _at(value, "post") for pair, value in jacobians[group].items()}
    outputs, states = list(dict.fromkeys(output for output, _ in jacobian)), _states(jacobian)
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

    moved = {
        output: add(
            _product(jacobian, output, {s: before(f"e.{s}") for s in states}),
            mul(jacobian.get((output, by), ZERO), Symbol("pre")),
        )
        for output in outputs
    }
    now: dict[str, Expression] = {s: keep(f"e.{s}", moved[s]) for s in states}
    if SPIKE in moved:
        body.append(Assign(f"e.{SPIKE}", moved[SPIKE]))
        now[SPIKE] = Symbol(f"e.{SPIKE}")
    for path in paths:
        seen = (
            now[path.readout.variable] if not path.input else _filtered(path, now[path.leaves], jacobians, keep, before)
        )
        if path.readout.reduction is not None:
            seen = _reduced(path, seen)
        trace = f"{path.signal.variable}.seen"
        keep(trace, seen)
        gradient.append((path.signal.variable, trace, path.readout.index))
    penalised = [(p.variable, f"{p.variable}.spikes") for p in penalties if SPIKE in moved]
    for _, trace in penalised:  # a rate sees every spike alike
        keep(trace, add(Symbol(trace), Symbol(f"e.{SPIKE}")))
    start = [] if array is None else _start(program.group(group), array, states)
    before_the_first_step = [  # states are delivered then as they start
        (f"{path.signal.variable}.late{k}", value)
        for path in paths for trace, value in start for k in range(1, path.delay + 1) if trace == f"e.{path.leaves}"
    ]  # fmt: skip
    start += before_the_first_step
    return TraceUpdate(
        group, connection, array, tuple(body), tuple(carry), tuple(gradient), tuple(start), tuple(penalised)
    )


def _start(group: Group, array: str, states: Sequence[str]) -> list[tuple[str, Expression]]:
    """Derivatives of the states' first values by a number."""
    found = [(s, without_stop(derivative(value, array))) for s, value in group.rows[0].initial if s in states]
    return [(f"e.{s}", value) for s, value in found if value != ZERO]


def _product(jacobian: Jacobian, output: str, vector: Mapping[str, Expression]) -> Expression:
    result: Expression = ZERO
    for state, value in vector.items():
        result = add(result, mul(jacobian.get((output, state), ZERO), value))
    return result


def _filtered(
    path: _Path, leaving: Expression, jacobians: Mapping[str, Jacobian], keep: Keep, before: Callable[[str], Expression]
) -> Expression:
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
        jacobian = {pair: _at(value, f"through.{way.group}") for pair, value in jacobians[way.group].items()}
        found = through(jacobian, _states(jacobian), way.input, arriving, "s")
        arriving = late("out", found[way.values], way.delay)
    where = f"read.{path.readout.index}" if path.output is None else f"output.{path.readout.index}.{path.output}"
    jacobian = {pair: _at(value, where) for pair, value in jacobians[path.readout.group].items()}
    return through(jacobian, _states(jacobian), path.input, arriving, "f")[path.readout.variable]


def _states(jacobian: Jacobian) -> list[str]:
    return [o for o in dict.fromkeys(output for output, _ in jacobian) if o != SPIKE]


def _reduced(path: _Path, seen: Expression) -> Expression:
    """What the readout has taken so far."""
    before, reads = Symbol(f"{path.signal.variable}.seen"), Symbol(f"reads.{path.readout.index}")
    if path.readout.reduction == "last":
        return apply("select", reads, seen, before)
    return add(before, mul(reads, seen))


def _at(value: Expression, where: str) -> Expression:
    return Symbol(f"{where}.{value.name}") if isinstance(value, Symbol) else value


def _is_shared(program: Program, group: str, jacobian: Jacobian) -> bool:
    """Whether a Jacobian by states and inputs is the same in every step and for all neurons of a group, so that one filter serves all of them."""
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == group)
    values = {s.name: s.value for s in update.body if isinstance(s, Assign)}
    numbers = set(program.group(group).arrays) - _of_each_neuron(program, group)
    arrays = program.group(group).arrays
    filters = [value for (_, by), value in jacobian.items() if by not in arrays]
    waiting = [f"{value.name}.now" for value in filters if isinstance(value, Symbol)]
    while waiting:
        name = waiting.pop()
        if name in values:
            waiting += symbols(values[name])
        elif name not in numbers and name != LEARNS:
            return False
    return True


def _of_each_neuron(program: Program, group: str) -> set[str]:
    """Numbers of a group that differ from neuron to neuron, and what is computed from them."""
    shared = {p.key for p in program.parameters if p.shape == ()}
    found = {
        symbol for row in program.group(group).rows for symbol, value in row.values
        if isinstance(value, str) and value not in shared
    }  # fmt: skip
    for assign in (a for d in program.derive if d.group == group for a in d.body):
        if symbols(assign.value) & found:
            found.add(assign.name)
    return found
