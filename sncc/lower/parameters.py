"""The parameters of a Program: every number under the key by which Python knows it, in the shape that Python sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf, isfinite, prod

from sncc.connectivity.patterns import Convolution, Dense, OfSynapses, OneToOne, Part, Shared, is_matrix
from sncc.expressions.algebra import add, div, mul, sub
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute
from sncc.expressions.ranges import range_of
from sncc.lower.compiled_numbers import compiled_numbers
from sncc.model.divisors import divisors
from sncc.model.nodes import Connection, Model, Parameter, Population
from sncc.model.training_nodes import Learnt
from sncc.program import groups as program_groups
from sncc.program.groups import Connection as Lowered


def key_of(population: Population, parameter: Parameter) -> str:
    """Python's name for a population's parameter."""
    return parameter.key or f"{population.name}.{parameter.name}"


def program_parameters(
    written: Model, placed: Model, connections: Iterable[Lowered]
) -> tuple[program_groups.Parameter, ...]:
    """All parameters of a model: as `written`, and as its synapses have been `placed` in the neurons."""
    learnt = {entry.key: entry for entry in written.training.learn} if written.training else {}
    found: dict[str, program_groups.Parameter] = {}
    lowered = {c.name: c for c in connections}
    whole = {c.name: c for c in written.connections}
    for connection in placed.connections:
        if connection.synapses_of is None:
            if isinstance(connection.pattern, OfSynapses):  # weights lie as they are written
                connection = whole.get(connection.name, connection)
            _of_connection(connection, lowered[connection.name], learnt, found, written.step)
    for population in placed.populations:
        if population.kind in ("neuron", "poisson"):
            _of_population(population, lowered, learnt, found)
    for connection in written.connections:  # numbers that synapses of their own hold, as Python sees them
        if connection.name not in lowered:
            _of_own_synapses(written, connection, learnt, found)
    for connection in written.connections:
        _of_what_is_written(connection, learnt, found)
    for key, parameter in compiled_numbers(written):
        found.setdefault(key, _parameter(key, parameter, (1,), learnt))
    divided_by = divisors(written)
    return tuple(replace(p, divisor=divided_by.get(p.key, "")) for p in found.values())


def _of_population(
    population: Population, lowered: Mapping[str, Lowered], learnt: Mapping[str, Learnt],
    found: dict[str, program_groups.Parameter],
) -> None:  # fmt: skip
    whose = population.name.partition(".")[0] if population.holds == "synapses" else ""
    for parameter in population.parameters:
        key = key_of(population, parameter)
        made = _parameter(key, parameter, (population.size,), learnt)
        if whose in lowered and made.shape:  # of as many synapses as the library finds
            made = replace(made, shape=(-1,), connection=whose)
        if key not in found or found[key].dimensions < made.dimensions:  # of several, for the largest
            found[key] = made


def _of_what_is_written(
    connection: Connection, learnt: Mapping[str, Learnt], found: dict[str, program_groups.Parameter]
) -> None:
    """Numbers that nothing reads any more, which are still there to be read, and modulators that Python sets."""
    for key, parameter in _numbers(connection):
        found.setdefault(key, _of_each_synapse(key, parameter, connection, learnt))
    following = {modulator for modulator, _, _ in connection.modulators}
    for modulator in connection.plasticity.modulators if connection.plasticity is not None else ():
        if modulator.name not in following:
            key = f"{connection.name}.plasticity.{modulator.name}"
            given = Parameter(modulator.name, Number(0.0), modulator.unit, "shared")
            found.setdefault(key, _parameter(key, given, (1,), learnt))


def _of_own_synapses(
    written: Model, connection: Connection, learnt: Mapping[str, Learnt], found: dict[str, program_groups.Parameter]
) -> None:
    is_full = isinstance(connection.pattern, Dense)
    ends = tuple(written.population(name).size for name in (connection.source, connection.target))
    for key, _ in _numbers(connection):
        if is_full and key in found and found[key].shape:
            found[key] = replace(found[key], shape=ends)
    weight = found.get(f"{connection.name}.weight")
    if weight is None:
        return
    shape = ends if weight.shape and is_full else weight.shape
    found[weight.key] = replace(weight, shape=shape, keeps_sign=connection.sign_fixed)


def _numbers(connection: Connection) -> Iterator[tuple[str, Parameter]]:
    """What a connection's synapses and their plasticity have as parameters, under Python's names."""
    for prefix, block in (("", connection.synapse), ("plasticity.", connection.plasticity)):
        for parameter in block.parameters if block is not None else ():
            yield f"{connection.name}.{prefix}{parameter.name}", parameter


def _of_each_synapse(
    key: str, parameter: Parameter, connection: Connection, learnt: Mapping[str, Learnt]
) -> program_groups.Parameter:
    """A parameter of a connection's synapses that nothing else in the Program stands for:
    like its weights, a matrix where it is `dense`.
    """
    if parameter.storage != "each":
        return _parameter(key, parameter, (1,), learnt)
    parts = connection.source_part, connection.target_part
    if isinstance(connection.pattern, Dense) and is_matrix(connection.pattern, *parts):
        return _at(_parameter(key, parameter, (parts[0].size, parts[1].size), learnt), _places(connection, False))
    return _parameter(key, parameter, (1,), learnt, connection.name)


def _of_connection(
    connection: Connection,
    lowered: Lowered,
    learnt: Mapping[str, Learnt],
    found: dict[str, program_groups.Parameter],
    step: float,
) -> None:
    sizes = lowered.source_size, lowered.target_size
    pattern = lowered.pattern
    if isinstance(lowered.structure, OfSynapses) and is_matrix(
        connection.pattern, connection.source_part, connection.target_part
    ):
        sizes = connection.source_part.size, connection.target_part.size
        pattern = "dense" if isinstance(connection.pattern, Dense) else "one_to_one"
    shape: tuple[int, ...] | None = None
    owner: str | None = None
    places = {} if pattern == "sparse" else _places(connection, pattern == "one_to_one")
    if isinstance(connection.pattern, Convolution):
        inputs = prod(connection.source_part.lengths[2:])
        shape = (*connection.pattern.kernel, inputs, connection.pattern.channels)
        dimensions: tuple[int, ...] = (prod(shape[:3]), shape[3])
    elif pattern == "sparse":
        dimensions, owner = (-1,), connection.name
    else:
        dimensions = sizes if pattern == "dense" else sizes[:1]
    if connection.share is None:
        key = f"{connection.name}.weight"
        if isinstance(connection.pattern, Shared):
            weight = _for_all_pairs(key, connection, connection.pattern.pattern, learnt)
        else:
            weight = _at(_parameter(key, connection.weight, dimensions, learnt, owner, shape), places)
        found[key] = replace(weight, keeps_sign=connection.sign_fixed)
    if connection.delay is not None and not connection.delay.key:  # else it is another connection's
        key = f"{connection.name}.delay"
        if isinstance(connection.pattern, Convolution):  # its weights are the kernel's
            dimensions, owner = (-1,), connection.name
        made = _at(_parameter(key, connection.delay, dimensions, learnt, owner), places)
        found[key] = _bounded_delay(made, connection, step) if made.learnt else made


def _for_all_pairs(
    key: str, connection: Connection, pattern: Dense | OneToOne, learnt: Mapping[str, Learnt]
) -> program_groups.Parameter:
    """A weight that others share and that does not lie as a connection alone would have it."""
    in_line = isinstance(pattern, OneToOne)
    sizes = connection.source_part.size, connection.target_part.size
    weight = _parameter(key, connection.weight, sizes[:1] if in_line else sizes, learnt)
    return _at(weight, _places(connection, in_line))


def _places(connection: Connection, in_line: bool) -> dict[str, Expression]:
    """What `i` and `j`, the indices of source and target in their populations,
    are by row and column of a matrix, or place `in_line`.
    """
    row, column = Symbol("i"), Symbol("i" if in_line else "j")
    return {"i": _flat(connection.source_part, row), "j": _flat(connection.target_part, column)}


def _flat(part: Part, index: Expression) -> Expression:
    """The index in the population of a part's neuron of some number: `Part.flat`, as an expression."""
    if (place := part.contiguous) is not None:
        return add(index, Number(float(place[0])))
    flat, size, stride = Number(float(part.flat(0))), 1, 1
    result: Expression = flat
    for length, wide in zip(reversed(part.lengths), reversed(part.shape), strict=True):
        beyond = apply("floor", div(index, Number(float(size * length))))
        along = sub(apply("floor", div(index, Number(float(size)))), mul(Number(float(length)), beyond))
        result = add(result, mul(Number(float(stride)), along))
        size, stride = size * length, stride * wide
    return result


