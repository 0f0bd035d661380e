"""The `simulate` block → duration and records."""

from __future__ import annotations

from sncc.connectivity.patterns import Part
from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.nodes import Number
from sncc.model import nodes
from sncc.model.constants import round_half_up
from sncc.model.draft import Draft
from sncc.model.infer import TIME, Elaborator
from sncc.model.scope import Scope
from sncc.model.training import read_settings
from sncc.model.values import folded
from sncc.syntax import tree


def resolve_simulation(
    block: tree.Simulate,
    parts: tuple[tree.Setting | tree.Record, ...],
    network: Draft,
    scope: Scope,
    diagnostics: Diagnostics,
) -> nodes.Simulation | None:
    """The simulation, or None after a mistake (which is reported)."""
    settings = read_settings(
        tuple(p for p in parts if isinstance(p, tree.Setting)), ("duration",), "simulate", diagnostics
    )
    records: list[nodes.Recording] = []
    for part in parts:
        if isinstance(part, tree.Record):
            records += _record(part, network, scope, diagnostics)
    duration = settings.get("duration")
    if duration is None:
        help = "add `duration = 1 s`"
        diagnostics.error("missing-setting", block.span, "`duration` is missing in `simulate`", help=help)
        return None
    steps = _steps(duration.values[0], network.step, "the duration", scope, diagnostics)
    return None if steps is None else nodes.Simulation(steps, tuple(records))


def _steps(written: tree.Expression, step: float, what: str, scope: Scope, diagnostics: Diagnostics) -> int | None:
    elaborator = Elaborator(scope, diagnostics)
    typed = elaborator.elaborate(written)
    help = f"write `{written.span.text} ms`" if isinstance(written, tree.Quantity) else ""
    if typed.term is None or not elaborator.expect(typed, TIME, written.span, what, help):
        return None
    number = folded(typed.expression, written.span, diagnostics)
    if not isinstance(number, Number) or round_half_up(number.value, step) < 1:
        diagnostics.error("wrong-argument", written.span, f"{what} must be at least one step")
        return None
    return round_half_up(number.value, step)


def _record(part: tree.Record, network: Draft, scope: Scope, diagnostics: Diagnostics) -> list[nodes.Recording]:
    every = 1
    if part.every is not None:
        every = _steps(part.every, network.step, "the time between records", scope, diagnostics) or 1
    found = []
    for endpoint in part.populations:
        name, variable = endpoint.name.name, part.variable.name
        if endpoint.slices:
            Elaborator(scope, diagnostics).unsupported(endpoint.span, "recording a part of a population")
            continue
        if variable == "weight":
            Elaborator(scope, diagnostics).unsupported(part.span, "recording weights")
            continue
        if name in network.broken:
            continue
        population = network.populations.get(name)
        if population is None:
            hints = did_you_mean(name, network.populations)
            diagnostics.error("unknown-name", endpoint.name.span, f"unknown population `{name}`", help=hints)
            continue
        states = [s.name for s in population.dynamics.states] if population.dynamics else []
        spikes = population.kind == "input" or (
            population.dynamics is not None and population.dynamics.spike is not None
        )
        if variable not in states and not (variable == "spikes" and spikes):
            what = "does not spike" if variable == "spikes" else f"has no state `{variable}`"
            hints = did_you_mean(variable, states)
            diagnostics.error("unknown-name", part.variable.span, f"`{name}` {what}", help=hints)
            continue
        found.append(nodes.Recording(name, variable, every, Part.whole(population.shape)))
    return found
