"""Delays in whole steps, and the rule that every cycle takes at least one step."""

from __future__ import annotations

from dataclasses import replace

from sncc.diagnostics import Diagnostics
from sncc.expressions.printer import print_number
from sncc.model.constants import round_half_up
from sncc.model.draft import Draft


def resolve_delays(network: Draft, diagnostics: Diagnostics) -> None:
    """Put whole steps into the connections; report cycles without a delay.

    Without a stated delay a connection to itself takes one step, any other none.
    """
    for name, connection in network.connections.items():
        stated = network.delays[name]
        itself = connection.source == connection.target
        steps = int(itself) if stated is None else round_half_up(stated[0], network.step)
        if itself and steps == 0 and stated is not None:
            step = print_number(network.step)
            message = f"the smallest delay of a connection to itself is one step, {step} ms"
            diagnostics.error("delay-too-short", stated[1], message)
            steps = 1
        network.connections[name] = replace(connection, delay_steps=steps)
    for cycle in _cycles_without_delay(network):
        _report(cycle, network, diagnostics)


def _report(cycle: list[str], network: Draft, diagnostics: Diagnostics) -> None:
    """`cycle` holds the names of its connections."""
    connections = [network.connections[name] for name in cycle]
    path = " -> ".join([connections[0].source, *(c.target for c in connections)])
    step = print_number(network.step)
    stated = [delay for name in cycle if (delay := network.delays[name]) is not None]
    if len(stated) == len(cycle):
        message = f"the delays around {path} are shorter than a step in total"
        help = f"the smallest legal delay of one of them is {step} ms"
        diagnostics.error("delay-too-short", stated[-1][1], message, help=help)
        return
    free = next(c for c in reversed(connections) if network.delays[c.name] is None)
    message = f"a cycle without a delay: {path}"
    help = f"give one of its connections a delay: `delay = {step} ms`"
    diagnostics.error("cycle-without-delay", free.span, message, help=help)


def _cycles_without_delay(network: Draft) -> list[list[str]]:
    """One cycle of connections of delay zero per group of populations that has any."""
    edges: dict[str, list[tuple[str, str]]] = {}
    for connection in network.connections.values():
        if connection.delay_steps == 0:
            edges.setdefault(connection.source, []).append((connection.target, connection.name))
    found: list[list[str]] = []
    finished: set[str] = set()
    for start in edges:
        if start in finished:
            continue
        # depth first without recursion: the path of connections, and where to go on at each of its populations
        path: list[tuple[str, str]] = []
        open_edges = [iter(edges[start])]
        nodes = [start]
        while open_edges:
            step = next(open_edges[-1], None)
            if step is None:
                finished.add(nodes.pop())
                open_edges.pop()
                if path:
                    path.pop()
                continue
            target, name = step
            if target in nodes:
                first = nodes.index(target)
                found.append([n for _, n in path[first:]] + [name])
                finished.update(nodes)
                break
            if target not in finished:
                path.append(step)
                nodes.append(target)
                open_edges.append(iter(edges.get(target, [])))
    return found
