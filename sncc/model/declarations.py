"""What stands in a file beside its network: imports, build-time parameters, functions and models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sncc.diagnostics import DiagnosticError, Diagnostics
from sncc.expressions.nodes import Number
from sncc.expressions.units import Unit
from sncc.model.definition import RESERVED, Overrides, report_reserved
from sncc.model.functions import check_function
from sncc.model.infer import DISTRIBUTIONS, FUNCTIONS, Elaborator
from sncc.model.neuron import resolve_neuron
from sncc.model.plasticity import check_plasticity
from sncc.model.scope import Definition, Scope
from sncc.model.sources import SOURCES
from sncc.model.synapse import check_synapse
from sncc.model.terms import Term, Typed
from sncc.model.values import folded
from sncc.syntax import tree
from sncc.syntax.parse import parse_expression, parse_source, read_source

DEEPEST_IMPORT = 200  # files that import each other in a row


class Declarations:
    """The declarations of a file and of those that it imports: `scope` knows them once they are `read`.

    `blocks` are the file's own; `brought` holds the texts of what was imported.
    """

    def __init__(self, file: tree.File, settings: Mapping[str, str | float], diagnostics: Diagnostics) -> None:
        """Of a file, whose parameters `settings` may give other values."""
        self.file, self.settings, self.diagnostics = file, settings, diagnostics
        self.scope = Scope()
        self.blocks: list[tree.Block] = []
        self.brought: list[str] = []
        self._imported: set[Path] = set()

    def read(self) -> None:
        """Follow the imports, then give every parameter its value."""
        self._gather(self.file, [Path(self.file.span.source.path).resolve()])
        for block in self.blocks:
            if isinstance(block, tree.Parameter):
                self._parameter(block)

    def check(self, used: set[str]) -> None:
        """Mistakes in the functions and models of this file, those that nothing uses included."""
        if self.scope.constant("step") is None:  # without a network any is as good
            self.scope.set_step(1.0)
        for block in self.blocks:
            if isinstance(block, tree.Function):
                check_function(block, self.scope, self.diagnostics)
            if isinstance(block, tree.Synapse):
                check_synapse(block, self.scope, self.diagnostics)
            if isinstance(block, tree.Plasticity):
                check_plasticity(block, self.scope, self.diagnostics)
            if isinstance(block, tree.Neuron) and block.name.name not in used:
                resolve_neuron(block, Overrides(), self.scope, self.diagnostics)

    def constant(self, written: tree.Expression) -> Typed:
        """The value of an expression of numbers and build-time parameters."""
        typed = Elaborator(self.scope, self.diagnostics).elaborate(written)
        if typed.term is None:
            return typed
        return Typed(folded(typed.expression, written.span, self.diagnostics), typed.term)

    def _gather(self, file: tree.File, importing: list[Path]) -> None:
        for block in file.blocks:
            if isinstance(block, tree.Import):
                self._import(block, importing)
        for block in file.blocks:
            if isinstance(block, tree.Function | tree.Neuron | tree.Synapse | tree.Plasticity):
                self._define(block)
            if len(importing) == 1 or isinstance(block, tree.Parameter):
                self.blocks.append(block)
            if len(importing) > 1 and isinstance(block, tree.Parameter | Definition):
                self.brought.append(block.span.text.rstrip())

    def _import(self, block: tree.Import, importing: list[Path]) -> None:
        if len(importing) > DEEPEST_IMPORT:
            message = f"files import each other more than {DEEPEST_IMPORT} deep"
            self.diagnostics.error("too-complex", block.span, message)
            return
        path = (importing[-1].parent / block.path).resolve()
        if path in importing:
            way = " -> ".join(f"`{p.name}`" for p in [*importing[importing.index(path) :], path])
            notes = (f"the cycle: {way}",) if path != importing[-1] else ()
            self.diagnostics.error("recursion", block.span, f"`{block.path}` imports itself", notes=notes)
            return
        if path in self._imported:  # by another way
            return
        self._imported.add(path)
        if not os.path.isfile(path):  # `Path.is_file` raises for names that are too long
            self.diagnostics.error("unreadable-file", block.span, f"there is no file `{block.path}` beside this one")
            return
        found = Diagnostics()
        try:
            file = parse_source(read_source(path), found)
        except DiagnosticError as error:
            self.diagnostics.take(error.diagnostics)
            return
        self.diagnostics.take(found.found)
        if file is not None:
            self._gather(file, [*importing, path])

    def _define(self, block: Definition) -> None:
        name = block.name.name
        other = self.scope.definitions.get(name)
        kind = type(block).__name__.lower()
        if other is not None:
            place = f"`{name}` was defined in line {other.name.span.line} of {other.name.span.source.path}"
            self.diagnostics.error("duplicate", block.name.span, f"`{name}` is defined twice", notes=(place,))
            return
        if isinstance(block, tree.Function) and (name in FUNCTIONS or name in DISTRIBUTIONS or name == "each"):
            self.diagnostics.error("reserved", block.name.span, f"`{name}` is built in")
            return
        report_reserved(block.name, self.diagnostics, (*RESERVED, *SOURCES) if kind == "neuron" else RESERVED)
        self.scope.definitions[name] = block

    def _parameter(self, block: tree.Parameter) -> None:
        name = block.name.name
        if name in self.scope.constants:
            self.diagnostics.error("duplicate", block.name.span, f"`{name}` is defined twice")
            return
        if report_reserved(block.name, self.diagnostics, (*RESERVED, "fan_in", "fan_out")):
            return
        if block.adjustable:
            message = "a build-time parameter cannot be `adjustable`"
            self.diagnostics.error("misplaced", block.span, message, help="declare it in a `neuron`")
        default = self.constant(block.value)
        value = default
        if name in self.settings:
            value = self._setting_value(name, default, self.settings[name])
        self.scope.constants[name] = value

    def _setting_value(self, name: str, default: Typed, setting: str | float) -> Typed:
        unit = default.term.unit if default.term else Unit()
        if not isinstance(setting, str):
            in_si = Unit(unit.dimension)
            return Typed(Number(in_si.from_text(repr(setting)), unit), Term(unit))
        written = parse_expression(setting, f"--set {name}")
        value = self.constant(written)
        if value.term and default.term and not value.is_zero and value.term.dimension != default.term.dimension:
            message = f"`{name}` must be {unit.described()}, not {value.term.unit.described()}"
            self.diagnostics.error("wrong-unit", written.span, message)
            return Typed(value.expression, None)
        return Typed(value.expression, default.term) if value.is_zero else value
