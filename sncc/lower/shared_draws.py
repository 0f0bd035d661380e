"""Model → Model: draws by which a trace jumps, of which a synapse's own line below reads what has come,
are drawn once for all who see them.

A trace jumps once for its neuron, behind its synapses. A line of theirs below the trace's sees it as that has left it,
so it needs the same numbers: a draw in `shared(K, draw, ago)` has the same name wherever it stands, and with it one
stream and one element, its neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from sncc.expressions.algebra import ONE, has_draws
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, apply, rewrite, symbols, walk
from sncc.model.nodes import Assignment, Model, Plasticity

SHARED = "shared"
_NAME = "draw.shared."
_BEFORE = ".before"  # behind the name of what was drawn a step earlier than what has that name


def share_draws(model: Model) -> Model:
    """The model whose rules share what traces draw ahead of lines that read them."""
    connections = (
        replace(c, plasticity=_sharing(c.plasticity)) if c.plasticity is not None else c for c in model.connections
    )
    return replace(model, connections=tuple(connections))


def side_of(key: Expression) -> str:
    """Whose trace jumps by a draw in `shared(K, draw, ago)`: numbers of the target's are negative."""
    assert isinstance(key, Number)
    return "pre" if key.value > 0 else "post"


def shared_name(node: Apply) -> str:
    """The name of the draw in `shared(K, draw, ago)`."""
    key = node.arguments[0]
    assert isinstance(key, Number)
    return f"{_NAME}{side_of(key)}.{abs(key.value):g}{_BEFORE * is_of_step_before(node)}"


def stream_name(draw: str) -> str:
    """The name by which a draw has its stream: that of a step before has the same as that of the step."""
    return draw.removesuffix(_BEFORE)


def is_of_step_before(node: Apply) -> bool:
    """Whether a `shared(K, draw, ago)` has what was drawn one step earlier."""
    return node.arguments[2] == ONE


def of_step_before(value: Expression) -> Expression:
    """An expression of what spikes of the source, a step earlier, have drawn."""

    def earlier(node: Expression) -> Expression:
        return apply(SHARED, *node.arguments[:2], 1.0) if is_drawn_by_source(node) else node  # type: ignore[union-attr]

    return rewrite(value, earlier)


def is_drawn_by_source(node: Expression) -> bool:
    """Whether a node is what a spike of the source has drawn, for all its synapses."""
    return isinstance(node, Apply) and node.operation == SHARED and side_of(node.arguments[0]) == "pre"


def with_draws_shared(jumps: tuple[Assignment, ...]) -> tuple[Assignment, ...]:
    """Jumps of a source's traces whose draws are named, so that they can be drawn again;
    they are where lines of synapses see them.
    """
    if any(is_drawn_by_source(n) for jump in jumps for n in walk(jump.value)):
        return jumps
    numbers = count(1)

    def mark(node: Expression) -> Expression:
        is_draw = isinstance(node, Apply) and node.operation in DRAWS
        return apply(SHARED, float(next(numbers)), node, 0.0) if is_draw else node

    return tuple(replace(jump, value=rewrite(jump.value, mark)) for jump in jumps)


def index_of(side: str) -> str:
    """The input that says which neuron of a side a synapse has."""
    return f"index.{side}"


def step_of(side: str) -> str:
    """The input that says in which step a synapse's neuron has sent what has come."""
    return f"sent.{side}"


def is_shared_draw(name: str) -> bool:
    """Whether a draw is one that a trace jumps by and synapses see."""
    return name.startswith(_NAME)


def read_behind_its_draw(plasticity: Plasticity) -> str | None:
    """A trace that jumps by a draw ahead of a synapse's own line that reads it."""
    return next((t for jumps in (plasticity.on_pre, plasticity.on_post) if (t := _read(jumps, plasticity))), None)


def _read(jumps: Sequence[Assignment], plasticity: Plasticity) -> str | None:
    shared = {s.name for s in (*plasticity.pre_states, *plasticity.post_states)}
    drawn = set[str]()
    for jump in jumps:
        if jump.state not in shared and (read := sorted(symbols(jump.value) & drawn)):
            return read[0]
        if jump.state in shared and (has_draws(jump.value) or symbols(jump.value) & drawn):
            drawn.add(jump.state)
    return None


def _sharing(plasticity: Plasticity) -> Plasticity:
    shared = {s.name for s in (*plasticity.pre_states, *plasticity.post_states)}
    numbers = count(1)

    def mark(node: Expression, sign: float) -> Expression:
        if not isinstance(node, Apply) or node.operation not in DRAWS:
            return node
        return apply(SHARED, sign * next(numbers), node, 0.0)

    def marked(jumps: tuple[Assignment, ...], sign: float) -> tuple[Assignment, ...]:
        if _read(jumps, plasticity) is None:
            return jumps
        return tuple(
            replace(j, value=rewrite(j.value, lambda node: mark(node, sign))) if j.state in shared else j for j in jumps
        )

    return replace(plasticity, on_pre=marked(plasticity.on_pre, 1.0), on_post=marked(plasticity.on_post, -1.0))
