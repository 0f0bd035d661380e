"""What a random network must fulfil; shared by the tests and by `benchmarks/fuzz_gradients.py`.

A network is passed over (the functions give False) where no weights let its hidden neurons spike now and then, where a distance to the
threshold is within 1e-6 of zero (another rounding would spike), or where its gradients are beyond 1e6: expanding maps.
"""

from __future__ import annotations

import numpy as np
from event_case import Case, OtherSpikes
from event_driven import EventDriven
from event_driven_synapses import EventDriven as WithSynapses
from event_driven_synapses import SpikesWithoutEnd
from networks import lively, model_of, program_of, spikes
from oracle import loss_and_gradients
from oracle_plasticity import gradients_with_plasticity
from oracle_synapses import SynapseSimulation
from patterns import Case as Patterns
from patterns import matrices
from timed_synapses import least_step

from sncc.backends.reference.interpreter import Reference
from sncc.diagnostics import DiagnosticError


def case(text: str, **settings: str):
    """Program, values at which it spikes, inputs and labels; None where there are none."""
    inputs, labels = spikes(np.random.default_rng(5), 1, 16), [2]
    program = program_of(text, **settings)
    try:
        values = lively(program, 3, inputs)
    except AssertionError:
        return None
    return program, values, inputs, labels


def tame(gradients) -> bool:
    """Whether gradients are numbers that rounding leaves alone."""
    return all(np.isfinite(g).all() and np.max(np.abs(g), initial=0.0) < 1e6 for g in gradients.values())


def agree(got, expected, tolerance: float, least: float, text: str) -> None:
    """Gradients are equal up to a share of the largest number of each array; where that is smaller than `least`, of this."""
    for key, gradient in got.items():
        largest = np.max(np.abs(expected[key]), initial=least)
        assert np.max(np.abs(gradient - expected[key]), initial=0.0) <= tolerance * largest, f"{key}\n{text}"


def check_rule(text: str, tolerance: float = 1e-9) -> bool:
    """Loss and gradients of a network equal those of automatic differentiation; False where it is passed over."""
    found = case(text)
    if found is None:
        return False
    program, values, inputs, labels = found
    model = model_of(text)
    run = Reference(program, values).run(inputs, labels)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, model.training.rule.name)
    if not tame(gradients):
        return False
    assert abs(run.loss + run.penalty - loss) <= 1e-11 * abs(loss) + 1e-13, text  # a loss near zero is a difference
    agree(run.gradients, gradients, tolerance, 1e-7, text)
    return True


def bursts(rng) -> np.ndarray:
    """Ten steps of three channels, some with many spikes at once."""
    return rng.poisson(0.4, (10, 3)) * rng.integers(1, 5, (10, 3)).astype(float)


def check_moving_weights(text: str, tolerance: float = 1e-9) -> bool:
    """Gradients through weights that move equal those of an oracle of every synapse, and forwards those in reverse; False where passed over."""
    model, program, rng = model_of(text), program_of(text), np.random.default_rng(5)
    inputs, drawn = [{"x": bursts(rng)}], Reference(program).parameters
    values = {p.key: np.asarray(drawn[p.key]) for p in program.parameters if p.storage != "compiled"}
    run = Reference(program, values).run(inputs, [1])
    if not tame(run.gradients) or not run.spikes[0]["hidden"].any():
        return False
    loss, gradients = gradients_with_plasticity(model, values, inputs, [1], model.training.rule.name)
    assert abs(run.loss - loss) <= 1e-11 * abs(loss), text
    agree(run.gradients, gradients, tolerance, 1e-7, text)
    if model.training.rule.name != "eprop":
        return True
    return forwards_too(text, online(text), program, values, inputs, [1], tolerance, 1e-4)


def check_synapses(text: str, tolerance: float = 1e-9) -> bool:
    """The same for a network with synapses, against synapses that keep their states one by one; False where it is passed over."""
    try:
        model, program = model_of(text), program_of(text)
    except DiagnosticError as error:
        if all(d.code == "not-supported-yet" for d in error.diagnostics):
            return False
        raise AssertionError(f"{error}\n{text}") from None
    if {f"{c.name}.weight" for c in model.connections} - {p.key for p in program.parameters}:
        return False  # a synapse that delivers nothing
    rng = np.random.default_rng(5)
    inputs, labels = [{"x": bursts(rng)}], [1]
    first = Reference(program).parameters
    values = {
        p.key: rng.normal(0.3, 0.3, np.shape(first[p.key])) if p.key.endswith(".weight") else np.asarray(first[p.key])
        for p in program.parameters
        if p.storage != "compiled"
    }
    run = Reference(program, values).run(inputs, labels)
    if not tame(run.gradients) or not run.spikes[0]["hidden"].any():
        return False
    loss, gradients = loss_and_gradients(
        model, values, inputs, labels, model.training.rule.name, simulation=SynapseSimulation
    )
    assert abs(run.loss - loss) <= 1e-11 * abs(loss), text
    agree(run.gradients, gradients, tolerance, 1e-7, text)
    return True


