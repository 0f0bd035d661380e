"""Delays in whole steps, and the rule that every cycle takes at least one step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sncc.diagnostics import Diagnostics, Span
from sncc.expressions.nodes import Number
from sncc.expressions.printer import print_number
from sncc.model import nodes
from sncc.model.constants import round_half_up
from sncc.model.draft import Draft
from sncc.model.infer import TIME
from sncc.model.scope import Scope
from sncc.model.terms import Typed
from sncc.model.values import constant_time, resolve_interval_of, resolve_value
from sncc.syntax import tree

LONGEST = 1_000_000  # steps


@dataclass(frozen=True)
class Delay:
    """A delay as stated: a fixed time in ms with its place, or a parameter (drawn, `each`, or learnt);
    both None: the default.
    """

    fixed: tuple[float, Span] | None = None
    parameter: nodes.Parameter | None = None


def read_delay(
    option: tree.Option | None, learnt: bool, names: dict[str, Typed], step: float, scope: Scope,
    diagnostics: Diagnostics,
) -> Delay:  # fmt: skip
    """`delay = 1.5 ms`, `delay = uniform(1 ms, 5 ms)`, `delay = each(2 ms)`; a learnt number stays one number."""
    if option is None:
        return Delay()
    written = option.value
    value = resolve_value(written, scope, diagnostics, names)
    if value.unit is None:
        return Delay()
    if value.unit.dimension != TIME.dimension and not value.typed.is_zero:
        message = f"a delay must be a time, not {value.unit.described()}"
        help = ""
        if value.unit.dimensionless:
            one = isinstance(written, tree.Quantity)
            help = f"write `{written.span.text} ms`" if one else "give its numbers a unit, e.g. `each(3 ms)`"
        diagnostics.error("wrong-unit", written.span, message, help=help)
        return Delay()
    parameter = None
    if value.each or learnt or option.interval is not None:
        bounds = None
        if option.interval is not None:
            bounds = resolve_interval_of(option.interval, TIME, scope, diagnostics, "the bounds")
        scale = value.scale if value.unit.dimension == TIME.dimension else 1.0
        parameter = nodes.Parameter(
            "delay", value.expression, TIME, "each" if value.each else "shared", scale, value.clip, bounds,
            span=value.span,
        )  # fmt: skip
    fixed = value.expression
    stated = (fixed.value, written.span) if isinstance(fixed, Number) else None
    return Delay(_legal(stated, step, diagnostics), parameter)


def read_post_delay(option: tree.Option | None, step: float, scope: Scope, diagnostics: Diagnostics) -> int:
    """`post_delay = 0.5 ms`: the dendritic part of a delay, in whole steps."""
    if option is None:
        return 0
    delay = constant_time(option.value, "`post_delay`", scope, diagnostics)
    stated = _legal(None if delay is None else (delay, option.value.span), step, diagnostics)
    return 0 if stated is None else round_half_up(stated[0], step)


def _legal(stated: tuple[float, Span] | None, step: float, diagnostics: Diagnostics) -> tuple[float, Span] | None:
    if stated is None:
        return None
    if stated[0] < 0:
        diagnostics.error("wrong-argument", stated[1], "a delay cannot be negative")
        return None
    if round_half_up(stated[0], step) > LONGEST:
        diagnostics.error("wrong-argument", stated[1], "a delay of more than a million steps")
        return None
    return stated


def resolve_delays(network: Draft, diagnostics: Diagnostics) -> None:
    """Put whole steps into the connections; report cycles without a delay.

    Without a stated delay a connection to itself takes one step, any other none. Where delays are drawn, assigned or
    learnt, `delay_steps` is the smallest legal one: they are raised to it.
    """
    for name, connection in network.connections.items():
        stated = network.delays[name]
        itself = connection.source == connection.target
        steps = int(itself) if stated is None else round_half_up(stated[0], network.step)
        if itself and steps == 0 and stated is not None:
            step = print_number(network.step)
            message = f"the smallest delay of a connection to itself is one step, {step} ms"
            help = f"leave the delay out, or write `delay = {step} ms`"
            diagnostics.error("delay-too-short", stated[1], message, help=help)
            steps = 1
        if connection.delay is not None:
            steps = int(itself)
        network.connections[name] = replace(connection, delay_steps=steps)
    while cycles := _cycles_without_delay(network):
        raised = False
        for cycle in cycles:
            free = next((n for n in reversed(cycle) if network.connections[n].delay is not None), None)
            if free is not None:
                network.connections[free] = replace(network.connections[free], delay_steps=1)
                raised = True
        if not raised:
            for cycle in cycles:
                _report(cycle, network, diagnostics)
            return


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


def _reads_the_last_step(connection: nodes.Connection) -> bool:
    """Whether a connection delivers without spikes, from states as they were, as a gap junction does."""
    return connection.synapse is not None and not connection.synapse.on_pre


def _cycles_without_delay(network: Draft) -> list[list[str]]:
    """One cycle of connections of delay zero per group of populations that has any."""
    edges: dict[str, list[tuple[str, str]]] = {}
    for connection in network.connections.values():
        if connection.delay_steps == 0 and not _reads_the_last_step(connection):
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
