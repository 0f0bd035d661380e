"""What `sncc explain` says of e-prop forwards: the eligibility traces,
of what there is one of each, and what they read.
"""

from __future__ import annotations

from sncc.gradients.rule_lines import Line, Name, Section, lines_of
from sncc.program.learning import Each, TraceUpdate
from sncc.program.nodes import Program


def traces_section(program: Program, update: TraceUpdate) -> Section:
    """What a synapse, or a neuron's number, carries forwards."""
    if update.connection is not None:
        c = program.connection(update.connection)
        per = f"per synapse{_besides(update.each)}"
        of, pre = ("the delays of ", " when its delay grows, for each ms") if update.of_delays else ("", "")
        head = f"eligibility traces of {of}{c.name}, one of each {per} (n = 1..T; pre is what arrives of {c.source}{pre}, post the neuron of {c.target}{_more(program, update)})"
    else:
        head = f"eligibility traces of {update.array} in {', '.join(r.population for r in program.group(update.group).rows)}"
        head += f" ({more.removeprefix(', ')})" if (more := _more(program, update)) else ""
    lines: list[Line] = [line for s in update.body for line in lines_of(s)]
    lines += [(Name(trace, "n"), " = ", Name(local)) for trace, local in update.carry]
    lines += [(Name(trace, "n"), " += ", Name(local)) for trace, local in update.adds]
    for signal, trace, index in update.gradient:
        when = "" if program.readouts[index].reduction else " at every step"
        lines.append(("gradient += ", Name(signal, "", "post"), " · ", Name(trace, "n"), when))
    for signal, trace in update.penalised:
        lines.append(
            ("gradient += ", Name(signal, "", "post"), " · ", Name(trace, "T"), " (of the penalty, by a spike)")
        )
    return Section(head, tuple(lines))


def _besides(each: Each | None) -> str:
    """Of what else there is one of each trace: of the turns of a loop."""
    if each is None:
        return ""
    if each.inside is not None:
        return f"{_besides(each.inside)} and synapse of that output"
    if each.readout is None:
        return " and synapse onto its neuron"
    return " and synapse onto an output" if each.along else " and output"


def _beside(each: Each | None) -> str:
    """What `shared` stands for in a loop."""
    if each is not None and each.inside is not None:
        return "shared the traces of that output, below"
    where = "above, which serve all outputs" if each is None or each.readout is not None else "below"
    return f"shared the traces {where}"


def _more(program: Program, update: TraceUpdate) -> str:
    """What else traces read: states of synapses on the way to the loss, where windows begin."""
    names = sorted({name for s in update.body for name in s.reads})
    groups = dict.fromkeys(name.split(".")[1] for name in names if name.startswith("through."))
    said = [
        f"through.{g} its states in the synapses of {program.group(g).rows[0].population.partition('.')[0]}"
        for g in groups
    ]
    if program.group(update.group).rows[0].holds == "synapses":
        targets = dict.fromkeys(name.split(".")[1] for name in names if name.startswith("post."))
        said += [f"post.{g} the target in {program.group(g).rows[0].population}" for g in targets]
    said += ["output.R the output of readout R, each in turn"] * any(name.startswith("output.") for name in names)
    said += ["maxR/rises 1 where what readout R reads is larger than ever before, else 0"] * any(
        "/rises" in n for n in names
    )
    if any(name.startswith("shared.") for name in names):
        said.append(_beside(update.each))
    return "".join(f", {x}" for x in [*said, *["within 0 where a window begins, else 1"] * ("within" in names)])
