"""The loss and the optimiser of a Program as lines of C++."""

from __future__ import annotations

from dataclasses import dataclass

from sncc.backends.cxx.calls import optimiser_call
from sncc.backends.cxx.dynamics import ReadoutStep
from sncc.backends.cxx.layout import Layout, padded
from sncc.backends.cxx.names import Namer
from sncc.backends.cxx.readouts import reduction_constants, weight_of_class
from sncc.program.operations import Readout
from sncc.program.statements import SPIKE


@dataclass(frozen=True, slots=True)
class EmittedReadout:
    """A readout's struct: its constants, its loss, and where the variable stands that it sees."""

    constants: tuple[str, ...]
    loss: tuple[str, ...]
    seen: str
    before: str  # where a second variable stands that its loss reads; the same where there is none
    weight: str  # the body of what gives a class's weight


def readouts(layout: Layout) -> list[EmittedReadout]:
    """The structs of all readouts."""
    result, offset = [], 0
    for readout, steps in zip(layout.program.readouts, layout.dynamics.readouts, strict=True):
        constants = (
            f"int outputs = {readout.size}",
            f"int error_offset = {offset}",
            *reduction_constants(readout),
        )
        offset += padded(readout.size)
        result.append(
            EmittedReadout(constants, tuple(_loss(readout, steps)), *_seen(layout, readout), weight_of_class(readout))
        )
    return result


def count_spikes(layout: Layout) -> list[str]:
    """The spikes of each neuron of the penalised populations."""
    return [
        f"add_counts(counts + {offset}, s.spikes[{layout.populations.index(p.population)}].lists());"
        for p, offset in zip(layout.program.penalties, layout.penalty_offsets, strict=True)
    ]


def _loss(readout: Readout, steps: tuple[ReadoutStep, ...]) -> list[str]:
    """The loss of a readout and its derivative by what is read."""
    names = Namer(["x", "before", "target", "gradient", "j"])
    place = {"x": "x[j]", "before": "before[j]", "target": "target[j]"}
    lines: list[str] = []
    every = "for (int j = 0; j < width; ++j)"
    for step in steps:
        call = f"dynamics::{step.function.name}({', '.join(place[a.name] for a in step.function.arguments)})"
        own = names.fresh(step.name)
        if step.kind == "map":
            lines += [f"Real {own}[width];", f"{every} {own}[j] = {call};"]
            place[step.name] = f"{own}[j]"
            continue
        terms = names.fresh(f"{step.name}.terms")
        lines += [f"Real {terms}[width];", f"{every} {terms}[j] = {call};"]
        lines.append(f"const Real {own} = {'sum' if step.kind == 'sum' else 'most'}_of<outputs>({terms});")
        place[step.name] = own
        if step.name == readout.loss:  # the derivative costs as much again: only where it is used
            lines.append(f"if (!gradient) return static_cast<double>({own});")
    lines.append(f"{every} gradient[j] = {place['x~']};")
    lines.append(f"return static_cast<double>({place[readout.loss]});")
    return lines


def _seen(layout: Layout, readout: Readout) -> tuple[str, str]:
    """Where the variables stand that a readout sees."""
    name = "spike.mask" if readout.variable == SPIKE else readout.variable
    places = (layout.state[readout.group, x].identifier for x in (name, readout.before or name))
    seen, before = (f"s.state.{place} + {readout.offset}" for place in places)
    return seen, before


def optimise(layout: Layout) -> list[str]:
    """A step of the optimiser on one element."""
    return optimiser_call(layout.dynamics, lambda k: f"states[{k}][k]")