def _at(parameter: program_groups.Parameter, places: Mapping[str, Expression]) -> program_groups.Parameter:
    return replace(parameter, initial=substitute(parameter.initial, places)) if places else parameter


def _bounded_delay(delay: program_groups.Parameter, connection: Connection, step: float) -> program_groups.Parameter:
    """A learnt delay stays above the smallest legal one, and below what is stated, else twice the
    sum of the shortest and the longest first value (of one number: four times that), or 100 steps;
    what is drawn beyond is moved to the bound.

    A bound is needed: it says for how long spikes are kept.
    """
    assert connection.delay is not None
    low, high = delay.bounds or (0.0, inf)
    shortest, longest = _first_delays(connection, connection.delay, step)
    if not isfinite(high):
        high = max(2 * (shortest + longest), longest, 100 * step)
    bounds = max(low, connection.delay_steps * step), high if isfinite(high) else 100 * step
    moved = shortest < bounds[0] or longest > bounds[1]
    return replace(delay, bounds=bounds, initial=_within(delay.initial, bounds) if moved else delay.initial)


def _first_delays(connection: Connection, delay: Parameter, step: float) -> tuple[float, float]:
    """The shortest and the longest, nearly surely, with which training begins."""
    indices = {n: (0.0, prod(p.shape) - 1.0) for n, p in zip("ij", (connection.source_part, connection.target_part))}
    least, most = range_of(delay.value, {"step": (step, step), **indices})
    low, high = delay.clip or (-inf, inf)
    return max(least, low, 0.0), min(most, high)


