"""What can be said of a function by itself, whether it is called or not."""

from __future__ import annotations

from sncc.diagnostics import Diagnostics
from sncc.expressions.nodes import Symbol
from sncc.model.infer import Elaborator
from sncc.model.scope import Scope
from sncc.model.terms import Typed
from sncc.syntax import tree


def check_function(function: tree.Function, scope: Scope, diagnostics: Diagnostics) -> None:
    """Mistakes in a function's body that no argument mends, such as unknown names; whether it is called or not."""
    formals = {f.name.name: Typed(Symbol(f.name.name), None) for f in function.formals}
    if len(formals) < len(function.formals):
        names = [f.name.name for f in function.formals]
        twice = next(f.name for k, f in enumerate(function.formals) if f.name.name in names[:k])
        diagnostics.error("duplicate", twice.span, f"`{function.name.name}` has two arguments `{twice.name}`")
    body = Elaborator(scope, Diagnostics(), formals, draws=True, calls=(function.name.name,))
    for value in (*(f.default for f in function.formals if f.default is not None), function.body):
        body.elaborate(value)
    circles = any(d.code == "recursion" for d in diagnostics.found)  # each function of one would tell of it
    for diagnostic in body.diagnostics.found:
        if not (circles and diagnostic.code == "recursion"):
            diagnostics.add(diagnostic)
