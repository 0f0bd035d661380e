"""Populations of traces: states that a population's spikes move one to one, beside the population itself."""

from __future__ import annotations

from sncc.connectivity.patterns import OneToOne, Part
from sncc.diagnostics import DiagnosticError, Diagnostics, Span
from sncc.expressions.algebra import ONE
from sncc.expressions.units import PLAIN
from sncc.model.nodes import Connection, Parameter, Population

# of an input in a step, where each moves states of which something is learnt: that many are followed one by one
MOST_SPIKES = 4


def drive(name: str, source: Population, target: str, where: str, delay: int, values: str | None = None) -> Connection:
    """The connection by which a population's spikes, or the values of a state of its, reach its traces one to one."""
    whole = Part.whole(source.shape)
    weight = Parameter("weight", ONE, PLAIN)
    return Connection(name, source.name, target, where, OneToOne(), weight, delay, whole, whole, values=values)


def unsupported(span: Span | None, what: str, help: str) -> DiagnosticError:
    """The error for what the language can say and no stage carries out yet."""
    diagnostics = Diagnostics()
    diagnostics.error("not-supported-yet", span, f"{what} is not supported yet", help=help)
    return DiagnosticError(diagnostics.sorted())