def _within(first: Expression, bounds: tuple[float, float] | None) -> Expression:
    """A first value, moved into its bounds: what is drawn need not lie there."""
    if bounds is None:
        return first
    low, high = bounds
    if isinstance(first, Number):
        return Number(min(max(first.value, low), high))
    raised = apply("max", first, Number(low)) if isfinite(low) else first
    return apply("min", raised, Number(high)) if isfinite(high) else raised


def _parameter(
    key: str, parameter: Parameter, dimensions: tuple[int, ...], learnt: Mapping[str, Learnt],
    connection: str | None = None, shape: tuple[int, ...] | None = None,
) -> program_groups.Parameter:  # fmt: skip
    entry = learnt.get(key)
    given = [b for b in (parameter.bounds, entry.bounds if entry else None) if b is not None]
    bounds = (max(b[0] for b in given), min(b[1] for b in given)) if given else None
    return program_groups.Parameter(
        key=key,
        shape=(shape or dimensions) if parameter.storage == "each" else (),
        dimensions=(-1,) if connection is not None else dimensions,
        storage=parameter.storage,
        initial=_within(parameter.value, bounds),
        clip=parameter.clip,
        unit="" if parameter.unit.dimensionless else str(parameter.unit),
        si=parameter.unit.to_si,
        scale=parameter.scale,
        learnt=entry is not None,
        rate=entry.rate if entry else 1.0,
        bounds=bounds,
        connection=connection,
        doc=parameter.doc,
    )
