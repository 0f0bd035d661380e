"""`sncc explain`: the discretised network and the derived learning rule in words and equations, from what is compiled."""

from __future__ import annotations

from sncc.expressions.printer import print_expression
from sncc.model.integration import integration
from sncc.model.nodes import Model, Population
from sncc.program.nodes import (
    Assign,
    DeriveAdjoint,
    Fire,
    Gather,
    Program,
    Readout,
    ReadoutAdjoint,
    Statement,
    Transpose,
    Update,
)
from sncc.program.printer import print_statement

_METHODS = {
    "exact": "integrated exactly (the equations are linear)",
    "exponential_euler": "exponential Euler (each equation is linear in its own state)",
    "rk4": "Runge-Kutta of fourth order",
    "euler": "Euler",
    "heun": "Heun",
    "map": "a map, once a step",
}
_RULES = {
    "eprop": (
        "e-prop (Bellec et al. 2020). A spike's derivative is the surrogate. Credit crosses exactly one connection, into the\n"
        "population that the loss reads; a neuron's own state is followed in full. Computed in reverse: the product of the\n"
        "learning signal and the eligibility trace, summed over time, equals the sums over presynaptic spikes below."
    ),
    "bptt": (
        "Backpropagation through time with surrogate gradients. A spike's derivative is the surrogate; credit crosses every\n"
        "connection."
    ),
}


def explain(model: Model, program: Program) -> str:
    """Text for a Model and the Program derived from it (all passes done)."""
    parts = [f"{model.name}: step {model.step:g} ms"]
    parts += [_population(model, program, p) for p in model.populations if p.kind == "neuron"]
    if program.rule:
        parts += [_RULES[program.rule], _readout(program)]
        parts += [_adjoint(program, o) for o in program.reverse if isinstance(o, Update)]
        parts.append(_gradients(program))
    else:
        parts.append("There is no `train` block, so no learning rule is derived.")
    return "\n\n".join(parts) + "\n"


def _lines(head: str, lines: list[str]) -> str:
    return "\n".join([head, *(f"    {line}" for line in lines)])


def _population(model: Model, program: Program, population: Population) -> str:
    dynamics = population.dynamics
    assert dynamics is not None
    lines = [f"d{e.state}/dt = {print_expression(e.derivative)}" for e in dynamics.equations]
    lines += [f"{a.state} = {print_expression(a.value)}   (each step)" for a in dynamics.each_step]
    lines.append(f"-- {_METHODS[integration(dynamics)]}; one step is")
    group = next(g for g in program.groups if any(r.population == population.name for r in g.rows))
    shared = [r.population for r in group.rows if r.population != population.name]
    if shared:
        lines.append(f"-- shared with {', '.join(shared)}: numbers that differ are arrays ({', '.join(group.arrays)})")
    lines += [
        f"{a.name} = {print_expression(a.value)}" for d in program.derive if d.group == group.name for a in d.body
    ]
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == group.name)
    lines += [_statement(s) for s in update.body]
    lines += [f"{variable}[n] = {local}" for variable, local in update.carry]
    return _lines(f"population {population.name} ({population.model}, {population.size} neurons)", lines)


def _statement(statement: Statement) -> str:
    if isinstance(statement, Fire):
        return print_statement(statement).replace(":=", "= 1 where")
    return print_statement(statement).replace(":=", "=")


def _readout(program: Program) -> str:
    readout = next(o for o in program.forward if isinstance(o, Readout))
    seen = f"{readout.population}.{readout.variable}"
    x = f"{readout.reduction} over the steps of {seen}" if readout.reduction else f"{seen} at every step"
    return _lines(f"loss: x is {x}", [_statement(s) for s in (*readout.body, *readout.gradient)])


def _adjoint(program: Program, update: Update) -> str:
    group = program.group(update.group)
    names = ", ".join(r.population for r in group.rows)
    lines: list[str] = []
    for operation in program.reverse:
        match operation:
            case ReadoutAdjoint(into) if into in update.inputs:
                lines.append(f"{into} = d loss / d x, at this step")
            case Transpose(connection, slot, into) if into in update.inputs:
                c = program.connection(connection)
                if c.source_group == group.name:
                    later = f" + {c.delay}" if c.delay else ""
                    lines.append(
                        f"{into} += {c.weight} · ({c.target}.{slot}[n{later}])   (learning signal by {c.name})"
                    )
    lines += [f"{local} as kept at step n" for local, _ in update.loads]
    lines += [_statement(s) for s in update.body]
    lines += [f"{variable}[n] = {local}" for variable, local in update.carry]
    lines += [f"{slot}[n] = {local}   (kept)" for slot, local in update.stores]
    return _lines(f"adjoint of {names}, n = T..1 (x~ is d loss / d x)", lines)


def _gradients(program: Program) -> str:
    lines: list[str] = []
    for operation in program.gradient:
        match operation:
            case Gather(connection, slot):
                c = program.connection(connection)
                later = f" + {c.delay}" if c.delay else ""
                over = f"values of {c.source}" if c.signal else f"spikes of {c.source} neuron i"
                lines.append(
                    f"d loss / d {c.weight}[i, j] = sum over the {over}, at n, of {c.target}.{slot}[n{later}, j]"
                )
            case DeriveAdjoint(group, sums, body, results):
                names = ", ".join(r.population for r in program.group(group).rows)
                lines.append(f"parameters of {names}, from the sums over time of {', '.join(sums)}:")
                lines += [f"  {_statement(s)}" for s in body if isinstance(s, Assign)]
                lines += [f"  d loss / d {symbol} = {local}" for symbol, local in results]
    return _lines("gradients", lines)
