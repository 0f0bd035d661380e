"""`sncc explain`: the discretised network and the derived learning rule in words and equations, from what is compiled.

`derivation` gathers it as data; `explain` prints it as text, `latex.py` as LaTeX.
"""

from __future__ import annotations

from sncc.expressions.algebra import mul, total
from sncc.expressions.nodes import Symbol
from sncc.expressions.printer import print_expression
from sncc.gradients.explain_traces import traces_section
from sncc.gradients.rule_lines import Line, Name, Piece, Rate, Section, Slope, lines_of
from sncc.model.integration import integration
from sncc.model.nodes import Model, Population
from sncc.program.groups import Connection
from sncc.program.learning import (
    DeriveAdjoint,
    Feedback,
    Gather,
    GatherDelay,
    Penalty,
    PenaltyAdjoint,
    ReadoutAdjoint,
    TraceUpdate,
    Transpose,
)
from sncc.program.nodes import Program
from sncc.program.operations import Readout, Update
from sncc.program.statements import Assign

_METHODS = {
    "exact": "integrated exactly (the equations are linear)",
    "exponential_euler": "exponential Euler (each equation is linear in its own state)",
    "rk4": "Runge-Kutta of fourth order",
    "euler": "Euler",
    "heun": "Heun",
    "map": "a map, once a step",
}
_ONLINE = (
    "e-prop forwards (Bellec et al. 2020): eligibility traces stay, one of each per synapse, and memory does not grow with T.\n"
    "The trace of a spike, filtered as the readout filters spikes, times the learning signal is the gradient; where the loss is\n"
    "one of every step the weights change after every step."
)
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
    "eventprop": (
        "EventProp (Wunderlich and Pehle 2021): exact, by the times of spikes. Backwards, the adjoint jumps where a neuron fired:\n"
        "spike.shift~ is the derivative of the loss by the spike's time, from what the time moves (spike.drift: the state behind\n"
        "the spike) and from the arrivals that it causes; over -du/dt (spike.rate is its inverse) it is that by the distance to\n"
        "the threshold. I.time~ is the derivative by the time of an arrival of weight 1. Of states of synapses, arrival.rise and\n"
        "arrival.fall are the slopes before and behind the jumps of an arrival, arrival.gap and arrival.later what is delivered\n"
        "less behind it, from that step on or from the next; read.I.K is the mean slope of what reads I, along its jump."
    ),
}


def explain(model: Model, program: Program) -> str:
    """Text for a Model and the Program derived from it (all passes done)."""
    parts = []
    for section in derivation(model, program):
        parts.append("\n".join([section.head, *(f"    {''.join(map(_text, line))}" for line in section.lines)]))
    return "\n\n".join(parts) + "\n"


def _text(piece: Piece) -> str:
    match piece:
        case str():
            return piece
        case Name(name, index, owner):
            return (f"{owner}." if owner else "") + (f"{name}[{index}]" if index else name)
        case Rate(state):
            return f"d{state}/dt"
        case Slope(of, index):
            return f"d loss / d {of}" + (f"[{index}]" if index else "")
        case _:
            return print_expression(piece)


def derivation(model: Model, program: Program) -> tuple[Section, ...]:
    """The dynamics of every population, then the rule, the loss, the adjoints and the gradients."""
    parts = [Section(f"{model.name}: step {model.step:g} ms")]
    parts += [_population(program, p) for p in model.populations if p.kind == "neuron"]
    if program.rule:
        parts += [Section(_ONLINE if program.traces else _RULES[program.rule])]
        parts += [_readout(r) for r in program.readouts]
        parts += [_penalty(p) for p in program.penalties]
        if program.truncate:
            parts.append(
                Section(f"Credit is cut every {program.truncate} steps: what a step owes later windows is left out.")
            )
        parts += [_adjoint(program, o) for o in program.reverse if isinstance(o, Update)]
        parts += [traces_section(program, o) for o in program.traces if isinstance(o, TraceUpdate)]
        parts.append(_gradients(program))
        parts += [_rewiring(program, c) for c in program.connections if c.rewiring is not None]
    else:
        parts.append(Section("There is no `train` block, so no learning rule is derived."))
    return tuple(parts)


