"""Random and adaptive feedback: matrices of their own that carry learning signals back (Lillicrap et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.nodes import apply
from sncc.gradients.rules import Adjoint
from sncc.model.nodes import Rule
from sncc.program.groups import Connection, Parameter
from sncc.program.learning import Feedback
from sncc.program.nodes import Program


def with_feedback(
    program: Program, rule: Rule, chosen: Sequence[Adjoint]
) -> tuple[Program, tuple[tuple[str, str], ...]]:
    """The Program with a parameter for each feedback matrix, and which matrix follows which weight (adaptive).

    A matrix in place of a connection's weights has their transposed shape, (outputs, neurons), and their unit; one of a
    population without a connection to the outputs is without a unit. Drawn from normal(0, 1 / sqrt(outputs)).
    """
    added: list[Parameter] = []
    follows: list[tuple[str, str]] = []
    for choice in chosen:
        for edge in choice.edges:
            if edge.feedback is not None:
                connection = program.connection(edge.connection)
                weight = program.parameter(connection.weight)
                added.append(_of_connection(edge.feedback, connection, weight))
                if rule.feedback == "adaptive" and weight.learnt:
                    follows.append((edge.feedback, connection.weight))
        for signal in choice.signals:
            outputs, size = program.group(signal.group).rows[0].size, program.group(choice.group).rows[0].size
            added.append(_matrix(signal.feedback, (outputs, size), outputs, 1.0))
    return replace(program, parameters=(*program.parameters, *added)), tuple(follows)


def feedback_across(connection: Connection, weight: str, slot: str, into: str) -> Feedback:
    """A learning signal along a connection, backwards, by the matrix `weight`."""
    assert connection.source_group is not None
    return Feedback(
        weight=weight,
        source=(connection.target_group, connection.target_offset, connection.target_size),
        slot=slot,
        delay=connection.delay,
        target=(connection.source_group, connection.source_offset, connection.source_size),
        into=into,
        one_to_one=connection.pattern == "one_to_one",
        instead=connection.name,
    )


def filtering_input(program: Program, group: str) -> str:
    """The accumulator of a population that the loss reads through which a connection without a name would enter."""
    inputs = program.group(group).inputs
    return next((name for name in inputs if name.endswith("!")), inputs[0])


def _of_connection(key: str, connection: Connection, weight: Parameter) -> Parameter:
    if connection.pattern == "one_to_one":
        made = _matrix(key, (connection.source_size,), 1, weight.scale)
    else:
        made = _matrix(key, (connection.target_size, connection.source_size), connection.target_size, weight.scale)
    return replace(made, unit=weight.unit, si=weight.si, scale=weight.scale)


def _matrix(key: str, shape: tuple[int, ...], outputs: int, scale: float) -> Parameter:
    return Parameter(
        key=key,
        shape=shape,
        dimensions=shape,
        storage="each",
        initial=apply("normal", 0.0, scale / math.sqrt(outputs)),
        doc="feedback of the learning signal",
    )
