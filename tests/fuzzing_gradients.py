"""What a random network must fulfil; shared by the tests and by `benchmarks/fuzz_gradients.py`.

A network is passed over (the functions raise `PassedOver`) where no weights let its hidden neurons spike now and then,
or where its gradients are beyond 1e6: expanding maps.
"""

from __future__ import annotations

import numpy as np
from fuzzing import PassedOver
from networks import lively, model_of, program_of, spikes
from oracle import loss_and_gradients
from oracle_plasticity import gradients_with_plasticity
from oracle_synapses import SynapseSimulation
from patterns import Case as Patterns
from patterns import matrices

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError

ROUNDING = 64 * np.finfo(float).eps  # of the largest number of all gradients: less may be what sums to zero leave


def case(text: str, **settings: str):
    """Program, values at which it spikes, inputs and labels."""
    inputs, labels = spikes(np.random.default_rng(5), 1, 16), [2]
    program = program_of(text, **settings)
    try:
        values = lively(program, 3, inputs)
    except AssertionError:
        raise PassedOver("no weights at which neurons spike now and then") from None
    return program, values, inputs, labels


def keep_tame(gradients) -> None:
    """Pass over gradients that are no numbers that rounding leaves alone."""
    if not all(np.isfinite(g).all() and np.max(np.abs(g), initial=0.0) < 1e6 for g in gradients.values()):
        raise PassedOver("gradients without bounds")


def keep_spiking(run) -> None:
    """Pass over networks whose hidden neurons are silent."""
    if not run.spikes[0]["hidden"].any():
        raise PassedOver("no spikes")


def agree(got, expected, tolerance: float, text: str) -> None:
    """Gradients are equal up to a share of the largest number of each array,
    and to what rounding leaves of the largest of all.

    All gradients are sums over what credit comes along the same ways, and rounded as these are, also where the sum is
    zero.
    """
    whole = max(np.max(np.abs(g), initial=0.0) for g in expected.values())
    for key, gradient in got.items():
        allowed = tolerance * np.max(np.abs(expected[key]), initial=0.0) + ROUNDING * whole
        assert np.max(np.abs(gradient - expected[key]), initial=0.0) <= allowed, f"{key}\n{text}"


def check_rule(text: str, tolerance: float = 1e-9) -> None:
    """Loss and gradients of a network equal those of automatic differentiation."""
    program, values, inputs, labels = case(text)
    model = model_of(text)
    run = Reference(program, values).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, model.training.rule.name)
    keep_tame(gradients)
    assert abs(run.loss + run.penalty - loss) <= 1e-11 * abs(loss) + 1e-13, text  # a loss near zero is a difference
    agree(run.gradients, gradients, tolerance, text)


def bursts(rng) -> np.ndarray:
    """Ten steps of three channels, some with many spikes at once."""
    return rng.poisson(0.4, (10, 3)) * rng.integers(1, 5, (10, 3)).astype(float)


def check_moving_weights(text: str, tolerance: float = 1e-9) -> None:
    """Gradients through weights that move equal those of an oracle of every synapse, and forwards those in reverse."""
    model, program, rng = model_of(text), program_of(text), np.random.default_rng(5)
    inputs, drawn = [{"x": bursts(rng)}], Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.storage != "compiled"}
    run = Reference(program, values).run(inputs, [1])
    keep_tame(run.gradients)
    keep_spiking(run)
    loss, gradients = gradients_with_plasticity(model, values, inputs, [1], model.training.rule.name)
    assert abs(run.loss - loss) <= 1e-11 * abs(loss), text
    agree(run.gradients, gradients, tolerance, text)
    if model.training.rule.name == "eprop":
        forwards_too(text, online(text), program, values, inputs, [1], tolerance)


