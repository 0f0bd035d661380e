"""Passes: Program → Program, one optimisation per file, applied in this order."""

from __future__ import annotations

from collections.abc import Callable

from sncc.passes.constant_folding import constant_folding
from sncc.passes.merge_populations import merge_populations
from sncc.passes.remove_dead_states import remove_dead_states
from sncc.passes.remove_dead_values import remove_dead_values
from sncc.passes.share_expressions import share_expressions
from sncc.passes.share_tape import share_tape
from sncc.passes.strength_reduction import strength_reduction
from sncc.program.nodes import Program

Pass = Callable[[Program], Program]

PIPELINE: tuple[Pass, ...] = (
    merge_populations,  # first, while parameters are still symbols: populations that differ in numbers look equal
    remove_dead_states,  # before their statements, and after merging, which compares whole states
    remove_dead_values,  # before folding, which drops the numbers per neuron that nothing reads any more
    constant_folding,  # then numbers that all rows of a group agree on can be put in
    strength_reduction,  # after folding, which makes the numbers
    share_expressions,  # equal numbers are needed to see equal expressions
    share_tape,  # last: folding may have removed the last use of a slot
)
