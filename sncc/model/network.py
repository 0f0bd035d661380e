"""The `network` block → populations and connections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from sncc.diagnostics import Diagnostics, Span
from sncc.model import nodes
from sncc.model.connections import ConnectionResolver
from sncc.model.definition import report_reserved
from sncc.model.delays import resolve_delays
from sncc.model.draft import Draft
from sncc.model.populations import PopulationResolver
from sncc.model.scope import Scope
from sncc.model.values import constant_time
from sncc.syntax import tree


def resolve_network(
    parts: tuple[tree.Step | tree.Population | tree.Connect, ...],
    block: tree.Network,
    learnt: Mapping[str, Set[str]],
    scope: Scope,
    diagnostics: Diagnostics,
    stimulated: Sequence[tree.Endpoint] = (),
) -> Draft:
    """Resolve the statements of a network (loops are expanded).

    `learnt` names the learnt parameters by population, and `weight` by connection; `stimulated` is what a simulation
    drives.
    """
    draft = Draft(_step(parts, block, scope, diagnostics))
    scope.set_step(draft.step)
    written = [part for part in parts if isinstance(part, tree.Population)]
    connects = [part for part in parts if isinstance(part, tree.Connect)]
    for name in (block.name, *(p.name for p in written), *(c.name for c in connects if c.name is not None)):
        report_reserved(name, diagnostics)
    _report_duplicates(written, diagnostics)
    populations = PopulationResolver(draft, connects, learnt, scope, diagnostics)
    for population in written:
        if population.name.name not in draft.populations:
            populations.resolve(population)
    connections = ConnectionResolver(draft, learnt, scope, diagnostics)
    found: dict[int, nodes.Connection] = {}
    draft.sharing = {c.known_as: str(o.value) for c in connects for o in c.options if o.name.name == "share"}
    for later in (False, True):  # weights that are shared have to be there first
        for place, connect in enumerate(connects):
            if any(o.name.name == "share" for o in connect.options) is later:
                resolved = connections.resolve(connect)
                found |= {} if resolved is None else {place: resolved}
    draft.connections = {found[place].name: found[place] for place in sorted(found)}  # arrivals follow the text
    resolve_delays(draft, diagnostics)
    _warn_of_silent_inputs(draft, [*(c.target for c in connects), *stimulated], diagnostics)
    return draft


def _step(
    parts: tuple[tree.Step | tree.Population | tree.Connect, ...],
    block: tree.Network,
    scope: Scope,
    diagnostics: Diagnostics,
) -> float:
    steps = [part for part in parts if isinstance(part, tree.Step)]
    if not steps:
        help = "add `step = 1 ms`"
        diagnostics.error("missing-step", block.name.span, f"network `{block.name}` has no `step`", help=help)
        return 1.0
    for part in steps[1:]:
        diagnostics.error("duplicate", part.span, "a network has one `step` only")
    step = constant_time(steps[0].value, "the step", scope, diagnostics)
    if step is not None and step <= 0:
        diagnostics.error("wrong-argument", steps[0].value.span, "the step must be longer than zero")
    return step if step is not None and step > 0 else 1.0


def _report_duplicates(written: list[tree.Population], diagnostics: Diagnostics) -> None:
    seen: dict[str, Span] = {}
    for part in written:
        name, span = part.name.name, part.name.span
        if name in seen and "{" not in name:  # of no loop, which is reported
            note = f"`{name}` was defined in line {seen[name].line}"
            diagnostics.error("duplicate", span, f"`{name}` is defined twice", notes=(note,))
        seen.setdefault(name, span)


def _warn_of_silent_inputs(draft: Draft, targets: list[tree.Endpoint], diagnostics: Diagnostics) -> None:
    used = {(target.name.name, target.input.name if target.input else None) for target in targets}
    for population in draft.populations.values():
        for where in population.dynamics.inputs if population.dynamics else ():
            if not {(population.name, where.name), (population.name, None)} & used:
                message = f"nothing is connected to `{population.name}.{where.name}`"
                diagnostics.warning("unconnected-input", population.span, message)
