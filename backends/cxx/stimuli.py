"""What `stimulate` adds: which stimuli an update or a modulator takes up, when, and at which neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sncc.backends.cxx.functions import Function
from sncc.backends.cxx.layout import Layout
from sncc.program.groups import Row
from sncc.program.nodes import Stimulus
from sncc.program.operations import Update


def stimulated(
    layout: Layout, update: Update, step: str, time: str, add: Callable[[str, Row, int, int], str],
    only: str = "", of: Row | None = None,
) -> list[str]:  # fmt: skip
    """Lines that add stimuli to the accumulators that an update reads (of one row's neurons alone), before the update.

    `step` and `time` are expressions; `add(field, row, first, last)` adds `value` to the row's neurons first .. last,
    the last excluded; `only` is what must hold besides.
    """
    lines: list[str] = []
    for row, stimulus, function in _stimuli(layout, update):
        if of is not None and of is not row:
            continue
        field = layout.state[update.group, stimulus.input].identifier
        lines += [
            f"if ({only}{during(stimulus, step)}) {{  // {stimulus.population}",
            f"    const Real value = {value_of(function, time)};",
            *(f"    {add(field, row, first, last)}" for first, last in _runs(_places(stimulus, row))),
            "}",
        ]
    return lines


def during(stimulus: Stimulus, step: str) -> str:
    """The condition that a step is one of a stimulus."""
    return f"{step} > {stimulus.first}" + (f" && {step} <= {stimulus.last}" if stimulus.last is not None else "")


def value_of(function: Function, time: str) -> str:
    """The call that gives a stimulus's value."""
    return f"dynamics::{function.name}({time if function.arguments else ''})"


def _stimuli(layout: Layout, update: Update) -> Iterator[tuple[Row, Stimulus, Function]]:
    """Stimuli of a group's accumulators that an update reads, with the row that they are for and their value."""
    simulation = layout.program.simulation
    for k, stimulus in enumerate(simulation.stimuli if simulation else ()):
        if stimulus.group == update.group and stimulus.input in update.inputs:  # a flow and a rest share a group
            rows = layout.program.group(stimulus.group).rows
            row = next(r for r in rows if r.population == stimulus.population)
            yield row, stimulus, layout.dynamics.stimuli[k]


def _places(stimulus: Stimulus, row: Row) -> list[int] | range:
    """The neurons of a population that a stimulus is for, ascending."""
    return [stimulus.part.flat(i) for i in range(stimulus.part.size)] if stimulus.part else range(row.size)


def _runs(indices: list[int] | range) -> list[tuple[int, int]]:
    """Ascending indices as ranges without gaps, the last excluded."""
    if isinstance(indices, range):
        return [(indices.start, indices.stop)]
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs
