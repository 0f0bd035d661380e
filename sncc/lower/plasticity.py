"""What moves synapse by synapse: plastic weights, and states of synapses that no neuron can carry.

Model → Model (`place_traces`): the `pre` and `post` states of a plasticity become populations of their own,
`CONN.plasticity.pre` and `CONN.plasticity.post`, moved one to one by the spikes of the source (as they arrive) and of
the target. A pre state jumps after its synapses were served, so its value from before is kept beside it; a post state
holds, throughout a step, what it was before the target's spike of that step. Model → Program (`lower_synapses`):
equations, `on pre` and `on post` of each synapse as updates over the synapses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sncc.diagnostics import DiagnosticError
from sncc.expressions.algebra import ONE, ZERO, add, fold_all, has_draws
from sncc.expressions.nodes import Expression, Number, Symbol, apply, substitute, symbols
from sncc.expressions.units import PLAIN
from sncc.lower.draws_apart import with_draws_apart
from sncc.lower.flow import flow
from sncc.lower.followers import follow_modulator, followed_traces, follower_of, trace_name
from sncc.lower.movers import method_of
from sncc.lower.names_apart import called, with_names_apart
from sncc.lower.noise import noise_of
from sncc.lower.shared_draws import index_of, is_shared_draw, read_behind_its_draw, step_of
from sncc.lower.synapse_constants import with_constants
from sncc.lower.traces import can_spike, drive, most_spikes, trace_population, unsupported
from sncc.model.nodes import (
    Assignment,
    Connection,
    Dynamics,
    Equation,
    Input,
    Model,
    Parameter,
    Plasticity,
    Population,
    State,
    Synapse,
)
from sncc.model.white_noise import NOISE, is_noise
from sncc.program.groups import SynapseStates
from sncc.program.operations import SynapseUpdate
from sncc.program.statements import Assign, Draw, Statement
from sncc.program.streams import stream

_INDEX = "neuron.index"  # of traces whose draws synapses see: a state, their neuron's number
_STEP = "neuron.step"  # of those that synapses see each after a delay of its own: a state, the number of the step
_MET = "met."  # before the names of states of a neuron as they are where its spike arrives


def _unsupported(connection: Connection, what: str, help: str) -> DiagnosticError:
    plasticity = connection.plasticity
    span = plasticity.span if plasticity is not None and plasticity.span is not None else connection.span
    return unsupported(span, what, help)


# ------------------------------------------------------------------------------------------------ traces
def place_traces(model: Model) -> Model:
    """The model with populations for the traces of every plastic connection."""
    populations, connections = list(model.populations), list(model.connections)
    for connection in model.connections:
        for side in ("pre", "post"):
            if connection.plasticity is not None and _own(connection.plasticity, side):
                population, drives = _trace(model, connection, connection.plasticity, side)
                populations.append(population)
                connections += drives
        for population, follows in (
            followed_traces(model, connection, connection.plasticity) if connection.plasticity else ()
        ):
            populations.append(population)
            connections.append(follows)
        for modulator, population_name, variable in connection.modulators:
            bound, follows = follow_modulator(model, connection, modulator, population_name, variable)
            populations.append(bound)
            connections.append(follows)
    return replace(model, populations=tuple(populations), connections=tuple(connections))


def _own(plasticity: Plasticity, side: str) -> tuple[State, ...]:
    return plasticity.pre_states if side == "pre" else plasticity.post_states


def _trace(
    model: Model, connection: Connection, plasticity: Plasticity, side: str
) -> tuple[Population, list[Connection]]:
    states = _own(plasticity, side)
    names = {s.name for s in states}
    equations = tuple(e for e in plasticity.equations if e.state in names)
    jumps = tuple(a for a in (plasticity.on_pre if side == "pre" else plasticity.on_post) if a.state in names)
    neuron = model.population(connection.source if side == "pre" else connection.target)
    flowing = {s for e in equations for s in symbols(e.derivative)}
    jumping = {s for a in jumps for s in symbols(a.value)}
    own = {f"{side}.{s.name}" for s in neuron.dynamics.states} if neuron.dynamics is not None else set()
    numbers = [
        replace(q, name=f"{side}.{q.name}", key=q.key or f"{neuron.name}.{q.name}")
        for q in neuron.parameters
        if f"{side}.{q.name}" in flowing | jumping
    ]
    known = names | {p.name for p in (*plasticity.parameters, *numbers)} | own | {"t", "step"}
    if foreign := sorted(name for name in (flowing | jumping) - known if not is_noise(name)):
        what = f"a {side} state of a plasticity that reads `{foreign[0]}`"
        raise _unsupported(connection, what, f"let it read {side} states, parameters and states of the neuron alone")
    followed, met = sorted(flowing & own), sorted(jumping & own)  # all the time, and where a spike has left them
    at_spikes: dict[str, Expression] = {name: Symbol(f"{_MET}{name}") for name in met}
    waits = (side,) * can_spike(neuron)  # for spikes; states of what has none flow alone
    before = tuple(State(f"{s.name}.before", s.initial, s.unit) for s in states) if side == "pre" else ()
    seen = [State(_INDEX, Symbol("i"), PLAIN)] * (read_behind_its_draw(plasticity) is not None)
    counts = bool(seen) and side == "pre" and connection.delay is not None
    seen += [State(_STEP, ZERO, PLAIN)] * counts
    dynamics = Dynamics(
        states=(*states, *before, *seen),
        inputs=tuple(Input(name, PLAIN) for name in (*waits, *followed, *(f"{_MET}{name}" for name in met))),
        equations=equations,
        arrivals=tuple((w, tuple(replace(a, value=substitute(a.value, at_spikes)) for a in jumps)) for w in waits),
        early=waits if side == "post" else (),
        once=waits if side == "post" else (),
        most=most_spikes(neuron),
        kept=(
            *(Assignment(s.name, Symbol(s.name.removesuffix(".before"))) for s in before),
            *[Assignment(_STEP, add(Symbol(_STEP), ONE))] * counts,
        ),
    )
    used = flowing | jumping | {s for state in states for s in symbols(state.initial)}
    parameters = [
        replace(p, key=f"{connection.name}.plasticity.{p.name}") for p in plasticity.parameters if p.name in used
    ]
    name = trace_name(connection, side)
    if side == "pre":
        delay = 0 if connection.delay is not None else connection.delay_steps
    else:
        delay = 1 + connection.post_delay_steps
    drives = [drive(name, neuron, name, w, delay) for w in waits]
    ago = 1 + (delay if side == "pre" else 0)
    drives += [drive(f"{name}.{k}", neuron, name, k, ago, k.partition(".")[2]) for k in followed]
    drives += [drive(f"{name}.{_MET}{k}", neuron, name, f"{_MET}{k}", delay, k.partition(".")[2]) for k in met]
    return trace_population(name, neuron, (*parameters, *numbers), dynamics, connection.span), drives


# ------------------------------------------------------------------------------------------------ updates of synapses
@dataclass(frozen=True, slots=True)
class LoweredSynapses:
    """What a connection's synapses need in the Program."""

    states: SynapseStates
    updates: tuple[SynapseUpdate, ...]


