"""Learning rules as choices on one graph: which adjoints there are, and across which connections credit flows.

bptt: every group has one adjoint; credit crosses every connection. eprop (Bellec et al. 2020): a group's own adjoint,
plus the learning signal, credit across exactly one connection, into the population that the loss reads, from that
population's own adjoint.
"""

from __future__ import annotations

from dataclasses import dataclass

from sncc.program.nodes import Connection, Program


@dataclass(frozen=True, slots=True)
class Adjoint:
    """One adjoint of a group. `edges`: credit that arrives, as (connection, label of the adjoint at its target)."""

    group: str
    label: str  # "" or what tells a second adjoint of the same group
    reads_loss: bool
    learns: bool  # whether gradients of parameters are taken from it
    edges: tuple[tuple[str, str], ...]


def adjoints(program: Program, rule: str, loss_group: str) -> tuple[Adjoint, ...]:
    """The adjoints that a rule needs, for the groups in which something is learnt or through which credit must pass."""
    between = [c for c in program.connections if c.source_group is not None]
    if rule == "bptt":
        return _bptt(program, between, loss_group)
    if rule == "eprop":
        return _eprop(program, between, loss_group)
    raise ValueError(f"no learning rule {rule}")


def learning_groups(program: Program) -> frozenset[str]:
    """Groups with a learnt parameter of their own or a learnt connection into them."""
    learnt = {p.key for p in program.parameters if p.learnt}
    own = {g.name for g in program.groups for row in g.rows for _, value in row.values if value in learnt}
    return frozenset(own | {c.target_group for c in program.connections if c.weight in learnt})


def _bptt(program: Program, between: list[Connection], loss_group: str) -> tuple[Adjoint, ...]:
    reaching = {loss_group}  # groups from which credit can come
    while more := {c.source_group for c in between if c.source_group and c.target_group in reaching} - reaching:
        reaching |= more
    needed = set(learning_groups(program)) & reaching
    while more := {c.target_group for c in between if c.source_group in needed and c.target_group in reaching} - needed:
        needed |= more
    return tuple(
        Adjoint(
            group.name, "", group.name == loss_group, True,
            tuple((c.name, "") for c in between if c.source_group == group.name and c.target_group in needed),
        )
        for group in program.groups if group.name in needed
    )  # fmt: skip


def _eprop(program: Program, between: list[Connection], loss_group: str) -> tuple[Adjoint, ...]:
    learning = learning_groups(program)
    result: list[Adjoint] = []
    into_loss = [c for c in between if c.target_group == loss_group]
    recurrent = any(c.source_group == loss_group for c in into_loss)
    direct = "direct" if recurrent else ""  # its own adjoint, before any credit has crossed a connection
    for group in program.groups:
        edges = tuple((c.name, direct) for c in into_loss if c.source_group == group.name)
        if group.name == loss_group:
            signalled = any(c.source_group in learning for c in into_loss)
            if recurrent and signalled:
                result.append(Adjoint(group.name, "direct", True, False, ()))
            if group.name in learning or signalled:
                result.append(Adjoint(group.name, "", True, True, edges))
        elif group.name in learning and edges:
            result.append(Adjoint(group.name, "", False, True, edges))
    return tuple(result)
