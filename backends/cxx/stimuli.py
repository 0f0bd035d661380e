"""Which stimuli an update takes up, and at which neurons."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.backends.cxx.functions import Function
from sncc.backends.cxx.layout import Layout
from sncc.program.nodes import Row, Stimulus, Update


def stimuli_of(layout: Layout, update: Update) -> Iterator[tuple[Row, Stimulus, Function]]:
    """Stimuli of a group's accumulators that an update reads, with the row that they are for and their value."""
    simulation = layout.program.simulation
    for k, stimulus in enumerate(simulation.stimuli if simulation else ()):
        if stimulus.group == update.group and stimulus.input in update.inputs:  # a flow and a rest share a group
            rows = layout.program.group(stimulus.group).rows
            row = next(r for r in rows if r.population == stimulus.population)
            yield row, stimulus, layout.dynamics.stimuli[k]


def places_of(stimulus: Stimulus, row: Row) -> list[int] | range:
    """The neurons of a population that a stimulus is for, ascending."""
    return [stimulus.part.flat(i) for i in range(stimulus.part.size)] if stimulus.part else range(row.size)


def runs(indices: list[int] | range) -> list[tuple[int, int]]:
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