def _population(program: Program, population: Population) -> Section:
    dynamics = population.dynamics
    assert dynamics is not None
    lines: list[Line] = [(Rate(e.state), " = ", e.derivative) for e in dynamics.equations]
    lines += [(Name(a.state), " = ", a.value, "   (each step)") for a in dynamics.each_step]
    for name in dict.fromkeys(i.input for i in dynamics.integrated):
        lines.append((f"-- {name} is a sum over synapses that move by themselves, of the whole step",))
    lines.append((f"-- {_METHODS[integration(dynamics)]}; one step is",))
    group = next(g for g in program.groups if any(r.population == population.name for r in g.rows))
    shared = [r.population for r in group.rows if r.population != population.name]
    if shared:
        arrays = ", ".join(group.arrays)
        lines.append((f"-- shared with {', '.join(shared)}: numbers that differ are arrays ({arrays})",))
    lines += [
        (
            f"-- {c.name} leaves each neuron of {c.source} out of a sample with probability {c.dropout:g} (run.learns is 1 in training, else 0)",
        )
        for c in program.connections
        if c.dropout and c.target == population.name
    ]
    lines += [(Name(a.name), " = ", a.value) for d in program.derive if d.group == group.name for a in d.body]
    update = next(o for o in program.forward if isinstance(o, Update) and o.group == group.name)
    lines += [line for s in update.body for line in lines_of(s)]
    lines += [(Name(variable, "n"), " = ", Name(local)) for variable, local in update.carry]
    return Section(f"population {population.name} ({population.model}, {population.size} neurons)", tuple(lines))


def _readout(readout: Readout) -> Section:
    seen = f"{readout.population}.{readout.variable}"
    x = f"{readout.reduction} over the steps of {seen}" if readout.reduction else f"{seen} at every step"
    window = f", steps {readout.first + 1}..{readout.last or 'T'}" if (readout.first, readout.last) != (0, None) else ""
    factor = f", times {readout.factor:g}" if readout.factor != 1.0 else ""
    weights = ", ".join(f"{w:g}" for w in readout.class_weights)
    classes = f", target is the label's of [{weights}] at its class" if weights else ""
    head = f"loss: x is {x}"
    if readout.before is not None:
        head = f"mean derivative of the loss along the jumps of a step: x is {x}, before what it was ahead of them"
    return Section(
        f"{head}{window}{factor}{classes}",
        tuple(line for s in (*readout.body, *readout.gradient) for line in lines_of(s)),
    )


def _penalty(penalty: Penalty) -> Section:
    inside = "the mean over the samples of r" if penalty.over == "batch" else "r"
    head = f"penalty: {penalty.strength:g} times the mean over {penalty.population} of (({inside} - {penalty.target * 1e3:g} Hz) / Hz)^2"
    return Section(f"{head}, r = spikes / (T step)")


def _rewiring(program: Program, c: Connection) -> Section:
    """What becomes of a connection's weights after each step of the optimiser."""
    assert c.rewiring is not None
    head = f"rewiring of {c.name}, after each step of the optimiser (eta its learning rate, in its numbers)"
    lines: list[Line] = []
    if c.rewiring.l1:
        lines.append((f"{c.weight} -= eta * {c.rewiring.l1:g} * sign of the weight before",))
    if c.rewiring.temperature:
        lines.append((f"{c.weight} += sqrt(2 * eta * {c.rewiring.temperature:g}) * normal(0, 1)",))
    lines.append(("where its sign would change: the synapse moves to a pair that has none, with the weight 0",))
    if with_it := [p.key for p in program.numbers_of_synapses(c)]:
        lines.append((f"with it go its {', '.join(with_it)}",))
    return Section(head, tuple(lines))


