"""Calls of what a setting or an option names, `adam(learning_rate = 1e-3)`, `deep_r(l1 = 1e-4)`:
name, arguments, plain numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.model.scope import Scope
from sncc.model.values import constant_number, true_or_false
from sncc.syntax import tree

Numbers = tuple[tuple[str, float | None], ...]  # names with defaults; None: must be given


def called(value: tree.Expression) -> tuple[str | None, tuple[tree.Argument, ...]]:
    """Name and arguments of a call, or of a name alone."""
    match value:
        case tree.Call(function, arguments):
            return str(function), arguments
        case tree.Name():
            return str(value), ()
    return None, ()


def numbers_of_call(
    value: tree.Expression, kinds: Mapping[str, Numbers], what: str, scope: Scope, diagnostics: Diagnostics,
    *, above_zero: Collection[str] = (), below_one: Collection[str] = (), switches: Collection[str] = (),
) -> tuple[str, dict[str, float]] | None:  # fmt: skip
    """A call of one of several kinds with numbers from 0 on, defaults filled in; None where it is of no kind.

    Some of the numbers are above 0, or below 1; `switches` may also be `true` or `false`.
    """
    name, arguments = called(value)
    if name is None or name not in kinds:
        known = ", ".join(f"`{k}`" for k in kinds)
        hints = did_you_mean(name or "", kinds) or (f"it is one of {known}" if len(kinds) > 1 else f"it is {known}",)
        diagnostics.error("unknown-name", value.span, f"unknown {what} `{value.span.text}`", help=hints)
        return None
    wanted = dict(kinds[name])
    found: dict[str, float] = {}
    for position, argument in enumerate(arguments):
        key = argument.name or (list(wanted)[position] if position < len(wanted) else None)
        if key is None or key not in wanted:
            hints = did_you_mean(key or "", wanted) or ("it takes " + ", ".join(f"`{k}`" for k in wanted),) * bool(
                wanted
            )
            message = f"`{name}` takes no `{key}`" if key else f"too many numbers for `{name}`"
            diagnostics.error("wrong-argument", argument.span, message, help=hints)
            continue
        if key in found:
            diagnostics.error("duplicate", argument.span, f"`{key}` is given twice")
            continue
        if key in switches and isinstance(argument.value, tree.Name):
            found[key] = float(true_or_false(argument.value, key, False, diagnostics))
            continue
        number = constant_number(argument.value, f"`{key}` of `{name}`", scope, diagnostics)
        if number is not None and number < 0:
            diagnostics.error("wrong-argument", argument.value.span, f"`{key}` cannot be negative")
        elif number == 0 and key in above_zero:
            diagnostics.error("wrong-argument", argument.value.span, f"`{key}` must be above 0")
        elif number is not None and number >= 1 and key in below_one:
            diagnostics.error("wrong-argument", argument.value.span, f"`{key}` must be below 1")
        elif number not in (None, 0, 1) and key in switches:
            diagnostics.error("wrong-argument", argument.value.span, f"`{key}` is `true` or `false`")
        found[key] = 0.0 if number is None else number
    for key, default in wanted.items():
        if key not in found and default is None:
            diagnostics.error("wrong-argument", value.span, f"`{name}` needs its `{key}`")
        found.setdefault(key, 0.0 if default is None else default)
    return name, {key: found[key] for key in wanted}
