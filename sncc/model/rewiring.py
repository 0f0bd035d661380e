"""`rewire = deep_r(l1 = 1e-4, temperature = 1e-6)`: synapses of a sparse connection that training moves."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.connectivity.patterns import Pattern, Random, Rewiring, Sparse
from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.expressions.nodes import Number
from sncc.expressions.units import PLAIN
from sncc.model import nodes
from sncc.model.infer import Elaborator
from sncc.model.rule import called
from sncc.model.scope import Scope
from sncc.model.values import folded
from sncc.syntax import tree

SETTINGS = ("l1", "temperature")


def resolve_rewiring(
    option: tree.Option | None, pattern: Pattern, weight: nodes.Parameter, scope: Scope, diagnostics: Diagnostics
) -> Rewiring | None:  # fmt: skip
    """The rewiring of a connection, None where there is none or after a mistake (which is reported)."""
    if option is None:
        return None
    name, arguments = called(option.value)
    span = option.value.span
    if name != "deep_r":
        help = "write `rewire = deep_r()`, or `deep_r(l1 = 1e-4, temperature = 1e-6)`"
        diagnostics.error("unknown-name", span, f"unknown rewiring `{span.text}`", help=help)
        return None
    if not isinstance(pattern, Random | Sparse):
        message = f"synapses can only be moved where some are missing: not of `{pattern}`"
        diagnostics.error("wrong-argument", span, message, help="use `random(p = …)`, or `sparse`")
    elif weight.storage != "each":
        message = "synapses are moved by their weights, and here all have one"
        diagnostics.error("wrong-argument", span, message, help="draw the weights, or give them as `each(…)`")
    found = dict.fromkeys(SETTINGS, 0.0)
    for position, argument in enumerate(arguments):
        key = argument.name or (SETTINGS[position] if position < len(SETTINGS) else "")
        if key not in found:
            hints = did_you_mean(key, SETTINGS) or ("it takes `l1` and `temperature`",)
            diagnostics.error("wrong-argument", argument.span, "`deep_r` takes no such argument", help=hints)
            continue
        found[key] = _number(argument.value, f"`{key}`", scope, diagnostics)
    return Rewiring(**found)


def check_learnt(
    connections: Iterable[nodes.Connection], learn: Iterable[nodes.Learnt], diagnostics: Diagnostics
) -> None:
    """Report connections that are to be rewired and whose weights training leaves alone."""
    learnt = {entry.key for entry in learn}
    for c in connections:
        if c.rewiring is not None and f"{c.name}.weight" not in learnt:
            message = f"the synapses of `{c.name}` would move as their weights are learnt, and these are not"
            help = f"put `{c.name}.weight` into `learn`, or leave `rewire` out"
            diagnostics.error("wrong-argument", c.span, message, help=help)


def _number(value: tree.Expression, what: str, scope: Scope, diagnostics: Diagnostics) -> float:
    """A constant that is not negative; 0 after a mistake."""
    elaborator = Elaborator(scope, diagnostics)
    typed = elaborator.elaborate(value)
    if typed.term is None or not elaborator.expect(typed, PLAIN, value.span, what):
        return 0.0
    number = folded(typed.expression, value.span, diagnostics)
    if not isinstance(number, Number) or number.value < 0:
        diagnostics.error("wrong-argument", value.span, f"{what} of `deep_r` is a number from 0 on")
        return 0.0
    return number.value
