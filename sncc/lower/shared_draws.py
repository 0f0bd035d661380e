"""Model → Model: draws by which a trace jumps, of which a synapse's own line below reads what has come, are drawn once for all who see them.

A trace jumps once for its neuron, behind its synapses. A line of theirs below the trace's sees it as that has left it, so it needs the same numbers: a
draw in `shared(K, …)` has the same name wherever it stands, and with it one stream and one element, its neuron.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sncc.expressions.algebra import has_draws
from sncc.expressions.nodes import DRAWS, Apply, Expression, Number, apply, rewrite, symbols
from sncc.model.nodes import Assignment, Model, Plasticity

SHARED = "shared"
_NAME = "draw.shared."


def share_draws(model: Model) -> Model:
    """The model whose rules share what traces draw ahead of lines that read them."""
    connections = (
        replace(c, plasticity=_sharing(c.plasticity)) if c.plasticity is not None else c for c in model.connections
    )
    return replace(model, connections=tuple(connections))


def side_of(key: Expression) -> str:
    """Whose trace jumps by a draw in `shared(K, …)`: numbers of the target's are negative."""
    assert isinstance(key, Number)
    return "pre" if key.value > 0 else "post"


def shared_name(key: Expression) -> str:
    """The name of a draw in `shared(K, …)`."""
    assert isinstance(key, Number)
    return f"{_NAME}{side_of(key)}.{abs(key.value):g}"


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
    count = 0

    def mark(node: Expression, sign: float) -> Expression:
        nonlocal count
        if not isinstance(node, Apply) or node.operation not in DRAWS:
            return node
        count += 1
        return apply(SHARED, sign * count, node)

    def marked(jumps: tuple[Assignment, ...], sign: float) -> tuple[Assignment, ...]:
        if _read(jumps, plasticity) is None:
            return jumps
        return tuple(
            replace(j, value=rewrite(j.value, lambda node: mark(node, sign))) if j.state in shared else j for j in jumps
        )

    return replace(plasticity, on_pre=marked(plasticity.on_pre, 1.0), on_post=marked(plasticity.on_post, -1.0))
