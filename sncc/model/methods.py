"""`method = rk4(substeps = 10)` of a neuron or a synapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from sncc.diagnostics import did_you_mean
from sncc.model.infer import Elaborator
from sncc.model.nodes import Method
from sncc.model.values import constant_whole
from sncc.syntax import tree

LARGEST_SUBSTEPS = 64  # every one of them is code
_METHODS = tuple(m for m in get_args(Method) if m != "map")


@dataclass
class MethodResolver:
    """Resolves the `method` of one model; mistakes go to the elaborator's diagnostics."""

    elaborator: Elaborator

    def resolve(self, parts: list[tree.Method]) -> tuple[Method | None, int]:
        """The method and its number of substeps; (None, 1) where the choice is the compiler's."""
        if not parts:
            return None, 1
        value = parts[0].value
        name = str(value.function if isinstance(value, tree.Call) else value)
        named: list[Method] = [m for m in _METHODS if m == name]
        if not isinstance(value, tree.Call | tree.Name) or not named:
            message = f"unknown method `{value.span.text}`"
            hints = did_you_mean(name, _METHODS) or ("one of " + ", ".join(f"`{m}`" for m in _METHODS),)
            self.elaborator.diagnostics.error("unknown-name", value.span, message, help=hints)
            return None, 1
        return named[0], self._substeps(value, named[0]) if isinstance(value, tree.Call) else 1

    def _substeps(self, call: tree.Call, method: Method) -> int:
        """The whole number in `rk4(substeps = 10)`."""
        diagnostics = self.elaborator.diagnostics
        for argument in call.arguments:
            if argument.name != "substeps" or len(call.arguments) > 1:
                help = f"write `{method}(substeps = 10)`"
                diagnostics.error("wrong-argument", argument.span, f"`{method}` takes `substeps` only", help=help)
            elif method == "exact":
                diagnostics.error("wrong-argument", call.span, "`exact` needs no substeps: it has no error")
            else:
                count = constant_whole(argument.value, "`substeps`", self.elaborator.scope, diagnostics)
                if count is not None and 1 <= count <= LARGEST_SUBSTEPS:
                    return count
                if count is not None:
                    message = f"`substeps` is from 1 to {LARGEST_SUBSTEPS}"
                    help = "take a shorter `step` of the network"
                    diagnostics.error("wrong-argument", argument.value.span, message, help=help)
        return 1
