"""What moves synapses, drives sources and stimulates neurons, as inline C++ functions: one synapse or neuron each."""

from __future__ import annotations

from collections.abc import Iterable

from sncc.backends.cxx.draws import DrawNumbers, has_draws
from sncc.backends.cxx.expressions import Scalar, Unsupported
from sncc.backends.cxx.functions import Builder, Function, carry
from sncc.backends.cxx.initial_values import return_value
from sncc.backends.cxx.names import Namer
from sncc.expressions.nodes import Expression, symbols
from sncc.expressions.printer import print_expression
from sncc.program.groups import Group, SynapseStates
from sncc.program.nodes import Program, Stimulus
from sncc.program.operations import SynapseUpdate, Update
from sncc.program.statement_printer import print_statement
from sncc.program.statements import Draw, Statement
from sncc.program.streams import stream


def synapse_states(program: Program, connection: str) -> SynapseStates:
    """States and parameters of a connection's synapses; empty where it has none."""
    found = next((s for s in program.synapses if s.connection == connection), None)
    return found or SynapseStates(connection, (), ())


def synapse_update(program: Program, update: SynapseUpdate, number: int, scalar: Scalar) -> Function:
    """One update of a synapse: at every step, at an arriving spike or at a spike of its target."""
    b = Builder(scalar, "real")
    _read(b, update, synapse_states(program, update.connection))
    delivered = [
        b.argument("deliver", local, output=True, hint=f"to {accumulator}", visible=False)
        for accumulator, local in update.deliver
    ]
    for statement in update.body:
        b.local(statement)
    b.lines += [f"{to} = {b.names[local]};" for to, (_, local) in zip(delivered, update.deliver, strict=True)]
    b.lines += carry(b, update.carry)
    when = {"step": "every step", "pre": "an arriving spike", "post": "a spike of its target"}[update.when]
    comments = [f"A synapse of {update.connection} at {when}.", *(f"    {print_statement(s)}" for s in update.body)]
    return b.function(f"synapses_{number}", comments)


def _read(b: Builder, update: SynapseUpdate, about: SynapseStates) -> None:
    """Gives a function what an update reads: the synapse's own numbers, its neurons', parameters, modulators, time."""
    used = {name for s in update.body for name in s.reads} | {local for _, local in update.carry}
    written = {name for name, _ in update.carry}
    for name in ("weight", *about.states):
        if name in used | written:
            b.argument("synapse", name, type_="real&" if name in written else "const real")
    for role, read in (("pre", update.pre), ("post", update.post)):
        for symbol, _, _ in read:
            if symbol in used:
                b.argument(role, symbol)
    for symbol, value in about.arrays:
        if symbol in used and isinstance(value, str):
            b.argument("array", symbol)
        elif not isinstance(value, str):
            b.names[symbol] = b.print.number(value)
    for role, symbol in (*(("modulator", m) for m in about.modulators), ("spikes", "spikes"), ("t", "t")):
        if symbol in used:
            b.argument(role, symbol)


def stored_numbers(about: SynapseStates, value: Expression) -> tuple[str, ...]:
    """The stored parameters that a first value of a synapse's state reads, in the order in which it takes them."""
    return tuple(symbol for symbol, number in about.arrays if isinstance(number, str) and symbol in symbols(value))


def synapse_state(about: SynapseStates, state: str, value: Expression, names: Namer) -> Function:
    """A synapse's state before the first step, of a run's seed and trial."""
    b = Builder("double", "double")
    connection = about.connection
    for symbol, number in about.arrays:
        if not isinstance(number, str):
            b.names[symbol] = b.print.number(number)
    b.argument("seed", "seed", type_="std::uint64_t")
    b.argument("trial", "trial", type_="std::uint32_t")
    element = b.argument("index", "element", type_="std::uint32_t")
    row = b.argument("index", "i", type_="std::uint32_t", hint="row")
    column = b.argument("index", "j", type_="std::uint32_t", hint="column")
    stored = b.argument("numbers", "numbers", type_="const double*", hint="stored")
    b.names |= {symbol: f"{stored}[{k}]" for k, symbol in enumerate(stored_numbers(about, value))}
    b.names["i"], b.names["j"] = f"static_cast<double>({row})", f"static_cast<double>({column})"
    b.lines.append(f"static_cast<void>(seed), static_cast<void>(trial), static_cast<void>({stored});")
    b.lines.append(f"static_cast<void>({element}), static_cast<void>({row}), static_cast<void>({column});")
    text = b.print(DrawNumbers().bind(value, b.print, b.names))
    clip = dict(about.clips).get(state)
    if has_draws(value):
        number = f"0x{stream(f'{connection}.{state}', 'initial'):08x}u"
        b.lines.append(f"{'const ' if clip is None else ''}sncc::Draw numbers{{seed, {number}, {element}, 0u, trial}};")
    return_value(b, text, clip)
    name = names.fresh(f"start.synapses.{connection}.{state}")
    return b.function(name, [f"{connection}.{state} = {print_expression(value)}"], "double")


def poisson_mean(group: Group, update: Update, draw: Draw) -> Function:
    """The mean of a Poisson count of a neuron, in double, from what is known before its update."""
    needed = _needed(update.body, draw.arguments[0], draw.name)
    b = Builder("double", "double")
    used = {name for s in needed for name in s.reads} | symbols(draw.arguments[0])
    for role, names in (
        ("time", ("t",)), ("carry", group.states), ("input", update.inputs), ("array", group.arrays),
    ):  # fmt: skip
        for name in names:
            if name in used:
                b.argument(role, name)
    for statement in needed:
        b.local(statement)
    b.lines.append(f"return {b.print(draw.arguments[0])};")
    name = f"mean_{group.name}_{Namer()[draw.name]}"
    return b.function(name, [f"Mean of {print_statement(draw)}."], "double")


def _needed(body: Iterable[Statement], value: Expression, name: str) -> list[Statement]:
    """The statements before a draw that its mean depends on."""
    before: list[Statement] = []
    for statement in body:
        if statement.name == name:
            break
        before.append(statement)
    wanted, kept = set(symbols(value)), list[Statement]()
    for statement in reversed(before):
        if statement.name in wanted:
            if isinstance(statement, Draw):
                raise Unsupported("a Poisson count whose mean is itself drawn")
            wanted |= statement.reads
            kept.append(statement)
    return kept[::-1]


def stimulus(of: Stimulus, number: int, scalar: Scalar) -> Function:
    """What a stimulus adds at a step."""
    b = Builder(scalar, "real")
    if "t" in symbols(of.value):
        b.argument("time", "t")
    b.lines.append(f"return {b.print(of.value)};")
    comment = f"Stimulus of {of.population}.{of.input}: {print_expression(of.value)}"
    return b.function(f"stimulus_{number}", [comment], "real")
