"""What the language can say of training and differentiation cannot do yet: a line goes when its construct is derived."""

from __future__ import annotations

from collections.abc import Iterator

from sncc.diagnostics import Diagnostic, DiagnosticError, not_supported_yet
from sncc.expressions.nodes import symbols
from sncc.model.nodes import Connection, Learnt, Model, Training
from sncc.program.groups import Connection as Delivered
from sncc.program.nodes import Program


def refuse(model: Model) -> None:
    """Raise `DiagnosticError` with everything in a Model's training that cannot be derived yet."""
    if found := tuple(unsupported(model)):
        raise DiagnosticError(found)


def unsupported(model: Model) -> Iterator[Diagnostic]:
    """A `not-supported-yet` for every construct of training that cannot be derived yet."""
    training = model.training
    if training is None:
        return
    for learnt in training.learn:
        yield from _learnt(learnt, model)
    for connection in model.connections:
        yield from _connection(connection, training, model)


def refuse_operations(program: Program, model: Model) -> None:
    """Raise `DiagnosticError` where nothing can be learnt yet through values that are delivered in place of spikes.

    Says so at the connection that delivers them.
    """
    found: dict[str, Diagnostic] = {}
    for c in program.connections:
        if c.values is not None and (unlearnt := _of_values(program, c, model)) is not None:
            origin = next(w for w in model.connections if c.name == w.name or c.name.startswith(f"{w.name}."))
            found.setdefault(origin.name, not_supported_yet(origin.span, *unlearnt))
    if found:
        raise DiagnosticError(tuple(found.values()))


def _of_values(program: Program, c: Delivered, model: Model) -> tuple[str, str] | None:
    """What cannot be learnt through values that are delivered in place of spikes, and what helps."""
    assert model.training is not None
    rule, read = model.training.rule, {loss.population for loss in model.training.losses}
    _, row = program.place(c.source)
    random = rule.name == "eprop" and rule.feedback != "symmetric" and c.target in read and c.source not in read
    if random and row.holds == "neurons" and starts_learnt(program, c):
        what = f"learning what `{c.values}` of `{c.source}` starts at, which is delivered before the first step,"
        return f"{what} under `feedback = {rule.feedback}`", "use `feedback = symmetric`, or leave it out of `learn`"
    return None


def starts_learnt(program: Program, c: Delivered) -> bool:
    """Whether what is delivered before the first step, as it starts, depends on something learnt."""
    _, row = program.place(c.source)
    learnt = {p.key for p in program.parameters if p.learnt}
    bound = {symbol for symbol, value in row.values if value in learnt}
    return bool((c.delay or c.delays) and symbols(dict(row.initial)[c.values or ""]) & bound)


def _learnt(learnt: Learnt, model: Model) -> Iterator[Diagnostic]:
    owner = learnt.key.partition(".")[0]
    if any(p.name == owner and p.kind == "poisson" for p in model.populations):
        help = "learn the weights of what it drives"
        yield not_supported_yet(learnt.span, "learning the rate of a `poisson` population", help)


def _connection(connection: Connection, training: Training, model: Model) -> Iterator[Diagnostic]:
    rule = training.rule
    if connection.plasticity is not None and rule.name == "eventprop":
        help = "train with `bptt` or `eprop`, or leave the `plasticity` out (`--schedule neuron_parallel` simulates it)"
        yield not_supported_yet(connection.span, "`eventprop` through weights that a `plasticity` moves", help)
    if rule.name == "eprop" and rule.online:
        if connection.rewiring is not None:
            what = "`rewire` under `online = true`, whose traces are those of synapses that stay,"
            yield not_supported_yet(connection.span, what, "leave one of them out")
    elif connection.rewiring is not None and _goes_back(connection, training):
        what = f"`feedback = {rule.feedback}` over synapses that training moves"
        yield not_supported_yet(connection.span, what, "use `feedback = symmetric`, or leave out `rewire`")


def _goes_back(connection: Connection, training: Training) -> bool:
    """Whether numbers of their own stand for a connection's weights on the way back."""
    read = {loss.population for loss in training.losses}
    own = training.rule.name == "eprop" and training.rule.feedback != "symmetric"
    return own and connection.target in read and connection.source not in read