def lower_synapses(model: Model, connection: Connection) -> LoweredSynapses | None:
    """The updates of a connection's synapses; None where nothing moves synapse by synapse."""
    if connection.synapse is None and connection.plasticity is None:
        return None
    connection = with_names_apart(connection)
    synapse, plasticity = connection.synapse, connection.plasticity
    blocks = [b for b in (synapse, plasticity) if b is not None]
    states = tuple(s for b in blocks for s in b.states)
    names = _Names(model, connection)
    step, constants = _every_step(model.step, connection, names), tuple[tuple[str, Expression], ...]()
    if step is not None:
        each = {p.name for b in blocks for p in b.parameters if p.storage == "each"}
        step, constants = with_constants(step, names.numbers, each)
    updates = [step]
    pre = [*(synapse.on_pre if synapse else ()), *(plasticity.on_pre if plasticity else ())]
    updates.append(_jumps(connection, names, "pre", pre))
    updates.append(_jumps(connection, names, "post", plasticity.on_post if plasticity else ()))
    kept = tuple(u for u in updates if u is not None)
    initial = (*((s.name, substitute(s.initial, names.fixed)) for s in states), *constants)
    read = {n for u in kept for s in u.body for n in s.reads} | {n for _, value in initial for n in symbols(value)}
    bound = {modulator for modulator, _, _ in connection.modulators}
    modulators = tuple(m.name for m in plasticity.modulators if m.name not in bound) if plasticity else ()
    arrays = tuple((symbol, value) for symbol, value in names.numbers.items() if symbol in read)
    return LoweredSynapses(
        SynapseStates(
            connection.name,
            tuple(name for name, _ in initial),
            initial,
            arrays,
            modulators,
            tuple((s.name, s.clip) for s in states if s.clip is not None and has_draws(s.initial)),
            tuple(_declared(s) for s in states if "." not in called(s)),
            tuple(name for name, _ in constants),
        ),
        kept,
    )


def _declared(state: State) -> tuple[str, str, str, float]:
    unit = "" if state.unit.dimensionless else str(state.unit)
    return called(state), state.name, unit, state.unit.to_si


