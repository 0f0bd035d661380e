"""A Program as text: what `sncc ir --stage program` shows."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.expressions.nodes import Number
from sncc.expressions.printer import print_expression
from sncc.program.groups import Connection, Group, Parameter, SynapseStates
from sncc.program.learning import (
    DeriveAdjoint,
    Feedback,
    Gather,
    GatherDelay,
    LearningSignal,
    Optimise,
    PenaltyAdjoint,
    PenaltySignal,
    Picked,
    ReadoutAdjoint,
    SignalBack,
    TraceUpdate,
    Transpose,
)
from sncc.program.nodes import Program
from sncc.program.operations import Deliver, Readout, SynapseUpdate, Update
from sncc.program.statements import Assign, Draw, Fire, Reduce, Repeat, Statement


def print_program(program: Program) -> str:
    """The whole listing."""
    rule = f"  rule {program.rule}" if program.rule else ""
    lines = [
        f"program {program.name}  step {program.step:g} ms  {program.precision}  schedule {program.schedule}{rule}"
    ]
    lines += [f"weights {program.weights}, inference alone"] if program.weights else []
    lines += [f"source {s.name}[{s.size}]  {s.kind}" for s in program.sources]
    lines += [_group(g) for g in program.groups]
    lines += [_parameter(p) for p in program.parameters]
    lines += [_connection(c) for c in program.connections]
    lines += [_states(s) for s in program.synapses]
    for derive in program.derive:
        lines += _block(f"derive {derive.group}", derive.body)
    if program.tape:
        slots = (f"{s.group}.{s.name}" + (f" (over {s.shares})" if s.shares else "") for s in program.tape)
        lines.append("tape   " + "  ".join(slots))
    if program.memory is not None:
        lines.append(f"memory of training: at most {program.memory} bytes")
    if program.truncate:
        lines.append(f"credit is cut every {program.truncate} steps")
    for name, operations in (
        ("forward  for n = 1..T", program.forward),
        ("traces  for n = 1..T", program.traces),
        ("reverse  for n = T..1", program.reverse),
        ("before  for n = 0, -1 ..", program.before),
        ("gradient", program.gradient),
        ("optimise", (program.optimise,) if program.optimise else ()),
    ):
        if operations:
            lines += ["", f"phase {name}"]
            lines += [f"  {line}" for o in operations for line in print_operation(program, o)]
    return "\n".join(lines) + "\n"


def print_operation(program: Program, operation: object) -> list[str]:
    """Lines of one operation."""
    match operation:
        case Deliver(connection):
            c = program.connection(connection)
            ago = " - delay of each" if c.delays else f" - {c.delay}" if c.delay else ""
            spikes = f"{c.source}{f'.{c.values}' if c.values else ''}[n{ago}]"
            what = "product with" if c.signal else "rows at spikes of"
            gain = f" · {'.'.join(c.gain)}" if c.gain else ""
            return [f"deliver {c.name}  {c.weight} {what} {spikes}{gain} -> {c.target_group}.{c.input}"]
        case SynapseUpdate():
            return _synapse_update(operation)
        case Update():
            return _update(operation)
        case Readout():
            return _readout(operation)
        case ReadoutAdjoint(into, index, after):
            which, when = f"readout {index}" if index else "the readout", ", a step after the largest" if after else ""
            return [f"adjoint of {which}{when} -> {into}"]
        case PenaltyAdjoint(penalty, into):
            p = program.penalties[penalty]
            return [f"adjoint of the penalty on the rates of {p.population} (target {p.target:g} kHz) -> {into}"]
        case LearningSignal(readout, target, variable, weight):
            return [
                f"signal {target[0]}.{variable} := {f'{weight} · ' if weight else ''}d loss / d x of readout {readout}"
            ]
        case PenaltySignal(penalty, target, variable):
            return [f"signal {target[0]}.{variable} := d penalty {penalty} / d spike, at the end"]
        case SignalBack(connection, group, variable, _, told):
            at = (
                f"{program.connection(connection).target_group}.{variable} at the target of {connection}"
                if connection
                else ""
            )
            return [f"signal {group}.{variable} := {at or f'{told}.{variable}'}"]
        case Picked(group, variable, picked_of, _, what, over):
            where = f"at the target of {over}" if over is not None else f"of each neuron's {what}"
            return [f"{group}.{variable} := {picked_of[0] if what == 'delay' else '.'.join(picked_of)} {where}"]
        case TraceUpdate():
            return _traces(operation)
        case Feedback(weight, source, slot, delay, target, into):
            later = f" + {delay}" if delay else ""
            return [f"feedback {weight} · {source[0]}.{slot}[n{later}] -> {target[0]}.{into}"]
        case Transpose(connection, slot, into, at_spikes):
            c = program.connection(connection)
            of = f"{c.target_group}.{slot}[n{f' + {c.delay}' if c.delay else ''}]"
            return [
                f"transpose {c.name}  {c.weight} · {of} -> {into}" + (f" where {c.source} fired" if at_spikes else "")
            ]
        case Gather(connection, slot):
            c = program.connection(connection)
            later = f" + {c.delay}" if c.delay else ""
            summed = f"sum of {c.target_group}.{slot}[n{later}] over n in spikes of {c.source}(i)"
            if c.signal:
                value = f"{c.source}{f'.{c.values}' if c.values else ''}(i)[n]"
                summed = f"sum of {value} · {c.target_group}.{slot}[n{later}] over n"
            return [f"gather {c.name}  d {c.weight}[i, :] += {summed}"]
        case GatherDelay(connection, slot):
            c = program.connection(connection)
            if c.rounded:
                return [f"gather {c.name}  d {c.delays}[i, :] += {c.weight} · {c.target_group}.{slot} at arrival"]
            return [
                f"gather {c.name}  d {c.delays}[i, :] += {c.weight} / step · change of {c.target_group}.{slot} a step after arrival"
            ]
        case DeriveAdjoint(group, sums, body, results, told):
            head = f"adjoint of derive {group}  from {', '.join((*sums, *(name for name, _, _ in told)))}"
            for name, connection, (of, variable) in told:
                head += f"\n  {name} = sum of {of}.{variable} over synapses of {connection}"
            return _block(head, body) + [f"  d {symbol} += {local}" for symbol, local in results]
        case Optimise(name, rate, states, scalars, body, carry):
            head = f"step {name}  learning rate {rate:g}  states {' '.join(states)}"
            return _block(head, (*scalars, *body)) + [f"  {v} := {local}" for v, local in carry]
    raise TypeError(f"not an operation: {operation!r}")


def _update(update: Update) -> list[str]:
    lines = [f"  load {local} := {slot}[n]" for local, slot in update.loads]
    lines += [f"  {print_statement(s)}" for s in update.body]
    if update.spikes:
        lines.append(f"  spikes where {update.spikes}")
    lines += [f"  {variable} := {local}" for variable, local in update.carry]
    lines += [f"  {slot}[n] := {local}" for slot, local in update.stores]
    lines += [f"  sum {variable} += {local}" for variable, local in update.sums]
    inputs = f"  from {', '.join(update.inputs)}" if update.inputs else ""
    return [f"update {update.group}{inputs}", *lines]


def _synapse_update(update: SynapseUpdate) -> list[str]:
    later = f" - {update.post_delay}" if update.post_delay else ""
    when = {"step": "every step", "pre": "arriving spikes", "post": f"spikes of the target[n{later}]"}[update.when]
    ago = {symbol: f"[n - {steps}]" for symbol, steps in update.ago}
    read = (*update.pre, *update.post)
    lines = [f"  {symbol} is {population}.{variable}{ago.get(symbol, '')}" for symbol, population, variable in read]
    lines += [f"  {print_statement(s)}" for s in update.body]
    lines += [f"  {variable} := {local}" for variable, local in update.carry]
    lines += [f"  {accumulator} += {local}" for accumulator, local in update.deliver]
    return [f"synapses {update.connection}  at {when}", *lines]


def _traces(update: TraceUpdate) -> list[str]:
    of = "delays" if update.of_delays else "synapses"
    what = f"{of} of {update.connection}" if update.connection else f"{update.group}.{update.array}"
    if update.each is not None:
        to = "" if update.each.readout is None else f" into readout {update.each.readout}"
        what += f" for each {'synapse' if update.each.along else 'output'}{to}"
    lines = [f"  {print_statement(s)}" for s in update.body]
    lines += [f"  {trace} := {local}" for trace, local in update.carry]
    lines += [f"  shared.{trace} += {local}" for trace, local in update.adds]
    lines += [f"  gradient += post.{s} * {trace}" for s, trace, _ in update.gradient]
    return [f"traces {what}", *lines, *(f"  gradient += post.{s} * {t} at the end" for s, t in update.penalised)]


def _readout(readout: Readout) -> list[str]:
    seen = (
        f"{readout.reduction}({readout.population}.{readout.variable})"
        if readout.reduction
        else f"{readout.population}.{readout.variable}"
    )
    when = "at the end" if readout.reduction else f"at every labelled step, {readout.over_steps} over steps"
    window = "" if (readout.first, readout.last) == (0, None) else f", steps {readout.first + 1}..{readout.last or 'T'}"
    body = (*readout.body, *readout.gradient)
    before = f", before := {readout.population}.{readout.before}" if readout.before is not None else ""
    return _block(f"readout {readout.group}  x := {seen}{before} {when}{window}", body)


def print_statement(statement: Statement) -> str:
    """One statement."""
    match statement:
        case Assign(name, value):
            return f"{name} := {print_expression(value)}"
        case Fire(name, _, strict, gate):
            left, right = statement.sides
            condition = f"{print_expression(left)} {'>' if strict else '>='} {print_expression(right)}"
            return f"{name} := {condition}" + (f" and {print_expression(gate)}" if gate else "")
        case Reduce(name, operation, value):
            return f"{name} := {operation} over outputs of {print_expression(value)}"
        case Draw(name, distribution, arguments, whose):
            of = f" for {print_expression(whose)}" if whose is not None else ""
            return f"{name} := drawn from {distribution}({', '.join(map(print_expression, arguments))}){of}"
        case Repeat(name, count, start, body, result):
            given = ", ".join(f"{symbol} = {print_expression(value)}" for symbol, value in start)
            moves = "; ".join(f"{symbol} = {print_expression(value)}" for symbol, value in body)
            return f"{name} := {result} after {print_expression(count)} times {moves}, from {given}"
    raise TypeError(f"not a statement: {statement!r}")


def _block(head: str, statements: Iterable[Statement]) -> list[str]:
    return [head, *(f"  {print_statement(s)}" for s in statements)]


def _group(group: Group) -> str:
    rows = " + ".join(f"{r.population}[{r.offset}:{r.offset + r.size}]" for r in group.rows)
    inputs = f"  inputs {' '.join(group.inputs)}" if group.inputs else ""
    arrays = f"  arrays {' '.join(group.arrays)}" if group.arrays else ""
    return f"group {group.name}[{group.size}] = {rows}  states {' '.join(group.states)}{inputs}{arrays}" + (
        "  spikes" if group.spiking else ""
    )


def _parameter(parameter: Parameter) -> str:
    shape = f"[{', '.join(map(str, parameter.shape))}]" if parameter.shape else ""
    value = print_expression(parameter.initial)
    if isinstance(parameter.initial, Number) and parameter.unit:
        value = f"{value} {parameter.unit}"
    learnt = ", learnt" if parameter.learnt else ""
    return f"parameter {parameter.key}{shape} = {value}  ({parameter.storage}{learnt})"


def _states(synapses: SynapseStates) -> str:
    initial = " ".join(f"{state} = {print_expression(value)}" for state, value in synapses.initial)
    read = " ".join([*(symbol for symbol, _ in synapses.arrays), *synapses.modulators])
    return f"synapses {synapses.connection}  states {initial or 'none'}{f'  read {read}' if read else ''}"


def _connection(connection: Connection) -> str:
    return (
        f"connection {connection.name}  {connection.source}[{connection.source_size}] -> "
        f"{connection.target_group}[{connection.target_offset}:{connection.target_offset + connection.target_size}].{connection.input}"
        f"  {connection.structure or connection.pattern}  {connection.weight}"
        f"  delay {connection.delays or connection.delay}{'  plastic' if connection.plastic else ''}"
        f"{f'  within windows of {connection.window} steps' if connection.window else ''}"
        f"{f'  rewired by {connection.rewiring}' if connection.rewiring else ''}"
        f"{f'  dropout {connection.dropout:g}' if connection.dropout else ''}{'' if connection.stored else '  not stored'}"
    )
