"""What a name means outside of neurons: the file's build-time parameters, functions and models, and the library's."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sncc.expressions.nodes import Number
from sncc.expressions.units import parse_unit
from sncc.model.terms import Term, Typed
from sncc.syntax import tree
from sncc.syntax.parse import GRAMMAR, load

Definition = tree.Function | tree.Neuron | tree.Synapse | tree.Plasticity
TIME = parse_unit("ms")
LIBRARY = GRAMMAR / "std"


@dataclass
class Scope:
    """Definitions of a file with those it imports; a library file's functions see only the library."""

    constants: dict[str, Typed] = field(default_factory=dict)
    definitions: dict[str, Definition] = field(default_factory=dict)

    def constant(self, name: str) -> Typed | None:
        """A build-time parameter."""
        return self.constants.get(name)

    def set_step(self, step: float) -> None:
        """Makes the length of a time step, ms, known wherever a constant may stand."""
        self.constants["step"] = Typed(Number(step, TIME), Term(TIME))

    def definition(self, name: str) -> Definition | None:
        """A model or a function of the file, else of the standard library."""
        return self.definitions.get(name) or library_definition(name)

    def function(self, name: str) -> tree.Function | None:
        """The function of that name."""
        found = self.definition(name)
        return found if isinstance(found, tree.Function) else None

    def function_names(self) -> list[str]:
        """All functions, for `did you mean`."""
        named = [*self.definitions.items(), *library().items()]
        return [name for name, definition in named if isinstance(definition, tree.Function)]

    def names_of(self, kind: type[Definition]) -> list[str]:
        """All neurons, all synapses or all plasticities, for `did you mean`."""
        named = [*self.definitions.items(), *library().items()]
        return [name for name, definition in named if isinstance(definition, kind)]

    def of_function(self, name: str) -> Scope:
        """The scope in which a function's body is read."""
        return self if name in self.definitions else Scope()


def library_definition(name: str) -> Definition | None:
    """A definition of the standard library: it stands in the file named like it, in lower case."""
    path = LIBRARY / f"{name.lower()}.snn"
    if not name.isidentifier() or not path.is_file():
        return None
    return _definitions(path).get(name)


def library() -> dict[str, Definition]:
    """Every definition of the standard library by its name."""
    return {name: d for path in library_files() for name, d in _definitions(path).items()}


def library_files() -> Iterator[Path]:
    """The standard library's files, by name."""
    return iter(sorted(LIBRARY.glob("*.snn")))


@functools.cache
def _definitions(path: Path) -> dict[str, Definition]:
    file = load(path)
    return {
        block.name.name: block
        for block in file.blocks
        if isinstance(block, tree.Function | tree.Neuron | tree.Synapse | tree.Plasticity)
    }


def is_library(definition: Definition) -> bool:
    """Whether a definition is the library's own (which is not checked for style)."""
    return Path(definition.span.source.path).parent == LIBRARY
