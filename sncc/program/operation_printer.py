"""Operations of a Program as text: a function for each kind."""

from __future__ import annotations

from functools import singledispatch

from sncc.expressions.printer import print_expression
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
from sncc.program.statement_printer import print_block, print_statement


@singledispatch
def print_operation(operation: object, program: Program) -> list[str]:
    """Lines of one operation."""
    raise TypeError(f"not an operation: {operation!r}")


# ------------------------------------------------------------------------------------------------ forward phase
@print_operation.register
def _deliver(deliver: Deliver, program: Program) -> list[str]:
    c = program.connection(deliver.connection)
    ago = " - delay of each" if c.delays else f" - {c.delay}" if c.delay else ""
    spikes = f"{c.source}{f'.{c.values}' if c.values else ''}[n{ago}]"
    what = "product with" if c.signal else "rows at spikes of"
    gain = f" · {'.'.join(c.gain)}" if c.gain else ""
    return [f"deliver {c.name}  {c.weight} {what} {spikes}{gain} -> {c.target_group}.{c.input}"]


@print_operation.register
def _update(update: Update, program: Program) -> list[str]:
    lines = [f"  load {local} := {slot}[n]" for local, slot in update.loads]
    lines += [f"  {print_statement(s)}" for s in update.body]
    if update.spikes:
        lines.append(f"  spikes where {update.spikes}")
    lines += [f"  {variable} := {local}" for variable, local in update.carry]
    lines += [f"  {slot}[n] := {local}" for slot, local in update.stores]
    lines += [f"  sum {variable} += {local}" for variable, local in update.sums]
    inputs = f"  from {', '.join(update.inputs)}" if update.inputs else ""
    return [f"update {update.group}{inputs}", *lines]


@print_operation.register
def _synapse_update(update: SynapseUpdate, program: Program) -> list[str]:
    later = f" - {update.post_delay}" if update.post_delay else ""
    when = {"step": "every step", "pre": "arriving spikes", "post": f"spikes of the target[n{later}]"}[update.when]
    ago = {symbol: f"[n - {steps}]" for symbol, steps in update.ago}
    read = (*update.pre, *update.post)
    lines = [f"  {symbol} is {population}.{variable}{ago.get(symbol, '')}" for symbol, population, variable in read]
    lines += [f"  {print_statement(s)}" for s in update.body]
    lines += [f"  {variable} := {local}" for variable, local in update.carry]
    lines += [f"  {accumulator} += {local}" for accumulator, local in update.deliver]
    return [f"synapses {update.connection}  at {when}", *lines]


@print_operation.register
def _readout(readout: Readout, program: Program) -> list[str]:
    read = f"{readout.population}.{readout.variable}"
    seen = f"{readout.reduction}({read})" if readout.reduction else read
    when = "at the end" if readout.reduction else f"at every labelled step, {readout.over_steps} over steps"
    window = "" if (readout.first, readout.last) == (0, None) else f", steps {readout.first + 1}..{readout.last or 'T'}"
    if readout.class_weights:
        window += f", target times [{', '.join(f'{w:g}' for w in readout.class_weights)}]"
    body = (*readout.body, *readout.gradient)
    before = f", before := {readout.population}.{readout.before}" if readout.before is not None else ""
    return print_block(f"readout {readout.group}  x := {seen}{before} {when}{window}", body)


# ------------------------------------------------------------------------------------------------ traces
@print_operation.register
def _learning_signal(signal: LearningSignal, program: Program) -> list[str]:
    by = f"{signal.weight} · " if signal.weight else ""
    return [f"signal {signal.target[0]}.{signal.variable} := {by}d loss / d x of readout {signal.readout}"]


@print_operation.register
def _penalty_signal(signal: PenaltySignal, program: Program) -> list[str]:
    return [f"signal {signal.target[0]}.{signal.variable} := d penalty {signal.penalty} / d spike, at the end"]


@print_operation.register
def _signal_back(signal: SignalBack, program: Program) -> list[str]:
    at = f"{signal.told}.{signal.variable}"
    if signal.connection:
        target = program.connection(signal.connection).target_group
        at = f"{target}.{signal.variable} at the target of {signal.connection}"
    return [f"signal {signal.group}.{signal.variable} := {at}"]


@print_operation.register
def _picked(picked: Picked, program: Program) -> list[str]:
    where = f"at the target of {picked.over}" if picked.over is not None else f"of each neuron's {picked.what}"
    found = picked.of[0] if picked.what == "delay" else ".".join(picked.of)
    return [f"{picked.group}.{picked.variable} := {found} {where}"]


