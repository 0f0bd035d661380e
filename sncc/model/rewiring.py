"""`rewire = deep_r(l1 = 1e-4, temperature = 1e-6)`: synapses of a sparse connection that training moves."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.connectivity.patterns import Pattern, Random, Rewiring, Sparse
from sncc.diagnostics import Diagnostics
from sncc.model import nodes, training_nodes
from sncc.model.calls import Numbers, numbers_of_call
from sncc.model.scope import Scope
from sncc.syntax import tree

REWIRINGS: dict[str, Numbers] = {"deep_r": (("l1", 0.0), ("temperature", 0.0))}


def resolve_rewiring(
    option: tree.Option | None, pattern: Pattern, weight: nodes.Parameter, scope: Scope, diagnostics: Diagnostics
) -> Rewiring | None:  # fmt: skip
    """The rewiring of a connection, None where there is none or after a mistake (which is reported)."""
    if option is None:
        return None
    found = numbers_of_call(option.value, REWIRINGS, "rewiring", scope, diagnostics)
    if found is None:
        return None
    span = option.value.span
    if not isinstance(pattern, Random | Sparse):
        message = f"synapses can only be moved where some are missing: not of `{pattern}`"
        diagnostics.error("wrong-argument", span, message, help="use `random(p = …)`, or `sparse`")
    elif weight.storage != "each":
        message = "synapses are moved by their weights, and here all have one"
        diagnostics.error("wrong-argument", span, message, help="draw the weights, or give them as `each(…)`")
    return Rewiring(**found[1])


def check_learnt(
    connections: Iterable[nodes.Connection], learn: Iterable[training_nodes.Learnt], diagnostics: Diagnostics
) -> None:
    """Report connections that are to be rewired and whose weights training leaves alone."""
    learnt = {entry.key for entry in learn}
    for c in connections:
        if c.rewiring is not None and f"{c.name}.weight" not in learnt:
            message = f"the synapses of `{c.name}` would move as their weights are learnt, and these are not"
            help = f"put `{c.name}.weight` into `learn`, or leave `rewire` out"
            diagnostics.error("wrong-argument", c.span, message, help=help)
