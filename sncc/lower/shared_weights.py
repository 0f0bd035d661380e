"""Model → Model: what shares weights that do not lie alike finds each of its own by an index.

A weight lies row by row where its connection has a place for each pair, else in the order of its synapses. Weights that
are shared lie for all pairs of the parts wherever the latter would be so, or where two connections leave out different
pairs; a connection reads those that it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sncc.connectivity.patterns import Dense, OneToOne, Shared, is_matrix, leaves_nothing_out
from sncc.model.nodes import Connection, Model


def place_shared_weights(model: Model) -> Model:
    """The model in which `Shared` is the pattern of connections that look their weights up."""
    owners = {c.name: c for c in model.connections}
    sharing: dict[str, list[Connection]] = {}
    for c in model.connections:
        if c.share is not None and isinstance(c.pattern, Dense | OneToOne):
            sharing.setdefault(c.share[0], []).append(c)
    apart = {name for name, others in sharing.items() if _lies_for_all_pairs(owners[name], others)}
    return replace(model, connections=tuple(_placed(c, owners, apart) for c in model.connections))


def _lies_for_all_pairs(owner: Connection, others: list[Connection]) -> bool:
    """Whether the owner looks its weights up as well:
    they are a list, or a matrix whose diagonal is zero, and others need that.
    """
    if not is_matrix(owner.pattern, owner.source_part, owner.target_part):
        return True
    fewer = not leaves_nothing_out(owner.pattern)
    return fewer and any(c.pattern != owner.pattern or c.source_part != c.target_part for c in others)


def _placed(c: Connection, owners: Mapping[str, Connection], apart: set[str]) -> Connection:
    if not isinstance(c.pattern, Dense | OneToOne):
        return c
    owner, turned = c.share or (c.name, False)
    turned = turned and isinstance(c.pattern, Dense)
    lies = is_matrix(c.pattern, c.source_part, c.target_part) and c.pattern == owners[owner].pattern
    looks = owner in apart or (c.share is not None and (turned or not lies))
    return replace(c, pattern=Shared(c.pattern, turned)) if looks else c
