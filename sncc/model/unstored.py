"""`stored = false`: synapses that are kept nowhere, and made again from random numbers when their source spikes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sncc.connectivity.patterns import Pattern, Random
from sncc.diagnostics import Diagnostics
from sncc.model import nodes, training_nodes
from sncc.model.delays import Delay
from sncc.model.values import true_or_false
from sncc.syntax import tree

REMEDY = "leave `stored = false` out"
AGAINST = {  # options that need synapses which are there, and why
    "plasticity": "plasticity changes synapses",
    "share": "shared weights are stored once for all that use them",
    "rewire": "training moves synapses that are there",
    "dropout": "dropout is of training, which changes synapses",
}


def read_stored(option: tree.Option | None, diagnostics: Diagnostics) -> bool:
    """Whether a connection's synapses are stored; True where nothing, or a mistake, says so."""
    return true_or_false(option.value if option is not None else None, "stored", True, diagnostics)


def check_unstored(
    options: Mapping[str, tree.Option], pattern: Pattern, delay: Delay, source: nodes.Population, diagnostics: Diagnostics
) -> None:  # fmt: skip
    """Report what cannot be had of synapses that are not stored."""
    place = options["stored"].span
    for name, reason in AGAINST.items():
        if name in options:
            message = f"`{name}` of synapses that are not stored"
            diagnostics.error("wrong-argument", options[name].span, message, notes=(reason,), help=REMEDY)
    if not isinstance(pattern, Random) or pattern.kind not in ("p", "fan_out"):
        message = f"the synapses of `{pattern}` cannot be made source by source"
        help = f"use `random(p = …)` or `random(fan_out = …)`, or {REMEDY}"
        diagnostics.error("wrong-argument", place, message, help=help)
    if "weight" in options and _is_given(options["weight"].value):
        message = "weights of synapses that are not stored cannot be assigned"
        help = f"draw the weights, or {REMEDY}"
        diagnostics.error("wrong-argument", options["weight"].value.span, message, help=help)
    if delay.parameter is not None:
        message = "synapses that are not stored have one delay"
        help = f"write it as a time, `delay = 1.5 ms`, or {REMEDY}"
        diagnostics.error(
            "wrong-argument", options["delay"].value.span if "delay" in options else place, message, help=help
        )
    if source.kind == "signal":
        message = f"`{source.name}` hands over values: its synapses would be made anew in every step"
        diagnostics.error("wrong-argument", place, message, help=REMEDY)


def _is_given(weight: tree.Expression) -> bool:
    return isinstance(weight, tree.Call) and str(weight.function) == "each"


def check_unstored_learnt(
    connections: Iterable[nodes.Connection], learn: Iterable[training_nodes.Learnt], diagnostics: Diagnostics
) -> None:
    """Report weights that are to be learnt and are not stored."""
    learnt = {entry.key for entry in learn}
    for c in connections:
        if not c.stored and f"{c.name}.weight" in learnt:
            message = f"training cannot change the weights of `{c.name}`, which are not stored"
            note = "each is drawn again whenever its source spikes: nothing is kept that a gradient could change"
            help = f"{REMEDY}, or name in `learn` what else is learnt"
            diagnostics.error("wrong-argument", c.span, message, notes=(note,), help=help)