def _adjoint(program: Program, update: Update) -> Section:
    group = program.group(update.group)
    names = ", ".join(r.population for r in group.rows)
    lines: list[Line] = []
    for operation in program.reverse:
        match operation:
            case ReadoutAdjoint(into, index, after) if into in update.inputs:
                readout = program.readouts[index]
                if readout.group == group.name:
                    which = f" of {readout.population}.{readout.variable}" if len(program.readouts) > 1 else ""
                    along = ", its mean along the jumps" if readout.before is not None else ""
                    when = "at the step after the largest" if after else "at this step"
                    lines.append((Name(into), " = ", Slope("x"), f"{which}{along}, {when}"))
            case PenaltyAdjoint(index, into) if into in update.inputs:
                penalty = program.penalties[index]
                if penalty.group == group.name:
                    lines.append(
                        (Name(into), f" += d penalty / d spike of {penalty.population} (one number for all steps)")
                    )
            case Feedback(weight, source, slot, delay, target, into) if (
                into in update.inputs and target[0] == group.name
            ):
                read = next(r.population for r in program.group(source[0]).rows if r.offset == source[1])
                error = Name(slot, f"n + {delay}" if delay else "n", read)
                lines.append(
                    (
                        Name(into),
                        " += ",
                        Name(weight),
                        " · ",
                        "(",
                        error,
                        ")",
                        "   (learning signal by a matrix of its own)",
                    )
                )
            case Transpose(connection, slot, into) if into in update.inputs:
                c = program.connection(connection)
                if c.source_group == group.name:
                    error = Name(slot, _later(c), c.target)
                    by = f"numbers of its own along {c.owner}" if c.backwards else c.name
                    lines.append(
                        (
                            Name(into),
                            " += ",
                            Name(c.weight),
                            " · ",
                            "(",
                            error,
                            ")",
                            f"   (learning signal by {by})",
                        )
                    )
    lines += [(Name(local), " as kept at step n") for local, _ in update.loads]
    lines += [line for s in update.body for line in lines_of(s)]
    lines += [(Name(variable, "n"), " = ", Name(local)) for variable, local in update.carry]
    lines += [(Name(slot, "n"), " = ", Name(local), "   (kept)") for slot, local in update.stores]
    return Section(f"adjoint of {names}, n = T..1 (x~ is d loss / d x)", tuple(lines))


def _later(c: Connection) -> str:
    """The step at which arrives what leaves at step n; d is each synapse's own delay."""
    return "n + d" if c.delays is not None else f"n + {c.delay}" if c.delay else "n"


def _over(c: Connection) -> str:
    """What the sum of a gradient is over."""
    if c.values is not None:
        return "steps"
    return f"values of {c.source}" if c.signal else f"spikes of {c.source} neuron i"


def _gradients(program: Program) -> Section:
    lines: list[Line] = []
    for operation in program.gradient:
        match operation:
            case Gather(connection, slot):
                c = program.connection(connection)
                over = _over(c)
                at = f"{_later(c)}, j"
                summed = Name(slot, at, c.target)
                if c.interpolated:
                    lines.append(
                        (
                            Slope(c.weight, "i, j"),
                            " = ",
                            f"sum over the {over} of (1 - f) ",
                            Name(slot, "n + k, j", c.target),
                            " + f ",
                            Name(slot, "n + k + 1, j", c.target),
                            "   (delay k + f steps)",
                        )
                    )
                    continue
                factor: tuple[Piece, ...] = (Name(c.values, "n, i", c.source), " · ") if c.values is not None else ()
                lines.append((Slope(c.weight, "i, j"), " = ", f"sum over the {over}, at n, of ", *factor, summed))
            case GatherDelay(connection, slot):
                c = program.connection(connection)
                if c.rounded:
                    over = f" = sum over the {_over(c)}, at n, of "
                    arrival = Name(slot, "n + k, j", c.target)
                    value = (Name(c.values, "n, i", c.source), " · ") if c.values is not None else ()
                    lines.append((Slope(c.delays or "", "i, j"), over, Name(c.weight), " · ", *value, arrival))
                    continue
                change = (Name(slot, "n + k + 1, j", c.target), " - ", Name(slot, "n + k, j", c.target))
                lines.append(
                    (
                        Slope(c.delays or "", "i, j"),
                        f" = sum over the {_over(c)} of ",
                        Name(c.weight),
                        " / step · (",
                        *change,
                        ")",
                    )
                )
            case DeriveAdjoint(group, sums, body, results, told):
                names = ", ".join(r.population for r in program.group(group).rows)
                read = ", ".join((*sums, *(variable for _, _, (_, variable) in told)))
                lines.append((f"parameters of {names}, from the sums over time of {read}:",))
                for one in operation.first:
                    by = mul(total(map(Symbol, one.adjoints)), one.factor)
                    lines.append(("  ", Name(one.name), " = ", by, ", each sample's own"))
                for name, along, (_, variable) in told:
                    lines.append(("  ", Name(name), f" = sum over the synapses i of {along} of ", Name(variable)))
                lines += [("  ", *line) for s in body if isinstance(s, Assign) for line in lines_of(s)]
                lines += [("  ", Slope(symbol), " = ", Name(local)) for symbol, local in results]
    return Section("gradients", tuple(lines))
