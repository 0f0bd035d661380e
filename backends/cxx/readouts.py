"""What the structs of both halves say alike of a readout."""

from __future__ import annotations

from sncc.backends.cxx.expressions import literal
from sncc.program.nodes import Program
from sncc.program.operations import Readout

_REDUCTIONS = {
    None: "none", "mean": "mean", "sum": "sum", "max": "maximum", "last": "last", "first_spike": "first_spike",
}  # fmt: skip


def takes_step_labels(program: Program) -> bool:
    """Whether a sample may have a label for each step: no loss that reads labels is taken once a sample."""
    return all(r.reduction is None for r in program.readouts if r.labels != "none")


def weight_of_class(readout: Readout) -> str:
    """The body of the function that gives the weight of the class `label`."""
    if not readout.class_weights:
        return "return 1;"
    numbers = ", ".join(literal(w, "double") for w in readout.class_weights)
    return f"constexpr double weights[] = {{{numbers}}}; return static_cast<Real>(weights[label]);"


def reads_labels(program: Program) -> bool:
    """Whether a loss compares with labels; one such as `mean(hidden.v^2)` reads none."""
    return any("target" in statement.reads for readout in program.readouts for statement in readout.body)


def reduction_constants(readout: Readout) -> tuple[str, ...]:
    """How a readout comes from its steps, which these are, and what its loss counts."""
    return (
        f"Reduction reduction = Reduction::{_REDUCTIONS[readout.reduction]}",
        f"bool mean_over_steps = {str(readout.over_steps == 'mean').lower()}",
        f"bool reads_labels = {str(readout.labels != 'none').lower()}",
        f"std::int64_t first = {readout.first}",
        f"std::int64_t last = {-1 if readout.last is None else readout.last}",
        f"double factor = {literal(readout.factor, 'double')}",
        f"double scale = {literal(readout.scale, 'double')}",
    )