def reads_target(model: Model, connection: Connection) -> bool:
    """Whether jumps at arriving spikes read states of the target's neurons: after the flow, before any arrival."""
    lowered, dynamics = lower_synapses(model, connection), model.population(connection.target).dynamics
    reading = (u.post for u in lowered.updates if u.when == "pre") if lowered is not None else ()
    states = {(connection.target, s.name) for s in dynamics.states} if dynamics is not None else set()
    return any(tuple(read) in states for post in reading for _, *read in post)


class _Names:
    """What the symbols of a connection's blocks are: numbers, or variables of neurons."""

    def __init__(self, model: Model, connection: Connection) -> None:
        self.model, self.connection = model, connection
        self.fixed: dict[str, Expression] = {"step": Number(model.step)}
        self.numbers: dict[str, float | str] = {}
        for prefix, block in (("", connection.synapse), ("plasticity.", connection.plasticity)):
            for p in block.parameters if block is not None else ():
                self.numbers[p.name] = _bound(p, p.key or f"{connection.name}.{prefix}{p.name}")

    def of_neurons(self, expressions: Iterable[Expression], when: str) -> dict[str, tuple[str, str, str]]:
        """(side, population, variable) of the symbols that are variables of neurons."""
        found: dict[str, tuple[str, str, str]] = {}
        plasticity = self.connection.plasticity
        following = {modulator for modulator, _, _ in self.connection.modulators}
        for name in sorted({s for e in expressions for s in symbols(e)}):
            if name in following:
                found[name] = ("post", trace_name(self.connection, name), "m")
                continue
            if name in (index_of("pre"), index_of("post"), step_of("pre")):
                side = name.rpartition(".")[2]
                found[name] = side, trace_name(self.connection, side), _STEP if name == step_of(side) else _INDEX
                continue
            side, _, variable = name.partition(".")
            if side in ("pre", "post") and variable:
                bound = self._neuron(name, side, variable, when)
                if bound is not None:
                    found[name] = bound
                continue
            for side in ("pre", "post"):
                if plasticity is not None and any(s.name == name for s in _own(plasticity, side)):
                    earlier = ".before" if (side, when) == ("pre", "pre") else ""
                    found[name] = (side, trace_name(self.connection, side), name + earlier)
                    if (side, when) == ("pre", "step") and self.connection.delay is not None:
                        found[name] = side, follower_of(self.connection, name), "m"
        return found

    def _neuron(self, name: str, side: str, variable: str, when: str) -> tuple[str, str, str] | None:
        population = self.model.population(self.connection.source if side == "pre" else self.connection.target)
        if population.dynamics is not None and any(s.name == variable for s in population.dynamics.states):
            return side, population.name, variable
        parameter = next((p for p in population.parameters if p.name == variable), None)
        if parameter is None:
            what = f"`{name}`, an input of a neuron, in the synapses of `{self.connection.name}`"
            raise _unsupported(self.connection, what, "let it drive a state, and read that")
        if parameter.storage == "each":
            return side, population.name, variable  # a number of each neuron
        self.numbers[name] = _bound(parameter, parameter.key or f"{population.name}.{variable}")
        return None


def _bound(parameter: Parameter, key: str) -> float | str:
    fixed = parameter.storage == "compiled" and isinstance(parameter.value, Number)
    return parameter.value.value if fixed and isinstance(parameter.value, Number) else key


def _every_step(step: float, connection: Connection, names: _Names) -> SynapseUpdate | None:
    """The flow of states per synapse, and what a synapse delivers over the step,
    of its states at the end of the one before.
    """
    synapse, plasticity = connection.synapse, connection.plasticity
    body: list[Statement] = []
    carry: list[tuple[str, str]] = []
    names.of_neurons((value for _, value in connection.deliveries), "step")  # so that their numbers are known
    known = {name: Number(value) for name, value in names.numbers.items() if isinstance(value, float)}
    for where, value in connection.deliveries:
        body.append(Assign(f"deliver.{where}", fold_all(substitute(value, known))))
    for block in (synapse, plasticity):
        own = {s.name for s in block.states} if block is not None else set()
        equations = tuple(e for e in block.equations if e.state in own) if block is not None else ()
        if block is None or not equations:
            continue
        for statement, state in _flowed(block, equations, step):
            body.append(statement)
            if state:
                carry.append((state, statement.name))
    if not body:
        return None
    return _update(connection, names, "step", body, carry, tuple((i, f"deliver.{i}") for i, _ in connection.deliveries))


