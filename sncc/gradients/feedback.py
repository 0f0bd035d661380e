"""Random and adaptive feedback: numbers of their own that carry learning signals back (Lillicrap et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from sncc.connectivity.patterns import Convolution, Dense, OneToOne, Part, Shared, fans_of
from sncc.expressions.nodes import apply
from sncc.gradients.rules import Adjoint, Edge
from sncc.gradients.synapse_feedback import with_numbers
from sncc.model.training_nodes import Rule
from sncc.program.groups import Connection, Parameter
from sncc.program.learning import Feedback, Follow
from sncc.program.nodes import Program


def with_feedback(
    program: Program, rule: Rule, chosen: Sequence[Adjoint]
) -> tuple[Program, tuple[Adjoint, ...], tuple[Follow, ...]]:
    """The Program with parameters for feedback, the adjoints that use them,
    and which of them follow which weight (adaptive).

    In place of the weights of a whole matrix there is one of their transposed shape, (outputs, neurons). In place of
    others there are as many numbers, in their shape and order (Python sees those of `dense` synapses transposed as
    well): a connection `CONN.feedback` over the same synapses has them, by which nothing but credit goes. Both have the
    weights' unit. A population without a connection to the outputs has a matrix without a unit. Drawn from normal(0, 1
    / sqrt(outputs that a neuron reaches)).
    """
    added: dict[str, Parameter] = {}
    back: list[Connection] = []
    follows: dict[str, Follow] = {}
    choices: list[Adjoint] = []
    for choice in chosen:
        edges: list[Edge] = []
        for edge in choice.edges:
            if edge.feedback is None:
                edges.append(edge)
                continue
            c = program.connection(edge.connection)
            weight = program.parameter(c.weight)
            transposed = program.is_matrix(c)
            added[edge.feedback] = (_turned if transposed else _over_synapses)(edge.feedback, c, weight)
            if rule.feedback == "adaptive" and weight.learnt:
                follows[edge.feedback] = (edge.feedback, c.weight, transposed and c.pattern == "dense")
            if not transposed:
                back.append(_back(c, edge.feedback))
                edge = Edge(back[-1].name, edge.label)
            edges.append(edge)
        choices.append(replace(choice, edges=tuple(edges)))
        if choice.instead is not None:
            program, followed = with_numbers(program, choice.group, choice.instead)
            if rule.feedback == "adaptive" and program.parameter(followed).learnt:
                follows[choice.instead] = (choice.instead, followed, False)
        for signal in choice.signals:
            outputs, size = program.group(signal.group).rows[0].size, program.group(choice.group).rows[0].size
            added[signal.feedback] = _drawn(signal.feedback, (outputs, size), outputs, 1.0)
    program = replace(
        program,
        parameters=(*program.parameters, *added.values()),
        connections=(*program.connections, *back),
    )
    return program, tuple(choices), tuple(follows.values())


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


def _back(c: Connection, weight: str) -> Connection:
    """A connection by which credit goes back over the same synapses, by other weights."""
    return replace(
        c, name=f"{c.name}.feedback", weight=weight, synapses_of=c.owner, backwards=True, rewiring=None, plastic=False
    )


def _turned(key: str, c: Connection, weight: Parameter) -> Parameter:
    """What stands for a whole matrix, or a line of one-to-one weights."""
    if c.pattern == "one_to_one":
        made = _drawn(key, (c.source_size,), 1, weight.scale)
    else:
        made = _drawn(key, (c.target_size, c.source_size), c.target_size, weight.scale)
    return replace(made, unit=weight.unit, si=weight.si, scale=weight.scale)


def _over_synapses(key: str, c: Connection, weight: Parameter) -> Parameter:
    """A number for each of a connection's weights, or for each synapse where those are one number."""
    source, target = (
        part or Part.whole((size,)) for part, size in ((c.source_part, c.source_size), (c.target_part, c.target_size))
    )
    pattern = c.wiring or (OneToOne() if c.pattern == "one_to_one" else Dense())
    reached = fans_of(pattern, source, target) or (1.0, float(target.size))  # those of pairs handed over are not known
    dimensions = shape = weight.dimensions
    if isinstance(pattern, Convolution):
        shape = (*pattern.kernel, dimensions[0] // math.prod(pattern.kernel), pattern.channels)
    made = _drawn(key, weight.shape or shape, reached[1], weight.scale)
    return replace(
        made,
        dimensions=dimensions,
        connection=weight.connection,
        unit=weight.unit,
        si=weight.si,
        scale=weight.scale,
        turned=pattern in (Dense(), Shared(Dense())),
    )


def _drawn(key: str, shape: tuple[int, ...], outputs: float, scale: float) -> Parameter:
    return Parameter(
        key=key,
        shape=shape,
        dimensions=shape,
        storage="each",
        initial=apply("normal", 0.0, scale / math.sqrt(outputs)),
        doc="feedback of the learning signal",
    )