@print_operation.register
def _traces(update: TraceUpdate, program: Program) -> list[str]:
    of = "delays" if update.of_delays else "synapses"
    what = f"{of} of {update.connection}" if update.connection else f"{update.group}.{update.array}"
    if update.each is not None:
        to = "" if update.each.readout is None else f" into readout {update.each.readout}"
        what += f" for each {'synapse' if update.each.along else 'output'}{to}"
    if update.each is not None and update.each.inside is not None:
        what += f" of the neuron reached by each {'synapse' if update.each.inside.along else 'output'} of readout {update.each.inside.readout}"
    lines = [f"  {print_statement(s)}" for s in update.body]
    lines += [f"  {trace} := {local}" for trace, local in update.carry]
    lines += [f"  shared.{trace} += {local}" for trace, local in update.adds]
    lines += [f"  gradient += post.{s} * {trace}" for s, trace, _ in update.gradient]
    return [f"traces {what}", *lines, *(f"  gradient += post.{s} * {t} at the end" for s, t in update.penalised)]


# ------------------------------------------------------------------------------------------------ reverse phase
@print_operation.register
def _readout_adjoint(adjoint: ReadoutAdjoint, program: Program) -> list[str]:
    which = f"readout {adjoint.readout}" if adjoint.readout else "the readout"
    return [f"adjoint of {which}{', a step after the largest' if adjoint.after else ''} -> {adjoint.into}"]


@print_operation.register
def _penalty_adjoint(adjoint: PenaltyAdjoint, program: Program) -> list[str]:
    p = program.penalties[adjoint.penalty]
    return [f"adjoint of the penalty on the rates of {p.population} (target {p.target:g} kHz) -> {adjoint.into}"]


@print_operation.register
def _feedback(feedback: Feedback, program: Program) -> list[str]:
    later = f" + {feedback.delay}" if feedback.delay else ""
    sent = f"{feedback.source[0]}.{feedback.slot}[n{later}]"
    return [f"feedback {feedback.weight} · {sent} -> {feedback.target[0]}.{feedback.into}"]


@print_operation.register
def _transpose(transpose: Transpose, program: Program) -> list[str]:
    c = program.connection(transpose.connection)
    of = f"{c.target_group}.{transpose.slot}[n{f' + {c.delay}' if c.delay else ''}]"
    where = f" where {c.source} fired" if transpose.at_spikes else ""
    return [f"transpose {c.name}  {c.weight} · {of} -> {transpose.into}{where}"]


# ------------------------------------------------------------------------------------------------ gradient, optimiser
@print_operation.register
def _gather(gather: Gather, program: Program) -> list[str]:
    c = program.connection(gather.connection)
    adjoint = f"{c.target_group}.{gather.slot}[n{f' + {c.delay}' if c.delay else ''}]"
    summed = f"sum of {adjoint} over n in spikes of {c.source}(i)"
    if c.signal:
        value = f"{c.source}{f'.{c.values}' if c.values else ''}(i)[n]"
        summed = f"sum of {value} · {adjoint} over n"
    return [f"gather {c.name}  d {c.weight}[i, :] += {summed}"]


@print_operation.register
def _gather_delay(gather: GatherDelay, program: Program) -> list[str]:
    c = program.connection(gather.connection)
    adjoint = f"{c.target_group}.{gather.slot}"
    if c.rounded:
        return [f"gather {c.name}  d {c.delays}[i, :] += {c.weight} · {adjoint} at arrival"]
    return [f"gather {c.name}  d {c.delays}[i, :] += {c.weight} / step · change of {adjoint} a step after arrival"]


@print_operation.register
def _derive_adjoint(adjoint: DeriveAdjoint, program: Program) -> list[str]:
    names = (*adjoint.sums, *(name for name, _, _ in adjoint.told))
    head = f"adjoint of derive {adjoint.group}  from {', '.join(names)}"
    for name, connection, (of, variable) in adjoint.told:
        head += f"\n  {name} = sum of {of}.{variable} over synapses of {connection}"
    for one in adjoint.first:
        head += f"\n  {one.name} = sum over samples of ({' + '.join(one.adjoints)}) * ({print_expression(one.factor)})"
    return print_block(head, adjoint.body) + [f"  d {symbol} += {local}" for symbol, local in adjoint.results]


@print_operation.register
def _optimise(optimise: Optimise, program: Program) -> list[str]:
    head = f"step {optimise.name}  learning rate {optimise.learning_rate:g}  states {' '.join(optimise.states)}"
    block = print_block(head, (*optimise.scalars, *optimise.body))
    return block + [f"  {v} := {local}" for v, local in optimise.carry]