def check_synapses(text: str, tolerance: float = 1e-9) -> None:
    """The same for a network with synapses, against synapses that keep their states one by one."""
    try:
        model, program = model_of(text), program_of(text)
    except DiagnosticError as error:
        raise _refused(error, text) from None
    if {f"{c.name}.weight" for c in model.connections} - {p.key for p in program.parameters}:
        raise PassedOver("a synapse that delivers nothing")
    rng = np.random.default_rng(5)
    inputs, labels = [{"x": bursts(rng)}], [1]
    first = Reference(program).parameters
    values = {
        p.key: rng.normal(0.3, 0.3, np.shape(first[p.key])) if p.key.endswith(".weight") else np.asarray(first[p.key])
        for p in program.parameters
        if p.storage != "compiled"
    }
    run = Reference(program, values).run(inputs, labels)
    keep_tame(run.gradients)
    keep_spiking(run)
    loss, gradients = loss_and_gradients(
        model, values, inputs, labels, model.training.rule.name, simulation=SynapseSimulation
    )
    assert abs(run.loss - loss) <= 1e-11 * abs(loss), text
    agree(run.gradients, gradients, tolerance, text)


def check_directions(text: str, tolerance: float = 1e-11) -> None:
    """e-prop forwards gives the gradients of e-prop in reverse."""
    forwards_too(text, program_of(text, train__rule="eprop(online = true)"), *case(text), tolerance)


def case_of_patterns(text: str):
    """The same of synapses in any pattern: their weights grow until the neurons spike now and then."""
    program, rng = program_of(text), np.random.default_rng(5)
    inputs = [{"x": rng.poisson(0.2, (16, 12)).astype(float)}]
    drawn = Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.storage != "compiled"}
    for weight in (1.0, 2.0, 4.0, 8.0):
        grown = {k: v * weight if k.endswith(".weight") else v for k, v in values.items()}
        run = Reference(program, grown).run(inputs)
        if 0.02 < run.spikes[0]["hidden"].mean() < 0.9:
            return program, grown, inputs, [2]
    raise PassedOver("no weights at which neurons spike now and then")


def check_patterns(text: str, tolerance: float = 1e-9) -> None:
    """Gradients over any pattern of synapses equal those of whole matrices."""
    program, values, inputs, labels = case_of_patterns(text)
    run = Reference(program, values).run(inputs, labels)
    keep_tame(run.gradients)
    synapses = matrices(program, Patterns({}), values)
    model = model_of(text)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, model.training.rule.name, synapses)
    assert abs(run.loss - loss) <= 1e-11 * abs(loss) + 1e-13, text
    agree(run.gradients, gradients, tolerance, text)


def forwards_too(text: str, forwards, program, values, inputs, labels, tolerance: float) -> None:
    """Gradients of the Program `forwards` are those in reverse."""
    expected = Reference(program, values).run(inputs, labels).gradients
    keep_tame(expected)
    got = Reference(forwards, values).run(inputs, labels).gradients
    assert set(got) == set(expected), text
    agree(got, expected, tolerance, text)


def online(text: str):
    """The Program of the same network with e-prop forwards."""
    return program_of(text.replace("eprop(", "eprop(online = true, "))


def check_directions_of_patterns(text: str, tolerance: float = 1e-11) -> None:
    """e-prop forwards gives the gradients of e-prop in reverse over any pattern."""
    forwards_too(text, online(text), *case_of_patterns(text), tolerance)


def check_directions_of_synapses(text: str, tolerance: float = 1e-11) -> None:
    """The same through states of synapses, where these are such as traces follow."""
    rng = np.random.default_rng(5)
    inputs = [{"x": bursts(rng)}]
    try:
        program = program_of(text)
        values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters}
        forwards_too(text, online(text), program, values, inputs, [1], tolerance)
    except DiagnosticError as error:
        raise _refused(error, text) from None


def _refused(error: DiagnosticError, text: str) -> Exception:
    """Passed over is what is refused as not supported, with another way; any other diagnostic is a failure."""
    if all(d.code == "not-supported-yet" and d.help for d in error.diagnostics):
        return PassedOver("refused")
    return AssertionError(f"{error}\n{text}")