def check_directions(text: str, tolerance: float = 1e-12) -> bool:
    """e-prop forwards gives the gradients of e-prop in reverse; False where the network is passed over."""
    found = case(text)
    if found is None:
        return False
    return forwards_too(text, program_of(text, train__rule="eprop(online = true)"), *found, 10 * tolerance, 1e-6)


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
    return None


def check_patterns(text: str, tolerance: float = 1e-9) -> bool:
    """Gradients over any pattern of synapses equal those of whole matrices; False where the network is passed over."""
    found = case_of_patterns(text)
    if found is None:
        return False
    program, values, inputs, labels = found
    run = Reference(program, values).run(inputs, labels)
    if not tame(run.gradients):
        return False
    synapses = matrices(program, Patterns({}), values)
    model = model_of(text)
    loss, gradients = loss_and_gradients(model, values, inputs, labels, model.training.rule.name, synapses)
    assert abs(run.loss - loss) <= 1e-11 * abs(loss) + 1e-13, text
    agree(run.gradients, gradients, tolerance, 1e-4, text)  # that of one weight for all outputs may be a sum to zero
    return True


def forwards_too(text: str, forwards, program, values, inputs, labels, tolerance: float, least: float) -> bool:
    """Gradients of the Program `forwards` are those in reverse; False where these are not tame."""
    expected = Reference(program, values).run(inputs, labels).gradients
    if not tame(expected):
        return False
    got = Reference(forwards, values).run(inputs, labels).gradients
    assert set(got) == set(expected), text
    agree(got, expected, tolerance, least, text)
    return True


def online(text: str):
    """The Program of the same network with e-prop forwards."""
    return program_of(text.replace("eprop(", "eprop(online = true, "))


def check_directions_of_patterns(text: str, tolerance: float = 1e-12) -> bool:
    """e-prop forwards gives the gradients of e-prop in reverse over any pattern; False where the network is passed over."""
    found = case_of_patterns(text)
    return found is not None and forwards_too(text, online(text), *found, 10 * tolerance, 1e-2)


def check_directions_of_synapses(text: str, tolerance: float = 1e-12) -> bool:
    """The same through states of synapses, where these are such as traces follow; False where the network is passed over."""
    rng = np.random.default_rng(5)
    inputs = [{"x": bursts(rng)}]
    try:
        program = program_of(text)
        values = {p.key: np.asarray(Reference(program).parameters[p.key]) for p in program.parameters}
        return forwards_too(text, online(text), program, values, inputs, [1], 10 * tolerance, 1e-2)
    except DiagnosticError as error:
        if all(d.code == "not-supported-yet" and d.help for d in error.diagnostics):
            return False
        raise AssertionError(f"{error}\n{text}") from None


def check_event_times(text: str, seed: int, simulate=EventDriven, least: float = 0.1) -> bool:
    """Gradients of eventprop go to those of an event-driven simulation as the step shrinks; False where it is passed over.

    Passed over: neurons that spike without end, grids on which there are other spikes, networks without two arrays that move the loss, those in which a spike
    grazes its threshold, so that the grid of 0.1 ms is off by more than half, and those in which one arrives at a neuron within 2 µs of its spike.
    """
    try:
        case = Case(text, seed, 1.3, entries=2, simulate=simulate, by=1e-4, least=least)
    except SpikesWithoutEnd:
        return False
    if sum(np.max(np.abs(exact)) > 1e-3 for _, exact in case.exact.values()) < 2:
        return False
    try:
        coarse, fine = case.errors_at(0.1), case.errors_at(0.02)
        if max(coarse.values()) > 0.5:
            return False
        for step in (0.005, 0.002):  # events within a step may put the grid off until the step is below their distance
            if not _has_shrunk(coarse, fine):
                fine = case.errors_at(step)
    except OtherSpikes:
        return False
    if not _has_shrunk(coarse, fine) and case.closest() < 0.002:
        return False
    assert _has_shrunk(coarse, fine), f"errors {coarse} at 0.1 ms, {fine} below, seed {seed}\n{text}"
    return True


def check_event_times_of_synapses(text: str, seed: int) -> bool:
    """The same where synapses have states."""
    return check_event_times(text, seed, WithSynapses, least_step(text))


def _has_shrunk(coarse: dict[str, float], fine: dict[str, float]) -> bool:
    """Whether every error is halved, or as small as one that happens to be small on the coarse grid."""
    return all(error < max(0.5 * coarse[key], 0.1 if key.endswith(".delay") else 0.05) for key, error in fine.items())