def _flowed(
    block: Synapse | Plasticity, equations: tuple[Equation, ...], step: float
) -> list[tuple[Statement, str | None]]:
    """Statements of a flow, each with the state whose new value it is; every synapse has noise of its own."""
    others = sorted({s for e in equations for s in symbols(e.derivative)} - {e.state for e in equations})
    parameters = frozenset(p.name for p in block.parameters)
    chosen = method_of(block, equations)
    if isinstance(block, Plasticity):  # the synapse's own is another one
        apart: dict[str, Expression] = {n: Symbol(f"{NOISE}plasticity.{n}") for n in others if is_noise(n)}
        equations = tuple(replace(e, derivative=substitute(e.derivative, apart)) for e in equations)
    substeps = block.substeps if isinstance(block, Synapse) else 1
    noise = noise_of(equations, chosen == "exact", step, parameters)
    flowed = flow(noise.equations, chosen, step, parameters, substeps)
    result: list[tuple[Statement, str | None]] = [(d, None) for d in noise.draws]
    result += [(a, None) for a in (*flowed.coefficients, *noise.coefficients, *flowed.body)]
    values = {s: add(value, noise.added.get(s, ZERO)) for s, value in flowed.states.items()}
    return [*result, *((Assign(f"{s}.flowed", value), s) for s, value in values.items())]


def _jumps(connection: Connection, names: _Names, when: str, jumps: Iterable[Assignment]) -> SynapseUpdate | None:
    """Jumps of each synapse, top to bottom, each seeing the former; traces move by themselves and are only read."""
    plasticity = connection.plasticity
    traces = {s.name for side in ("pre", "post") for s in _own(plasticity, side)} if plasticity is not None else set()
    bounds: Mapping[str, tuple[Expression, Expression]] = (
        {name: (low, high) for name, low, high in plasticity.bounds} if plasticity is not None else {}
    )
    now: dict[str, Expression] = {}
    body: list[Statement] = []
    for number, jump in enumerate(jumps, 1):
        value = substitute(jump.value, now)
        if jump.state in bounds:
            value = apply("clip", value, *(substitute(limit, now) for limit in bounds[jump.state]))
        local = f"{jump.state}.{number}"
        body.append(Assign(local, value))
        now[jump.state] = Symbol(local)
    carry = [(name, local.name) for name, local in now.items() if name not in traces and isinstance(local, Symbol)]
    return _update(connection, names, when, body, carry, ()) if carry else None


def _of_trace(statement: Statement, when: str, late: bool) -> Statement:
    """A draw that a trace jumps by as the trace draws it: of its neuron, and, of the target, as the step after begins.

    late: with a delay for each synapse, of the step in which the source has drawn it.
    """
    if not (isinstance(statement, Draw) and is_shared_draw(statement.name)):
        return statement
    at = Symbol(step_of(when)) if late and when == "pre" else None
    return replace(statement, whose=Symbol(index_of(when)), at=at, later=int(when == "post"))


def _stream(connection: Connection, when: str, draw: str) -> int:
    if is_shared_draw(draw):
        return stream(trace_name(connection, when), draw)
    return stream(connection.name, f"{when}.{draw}")


def _ago(names: _Names, when: str, pre: Iterable[tuple[str, str, str]]) -> tuple[tuple[str, int], ...]:
    """How many steps ago one delay of all synapses lets them see the source's own variables;
    traces move with the delay.
    """
    connection, known = names.connection, 1 if when == "step" else 0  # then the source has not moved yet
    if connection.delay is not None or connection.delay_steps <= known:
        return ()
    dynamics = names.model.population(connection.source).dynamics
    own = {(connection.source, s.name) for s in dynamics.states} if dynamics is not None else set()
    return tuple((symbol, connection.delay_steps) for symbol, *read in pre if tuple(read) in own)


def _update(
    connection: Connection, names: _Names, when: str, body: Iterable[Statement], carry: Sequence[tuple[str, str]],
    deliver: tuple[tuple[str, str], ...],
) -> SynapseUpdate:  # fmt: skip
    needed = {local for _, local in (*carry, *deliver)}
    kept: list[Statement] = []
    for s in reversed(list(body)):  # a trace's own jump is only needed where a later line reads it
        if s.name in needed:
            needed |= s.reads
            kept.append(Assign(s.name, substitute(s.value, names.fixed)) if isinstance(s, Assign) else s)
    statements = tuple(_of_trace(s, when, connection.delay is not None) for s in with_draws_apart(reversed(kept)))
    written = {s.name for s in statements}
    read = [Symbol(name) for s in statements for name in s.reads if name not in written]
    bound = names.of_neurons(read, when)
    sides = {
        side: tuple(
            (symbol, population, variable) for symbol, (own, population, variable) in bound.items() if own == side
        )
        for side in ("pre", "post")
    }
    return SynapseUpdate(
        connection=connection.name,
        when=when,  # type: ignore[arg-type]
        body=statements,
        carry=tuple(carry),
        deliver=deliver,
        pre=sides["pre"],
        post=sides["post"],
        ago=_ago(names, when, sides["pre"]),
        post_delay=connection.post_delay_steps if when == "post" else 0,
        streams=tuple((s.name, _stream(connection, when, s.name)) for s in statements if isinstance(s, Draw)),
    )
