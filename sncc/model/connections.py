"""The connections of a network."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace

from sncc.connectivity.patterns import Convolution, Dense, OneToOne, Part
from sncc.diagnostics import Diagnostics, did_you_mean
from sncc.model import nodes
from sncc.model.delays import read_delay, read_post_delay
from sncc.model.draft import Draft
from sncc.model.mechanisms import MechanismResolver
from sncc.model.parts import resolve_part
from sncc.model.patterns import Ends, PatternResolver, pattern_name, same_kernel
from sncc.model.rewiring import resolve_rewiring
from sncc.model.scope import Scope
from sncc.model.unstored import REMEDY, check_unstored, read_stored
from sncc.model.values import constant_number, element_names, resolve_interval_of, resolve_value
from sncc.model.weights import Place, WeightResolver
from sncc.syntax import tree

OPTIONS = ("weight", "delay", "post_delay", "synapse", "plasticity", "share", "sign", "rewire", "dropout", "stored")


@dataclass(frozen=True)
class _End:
    population: nodes.Population
    part: Part


@dataclass
class ConnectionResolver:
    """Resolves one connection after the other into a draft."""

    draft: Draft
    learnt: Mapping[str, Set[str]]
    scope: Scope
    diagnostics: Diagnostics

    def resolve(self, part: tree.Connect) -> nodes.Connection | None:
        """Add a connection to the draft; a mistake leaves it out."""
        before = len(self.diagnostics.errors)
        options = self._options(part)
        connection = self._connection(part, options)
        if connection is None:
            self._look_over(part, options)
        if connection is None or len(self.diagnostics.errors) > before:
            self.draft.broken.add(part.known_as)
            return None
        self.draft.connections[connection.name] = connection
        return connection

    def _connection(self, part: tree.Connect, options: dict[str, tree.Option]) -> nodes.Connection | None:
        source, target = self._endpoint(part.source), self._endpoint(part.target)
        if "weight" not in options and "share" not in options and all(o.name.name in OPTIONS for o in part.options):
            help = "add `weight = …`"
            self.diagnostics.error("missing-weight", part.span, "this connection has no `weight`", help=help)
        if source is None or target is None:
            return None
        name = self._name(part, source.population, target.population)
        where = self._input(part, target.population)
        ends = Ends(source.part, target.part, source.population.name, target.population.name, target.population.model)
        pattern = PatternResolver(ends, self.scope, self.diagnostics).resolve(part.pattern)
        spikes = self._spikes(part, source.population, options)
        if where is None or name is None or pattern is None or not spikes:
            return None
        learnt = self.learnt.get(name, frozenset())
        mechanisms = MechanismResolver(
            self.draft, source.population, target.population, where, learnt, self.scope, self.diagnostics
        )
        synapse = mechanisms.synapse(options["synapse"]) if "synapse" in options else None
        if "synapse" in options and synapse is None:
            return None
        place = Place(source.population, target.population, where, pattern[0], pattern[1], synapse)
        share = self._share(name, options, place, source.part, target.part) if "share" in options else None
        weight = self._weight(options, place, "weight" in learnt, share)
        if weight is None:
            return None
        plastic = mechanisms.plasticity(options["plasticity"], weight.unit) if "plasticity" in options else None
        if "plasticity" in options and plastic is None:
            return None
        if plastic is not None:  # every synapse changes by itself
            weight = replace(weight, storage="each")
        if "post_delay" in options and not (plastic is not None and (plastic[0].on_post or plastic[0].post_states)):
            self._without_post(options["post_delay"], "plasticity" in options)
        step = self.draft.step
        names = element_names(pattern[1])
        delay = read_delay(options.get("delay"), "delay" in learnt, names, step, self.scope, self.diagnostics)
        self.draft.delays[name] = delay.fixed
        stored = read_stored(options.get("stored"), self.diagnostics)
        if not stored:
            check_unstored(options, pattern[0], delay, source.population, self.diagnostics)
        return nodes.Connection(
            name, source.population.name, target.population.name, where.name, pattern[0], weight, 0, source.part,
            target.part, delay.parameter, read_post_delay(options.get("post_delay"), step, self.scope, self.diagnostics),
            synapse.node if synapse else None, plastic[0] if plastic else None, share[0] if share else None,
            self._sign(options.get("sign")), self._dropout(options.get("dropout")),
            resolve_rewiring(options.get("rewire"), pattern[0], weight, self.scope, self.diagnostics),
            plastic[1] if plastic else (), stored=stored, span=part.span,
        )  # fmt: skip

    def _weight(
        self, options: dict[str, tree.Option], place: Place, learnt: bool,
        share: tuple[tuple[str, bool], nodes.Parameter] | None,
    ) -> nodes.Parameter | None:  # fmt: skip
        weights = WeightResolver(self.draft, self.scope, self.diagnostics)
        if share is not None:
            weights.check_unit(share[1], options["share"], place)
            return share[1]
        return weights.resolve(options["weight"], learnt, place) if "weight" in options else None

    def _without_post(self, option: tree.Option, plastic: bool) -> None:
        """A delay of what nothing waits for."""
        missing = (
            "this plasticity has no `on post` and no `post state`" if plastic else "this connection has no `plasticity`"
        )
        note = "it is the time after which a spike of the target is noticed at the synapse, by `on post` and a `post state`"
        help = "a spike on its way to the target takes `delay`"
        self.diagnostics.error(
            "wrong-argument", option.span, f"`post_delay` delays nothing: {missing}", notes=(note,), help=help
        )

    def _look_over(self, part: tree.Connect, options: dict[str, tree.Option]) -> None:
        """Mistakes in what a connection that cannot be resolved says besides."""
        names = element_names((1.0, 1.0))
        pattern_name(part.pattern, self.diagnostics)
        read_delay(options.get("delay"), False, names, self.draft.step, self.scope, self.diagnostics)
        read_post_delay(options.get("post_delay"), self.draft.step, self.scope, self.diagnostics)
        self._sign(options.get("sign"))
        self._dropout(options.get("dropout"))
        read_stored(options.get("stored"), self.diagnostics)
        weight = options.get("weight")
        if weight is not None:
            value = resolve_value(weight.value, self.scope, self.diagnostics, names)
            if weight.interval is not None and value.unit is not None:
                resolve_interval_of(weight.interval, value.unit, self.scope, self.diagnostics, "the bounds")

    def _endpoint(self, endpoint: tree.Endpoint) -> _End | None:
        name = endpoint.name.name
        if name in self.draft.broken or "{" in name:  # which was told where loops are unrolled
            return None
        if name not in self.draft.populations:
            known = [*self.draft.populations, *self.draft.broken]
            hints = did_you_mean(name, known)
            if self.scope.definition(name) is not None:
                hints = (f"`{name}` is a model; connect populations of it",)
            self.diagnostics.error("unknown-name", endpoint.name.span, f"unknown population `{name}`", help=hints)
            return None
        population = self.draft.populations[name]
        part = resolve_part(endpoint, population, self.scope, self.diagnostics)
        return None if part is None else _End(population, part)

    def _options(self, part: tree.Connect) -> dict[str, tree.Option]:
        found: dict[str, tree.Option] = {}
        for option in part.options:
            name = option.name.name
            if name not in OPTIONS:
                message = f"a connection has no `{name}`"
                hints = did_you_mean(name, OPTIONS) or ("it takes " + ", ".join(f"`{o}`" for o in OPTIONS),)
                self.diagnostics.error("unknown-name", option.name.span, message, help=hints)
            elif name in found:
                self.diagnostics.error("duplicate", option.span, f"`{name}` is given twice")
            else:
                found[name] = option
            if option.interval is not None and name not in ("weight", "delay"):
                message = "bounds stand behind a weight or a delay"
                self.diagnostics.error("misplaced", option.interval.span, message)
            if option.transposed and name != "share":
                message = "`transposed` stands behind a shared weight: `share = a_b transposed`"
                self.diagnostics.error("misplaced", option.span, message)
        if "share" in found and "weight" in found:
            message = "a connection has a `weight` of its own or a `share` of another's"
            self.diagnostics.error("duplicate", found["share"].span, message)
        return found

    def _spikes(self, part: tree.Connect, source: nodes.Population, options: Mapping[str, tree.Option]) -> bool:
        """Whether the source spikes, where the connection delivers spikes."""
        if source.dynamics is None or source.dynamics.spike is not None or "synapse" in options:
            return True
        message = f"`{source.name}` does not spike: `{source.model}` has no `spike when`"
        help = "a `synapse` can deliver its state all the time: `deliver weight * pre.v`"
        self.diagnostics.error("missing-spike", part.source.span, message, help=help)
        return False

    def _name(self, part: tree.Connect, source: nodes.Population, target: nodes.Population) -> str | None:
        name = part.name.name if part.name else f"{source.name}_{target.name}"
        span = part.name.span if part.name else part.source.span.to(part.target.span)
        if name in self.draft.connections:
            other = self.draft.connections[name].span
            note = f"another stands in line {other.line}" if other else ""
            message = f"two connections are called `{name}`"
            help = f"name one: `connect second = {source.name} -> {target.name}: …`"
            self.diagnostics.error("duplicate", span, message, notes=(note,), help=help)
            return None
        if name in self.draft.populations:
            message = f"`{name}` is the name of a population already"
            help = f"name the connection: `connect other = {source.name} -> {target.name}: …`"
            self.diagnostics.error("duplicate", span, message, help=help)
            return None
        return name

    def _input(self, part: tree.Connect, target: nodes.Population) -> nodes.Input | None:
        if target.dynamics is None:
            message = f"nothing can be delivered to `{target.name}`: it is a source"
            self.diagnostics.error("wrong-argument", part.target.span, message)
            return None
        inputs = target.dynamics.inputs
        if part.target.input is not None:
            found = next((i for i in inputs if i.name == part.target.input.name), None)
            if found is None:
                message = f"`{target.model}` has no input `{part.target.input}`"
                hints = did_you_mean(part.target.input.name, [i.name for i in inputs])
                self.diagnostics.error("unknown-name", part.target.input.span, message, help=hints)
            return found
        if len(inputs) == 1:
            return inputs[0]
        choices = ", ".join(f"`{target.name}.{i.name}`" for i in inputs)
        message = f"`{target.model}` has several inputs" if inputs else f"`{target.model}` has no input"
        help = f"say which: {choices}" if inputs else "declare one: `input I`"
        self.diagnostics.error("ambiguous-input", part.target.span, message, help=help)
        return None

    def _share(
        self, own: str, options: Mapping[str, tree.Option], place: Place, source: Part, target: Part
    ) -> tuple[tuple[str, bool], nodes.Parameter] | None:
        """`share = a_b transposed`: the other connection and whether its matrix is turned, with its weight."""
        option = options["share"]
        written = option.value
        name = str(written) if isinstance(written, tree.Name) else ""
        other = self.draft.connections.get(name)
        if name in self.draft.broken:
            return None
        if other is None:
            self._without_owner(written, name, own)
            return None
        if other.share is not None:
            help = f"share the weights of `{other.share[0]}`"
            self.diagnostics.error("wrong-argument", written.span, f"`{name}` has no weights of its own", help=help)
            return None
        if other.rewiring is not None or "rewire" in options:
            message = "synapses that training moves cannot share their weights"
            self.diagnostics.error("wrong-argument", option.span, message)
            return None
        if not other.stored:
            help = f"{REMEDY} there, or give this connection a `weight` of its own"
            message = f"the weights of `{name}` are not stored"
            self.diagnostics.error("wrong-argument", written.span, message, help=help)
            return None
        if option.transposed and not isinstance(other.pattern, Dense | OneToOne):
            message = f"`{name}` has no matrix to transpose: its weights are those of `{other.pattern}`"
            self.diagnostics.error("wrong-argument", option.span, message, help="share those of `dense`")
            return None
        for pattern in (other.pattern, place.pattern):
            if not same_kernel(pattern, pattern):
                help = "share between connections that are `dense`, `one_to_one` or `conv2d`"
                self.diagnostics.error(
                    "wrong-argument", option.span, f"weights of `{pattern}` cannot be shared", help=help
                )
                return None
        sizes = (other.source_part.size, other.target_part.size)
        wanted = (target.size, source.size) if option.transposed else (source.size, target.size)
        fits = same_kernel(other.pattern, place.pattern) and (
            sizes == wanted or (_same_channels(other, place, source) and not option.transposed)
        )
        if "plasticity" in options or other.plasticity is not None:
            message = "plastic weights cannot be shared"
            self.diagnostics.error("wrong-argument", option.span, message)
            return None
        if not fits:
            turned, ends = (" transposed", sizes[::-1]) if option.transposed else ("", sizes)
            message = f"the weights of `{name}`{turned} do not fit: {other.pattern} {ends[0]} x {ends[1]}"
            label = f"here {place.pattern} {source.size} x {target.size}"
            self.diagnostics.error("shape-mismatch", option.span, message, label)
            return None
        if "sign" in options:
            message = f"the sign is kept where the weights are: in `{name}`"
            help = f"leave it out: `{name}` keeps it" if other.sign_fixed else f"write `sign = fixed` in `{name}`"
            self.diagnostics.error("wrong-argument", options["sign"].span, message, help=help)
            return None
        return (name, option.transposed), other.weight

    def _without_owner(self, written: tree.Expression, name: str, own: str) -> None:
        """Report a `share` of what has no weights: the connection itself, one that shares others', or none at all."""
        owner, passed = name, {own}
        while owner in self.draft.sharing and owner not in passed:
            passed.add(owner)
            owner = self.draft.sharing[owner]
        code, message = "wrong-argument", f"`{name}` has no weights of its own"
        hints: tuple[str, ...] = ("give one of them a `weight`, which the others share",)
        if name == own:
            message, hints = f"`{name}` names itself", ("name another connection, or give this one a `weight`",)
        elif name not in self.draft.sharing:
            code, message = "unknown-name", f"unknown connection `{written.span.text}`"
            hints = did_you_mean(name, self.draft.connections)
        elif owner in self.draft.connections:
            hints = (f"share the weights of `{owner}`",)
        self.diagnostics.error(code, written.span, message, help=hints)

    def _sign(self, option: tree.Option | None) -> bool:
        if option is None:
            return False
        if not isinstance(option.value, tree.Name) or str(option.value) != "fixed":
            help = "write `sign = fixed`: training keeps each weight's sign"
            self.diagnostics.error("wrong-argument", option.value.span, "a sign is `fixed` or free", help=help)
        return True

    def _dropout(self, option: tree.Option | None) -> float:
        if option is None:
            return 0.0
        number = constant_number(option.value, "`dropout`, a probability,", self.scope, self.diagnostics)
        if number is not None and not 0 <= number < 1:
            self.diagnostics.error("wrong-argument", option.value.span, "`dropout` is from 0 to below 1")
        return number if number is not None and 0 <= number < 1 else 0.0


def _same_channels(other: nodes.Connection, place: Place, source: Part) -> bool:
    """Whether two convolutions have kernels of one shape, wherever they slide."""
    shapes = other.source_part.lengths, source.lengths
    return isinstance(place.pattern, Convolution) and len({shape[2] if len(shape) > 2 else 1 for shape in shapes}) == 1
