"""Tree → Model: names, units and shapes resolved, settings applied, loops unrolled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sncc.diagnostics import DiagnosticError, Diagnostics, Source, Span, did_you_mean
from sncc.expressions.nodes import Number
from sncc.model import nodes, training_nodes
from sncc.model.checks import check_keys, check_rates, check_states, check_training
from sncc.model.declarations import Declarations
from sncc.model.divisors import check_divisors
from sncc.model.draft import Draft
from sncc.model.event_checks import check_event_times
from sncc.model.imports import whole_text
from sncc.model.learning import learnt_names
from sncc.model.loops import expand, report_braces
from sncc.model.network import resolve_network
from sncc.model.quotients import check_quotients
from sncc.model.settings import read_settings
from sncc.model.simulation import SETTINGS as SIMULATE
from sncc.model.simulation import resolve_simulation
from sncc.model.stability import check_steps
from sncc.model.thresholds import check_thresholds
from sncc.model.training import LISTS, SETTINGS, TrainingResolver
from sncc.syntax import tree
from sncc.syntax.parse import parse_expression, parse_expressions, parse_source, read_source

Settings = Mapping[str, str | float]


def load_model(
    path: Path | str, settings: Settings | None = None, *, network: str | None = None,
    diagnostics: Diagnostics | None = None,
) -> nodes.Model:  # fmt: skip
    """The Model of a `.snn` file; see `resolve`."""
    return model_of_source(read_source(path), settings, network=network, diagnostics=diagnostics)


def model_of_text(
    text: str, settings: Settings | None = None, *, path: str = "<text>", network: str | None = None,
    diagnostics: Diagnostics | None = None,
) -> nodes.Model:  # fmt: skip
    """The Model of a text; `path` is what messages call it."""
    return model_of_source(Source(path, text), settings, network=network, diagnostics=diagnostics)


def model_of_source(
    source: Source, settings: Settings | None = None, *, network: str | None = None,
    diagnostics: Diagnostics | None = None,
) -> nodes.Model:  # fmt: skip
    """The Model of a source; see `resolve`."""
    diagnostics = Diagnostics() if diagnostics is None else diagnostics
    file = parse_source(source, diagnostics)
    if file is not None and diagnostics.errors:  # the blocks that could be read may hold mistakes of their own
        check_readable_blocks(file, diagnostics)
    diagnostics.raise_errors()
    assert file is not None  # without a tree there is an error
    return resolve(file, settings, network=network, diagnostics=diagnostics)


def check_readable_blocks(file: tree.File, diagnostics: Diagnostics) -> None:
    """Report mistakes of meaning in a file with syntax errors, in the blocks that hold none.

    A neuron, synapse or plasticity is looked at wherever a syntax error stands; the network only where nothing that it
    may name was lost.
    """
    places = [d.span for d in diagnostics.errors if d.span is not None]

    def within(block: tree.Block, place: Span) -> bool:
        return block.span.start <= place.start < block.span.end

    lost = any(not any(within(block, place) for block in file.blocks) for place in places)  # a whole block
    sound = tuple(block for block in file.blocks if not any(within(block, place) for place in places))
    complete = not lost and all(b in sound for b in file.blocks if not isinstance(b, tree.Train | tree.Simulate))
    needing = () if complete else (tree.Network, tree.Train, tree.Simulate)
    found = Diagnostics()
    blocks = tuple(block for block in sound if not isinstance(block, needing))
    _Resolver(replace(file, blocks=blocks), {}, None, found).look_over()
    for diagnostic in found.found:  # what a name means may stand in the block that was lost
        if not lost or diagnostic.code not in ("unknown-name", "unknown-model"):
            diagnostics.add(diagnostic)


def resolve(
    file: tree.File, settings: Settings | None = None, *, network: str | None = None,
    diagnostics: Diagnostics | None = None,
) -> nodes.Model:  # fmt: skip
    """The Model of a tree.

    `settings` maps a file's `param` to an expression (a number is in SI units) and a key of a block, `train.rule`, to
    its value. `network` chooses where a file has several. Warnings are left in `diagnostics`; with any error
    `DiagnosticError` is raised with everything found.
    """
    diagnostics = Diagnostics() if diagnostics is None else diagnostics
    model = None
    try:
        model = _Resolver(file, dict(settings or {}), network, diagnostics).resolve()
    except DiagnosticError as error:
        diagnostics.take(error.diagnostics)
    except RecursionError:
        diagnostics.error(
            "too-complex", file.span, "an expression is nested too deep", help="name its parts with `let`"
        )
    diagnostics.raise_errors()
    assert model is not None  # without a model there is an error
    return model


class _Resolver:
    def __init__(
        self, file: tree.File, settings: dict[str, str | float], network: str | None, diagnostics: Diagnostics
    ) -> None:
        self.file, self.settings, self.chosen, self.diagnostics = file, settings, network, diagnostics
        self.declared = Declarations(file, settings, diagnostics)
        self.scope, self.blocks = self.declared.scope, self.declared.blocks

    def look_over(self) -> None:
        """Report mistakes in the file's parameters, functions and models, and in its network where it has one."""
        if any(isinstance(block, tree.Network) for block in self.file.blocks):
            try:
                self.resolve()
            except DiagnosticError as error:
                self.diagnostics.take(error.diagnostics)
            return
        self.declared.read()
        self.declared.check(set())

    def resolve(self) -> nodes.Model | None:
        self.declared.read()
        self._report_unused_settings()
        chosen = self._network()
        if chosen is None:
            self.declared.check(set())
            return None
        train, simulate = self._block(tree.Train), self._block(tree.Simulate)
        parts = self._unrolled(chosen)
        train_parts = self._settings(train, "train") if train else ()
        simulate_parts = self._settings(simulate, "simulate") if simulate else ()
        learnt = self._learnt(parts, train_parts) if train else {}
        stimulated = [part.target for part in simulate_parts if isinstance(part, tree.Stimulate)]
        network = resolve_network(parts, chosen, learnt, self.scope, self.diagnostics, stimulated)
        training = self._training(train, train_parts, network) if train else None
        simulation = (
            resolve_simulation(simulate, simulate_parts, network, self.scope, self.diagnostics) if simulate else None
        )
        self.declared.check({p.model.name for p in parts if isinstance(p, tree.Population)})
        if self.diagnostics.errors:
            return None
        model = nodes.Model(
            chosen.name.name, network.step, tuple(network.populations.values()), tuple(network.connections.values()),
            training, simulation, chosen.document or self.file.document, whole_text(self.file, self.declared.brought),
        )  # fmt: skip
        check_divisors(model, self.diagnostics)
        if self.diagnostics.errors:  # what follows computes with the equations
            return None
        check_quotients(model, self.diagnostics)
        check_keys(model, self.diagnostics)
        check_rates(model, self.diagnostics)
        check_training(model, self.diagnostics)
        check_event_times(model, self.diagnostics)
        check_states(model, self.diagnostics)
        check_steps(model, self.diagnostics)
        check_thresholds(model, self.diagnostics)
        return _with_bounds(model)

    # ------------------------------------------------------------------------------------------------- settings
    def _report_unused_settings(self) -> None:
        blocks = {"train": SETTINGS, "simulate": SIMULATE, "network": ("step",)}
        present = {"train": tree.Train, "simulate": tree.Simulate, "network": tree.Network}
        for name, setting in self.settings.items():
            block, _, key = name.partition(".")
            known = [*self.scope.constants, *(f"{b}.{k}" for b, keys in blocks.items() for k in keys)]
            if name in self.scope.constants or (
                key in blocks.get(block, ()) and any(isinstance(b, present[block]) for b in self.blocks)
            ):
                continue
            text = f"{name}={setting}"
            source = Source("--set", text)
            kind = (
                f"the file has no `{block}` block"
                if key in blocks.get(block, ())
                else f"the file has no `param {name}`"
            )
            span = Span(source, 0, len(name))
            in_block = [k for k in known if k.endswith(f".{name}")]  # `rule` for `train.rule`
            help = () if name in known else did_you_mean(name, known)  # else its block is what is missing
            help = help or tuple(f"did you mean `{k}`?" for k in in_block)
            written, _, argument = key.partition(".")
            if argument and written in blocks.get(block, ()):
                help = (f"a key is set as a whole, e.g. `{block}.{written}=NAME({argument} = {setting})`",)
            self.diagnostics.error("unknown-setting", span, kind, help=help)

    # --------------------------------------------------------------------------------------------------- blocks
    def _network(self) -> tree.Network | None:
        networks = [b for b in self.blocks if isinstance(b, tree.Network)]
        names = [n.name.name for n in networks]
        if self.chosen is not None:
            found = next((n for n in networks if n.name.name == self.chosen), None)
            if found is None:
                message = f"there is no network `{self.chosen}`"
                there_are = (f"the file has {', '.join(f'`{n}`' for n in names)}",) if names else ()
                self.diagnostics.error(
                    "unknown-name", None, message, notes=there_are, help=did_you_mean(self.chosen, names)
                )
            return found
        if not networks:
            span = Span(self.file.span.source, 0, 0)
            self.diagnostics.error("missing-network", span, "this file has no `network`")
            return None
        if len(networks) > 1:
            help = f"choose one: `--network {names[0]}`"
            shown = ", ".join(f"`{n}`" for n in names)
            self.diagnostics.error(
                "several-networks", networks[1].name.span, f"this file has several networks: {shown}", help=help
            )
            return None
        return networks[0]

    def _block(self, kind: type[Any]) -> Any:
        found = [b for b in self.blocks if isinstance(b, kind)]
        for extra in found[1:]:
            word = kind.__name__.lower()
            self.diagnostics.error("duplicate", extra.span, f"a file has one `{word}` block only")
        return found[0] if found else None

    def _whole(self, written: tree.Expression) -> int | None:
        number = self.declared.constant(written)
        if number.term is None:
            return None
        value = number.expression
        if not number.term.plain or not isinstance(value, Number) or value.value != int(value.value):
            self.diagnostics.error("wrong-argument", written.span, "a bound of `for` must be a whole number")
            return None
        return int(value.value)

    def _expanded(self, parts: tuple[Any, ...]) -> tuple[Any, ...]:
        expanded = expand(parts, self._whole, self.diagnostics)
        for part in expanded:
            report_braces(part, self.diagnostics)
        return expanded

    def _unrolled(self, block: tree.Network) -> tuple[Any, ...]:
        parts = self._expanded(block.parts)
        if "network.step" in self.settings:
            value = self._override("network.step")
            parts = (*(p for p in parts if not isinstance(p, tree.Step)), tree.Step(value[0], value[0].span))
        return parts

    def _settings(self, block: tree.Train | tree.Simulate, name: str) -> tuple[Any, ...]:
        """The statements of a block, with `--set` put in."""
        parts = self._expanded(block.parts)
        known = SETTINGS if isinstance(block, tree.Train) else SIMULATE
        for key in self.settings:
            of, _, word = key.partition(".")
            if of != name or word not in known:  # others were reported
                continue
            values = self._override(key)
            setting = tree.Setting(tree.Identifier(word, values[0].span), values, values[0].span)
            parts = (*(p for p in parts if not isinstance(p, tree.Setting) or p.name.name != word), setting)
        return parts

    def _override(self, key: str) -> tuple[tree.Expression, ...]:
        setting = self.settings[key]
        text = setting if isinstance(setting, str) else repr(setting)
        if not isinstance(setting, str) and key in ("network.step", "simulate.duration"):
            text += " s"  # numbers are in SI units
        where = f"--set {key}"
        return (
            parse_expressions(text, where) if key.removeprefix("train.") in LISTS else (parse_expression(text, where),)
        )

    def _learnt(self, parts: tuple[Any, ...], train_parts: tuple[Any, ...]) -> dict[str, set[str]]:
        settings = tuple(p for p in train_parts if isinstance(p, tree.Setting))
        return learnt_names(settings, tuple(p for p in parts if isinstance(p, tree.Connect)))

    def _training(self, block: tree.Train, parts: tuple[Any, ...], network: Draft) -> training_nodes.Training | None:
        settings = read_settings(
            tuple(p for p in parts if isinstance(p, tree.Setting)), SETTINGS, "train", self.diagnostics, LISTS
        )
        resolver = TrainingResolver(
            block, settings, network.populations, network.connections, network.broken, network.step, self.scope,
            self.diagnostics,
        )  # fmt: skip
        return resolver.resolve()


def _with_bounds(model: nodes.Model) -> nodes.Model:
    """The bounds that training keeps, also in the parameters themselves."""
    if model.training is None:
        return model
    bounds = {learnt.key: learnt.bounds for learnt in model.training.learn if learnt.bounds}

    def bounded(owner: str, parameter: nodes.Parameter) -> nodes.Parameter:
        return replace(parameter, bounds=bounds.get(f"{owner}.{parameter.name}", parameter.bounds))

    populations = tuple(
        replace(p, parameters=tuple(bounded(p.name, q) for q in p.parameters)) for p in model.populations
    )
    connections = tuple(replace(c, weight=bounded(c.name, c.weight)) for c in model.connections)
    return replace(model, populations=populations, connections=connections)
