"""A Program as text: what `sncc ir --stage program` shows."""

from __future__ import annotations

from sncc.expressions.nodes import Number
from sncc.expressions.printer import print_expression
from sncc.program.groups import Connection, Group, Parameter, SynapseStates
from sncc.program.nodes import Program
from sncc.program.operation_printer import print_operation
from sncc.program.statement_printer import print_block


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
        lines += print_block(f"derive {derive.group}", derive.body)
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
            lines += [f"  {line}" for o in operations for line in print_operation(o, program)]
    return "\n".join(lines) + "\n"


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
        f"  delay {connection.delays or connection.delay}{' cut' if connection.whole else ''}{'  plastic' if connection.plastic else ''}"
        f"{f'  within windows of {connection.window} steps' if connection.window else ''}"
        f"{f'  rewired by {connection.rewiring}' if connection.rewiring else ''}"
        f"{f'  dropout {connection.dropout:g}' if connection.dropout else ''}{'' if connection.stored else '  not stored'}"
    )
