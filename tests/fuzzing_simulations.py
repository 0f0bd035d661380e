"""What a random simulation must fulfil; shared by the tests and by `benchmarks/fuzz_simulations.py`.

The C++ half does what the reference does, step by step, for one worker, in one run and in a second one after it. The
same bits (spikes, states, parameters) it has for three workers, in parts with a state stored and restored on the way,
and after single steps; and so has the CUDA half, emulated. What is handed over (events, signals, spike times, pairs,
parameters) is drawn from the network's text.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import PassedOver
from simulations import FORMS, equal, is_the_references, states, synapse_states

import sncc
from sncc import compiler
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference, Result
from sncc.connectivity.build import indices
from sncc.connectivity.patterns import Part, Sparse
from sncc.diagnostics import DiagnosticError
from sncc.program.groups import Connection, Parameter
from sncc.program.nodes import Program

SEED = 5
SINGLE = 8  # steps by calls of their own
TOLERANCE = {"rtol": 1e-8, "atol": 1e-10}
Numbers = dict[str, np.ndarray]


class Refused(PassedOver):
    """The compiler cannot do it yet, and has said so as it has to; or there is nothing to compare:
    states that explode.
    """


@dataclass(frozen=True)
class Case:
    """A network with all that is handed over.

    `inputs` of two runs and `values`, parameters that are set, are in the consistent system.

    `drawn`: all parameters as the reference draws them; `first`: the first run.
    """

    program: Program
    pairs: dict[str, tuple[np.ndarray, np.ndarray]]
    inputs: tuple[Numbers, Numbers]
    drawn: Numbers
    values: Numbers
    first: Result

    @property
    def steps(self) -> int:
        """A run's length."""
        assert self.program.simulation is not None
        return self.program.simulation.steps

    def run(self, network: Any, number: int, first: int, last: int, **options: Any) -> Any:
        """Steps of a run, from the initial state or from where the last one ended."""
        data: dict[str, Any] = {}
        for s in self.program.sources:
            part = self.inputs[number][s.name][first:last]
            shaped = part.reshape(1, len(part), *s.shape)
            step = self.program.step * 1e-3
            data[s.name] = (
                part[None] * s.si if s.kind == "signal" else sncc.Events.from_dense(shaped.astype(int), step=step)
            )
        options = {"record": states(self.program), "seed": 9, "resume": first > 0} | options
        return network.simulate((last - first) * self.program.step * 1e-3, data, **options)


def case_of(text: str) -> Case:
    """A network with what is handed over to it. Raises `Refused`."""
    rng = np.random.default_rng(zlib.crc32(text.encode()))
    program = _program(text)
    assert program.simulation is not None
    steps = program.simulation.steps
    pairs = {
        c.name: _pairs(c, rng) for c in program.connections if isinstance(c.structure, Sparse) and c.synapses_of is None
    }
    inputs = _inputs(program, rng), _inputs(program, rng)
    drawn = Reference(program, seed=SEED, pairs=pairs).parameters
    made = {c.weight for c in program.connections if not c.stored}
    values = {
        p.key: _moved(program, drawn[p.key], p, rng)
        for p in program.parameters
        if p.storage != "compiled" and p.key not in made and rng.random() < 0.3
    }
    for key in (f"{s.connection}.plasticity.{m}" for s in program.synapses for m in s.modulators):
        values[key] = np.array(rng.uniform(-0.5, 2))
    first = _of_reference(Reference(program, values, seed=SEED, pairs=pairs), inputs[:1], steps, 9)
    return Case(program, pairs, inputs, drawn, values, first)


def _of_reference(reference: Reference, inputs: Sequence[Numbers], steps: int, seed: int) -> Result:
    """What the reference does. What grows without end differs by rounding, so it is refused."""
    try:
        with np.errstate(all="ignore"):
            result = reference.run(inputs, steps=steps, seed=seed)
    except FloatingPointError:
        raise Refused("states explode") from None
    if not all(np.max(np.abs(x), initial=0.0) < 1e6 for traces in result.traces for x in traces.values()):
        raise Refused("states explode")
    return result


def _inputs(program: Program, rng: np.random.Generator) -> Numbers:
    """What the sources send in a run."""
    assert program.simulation is not None
    shapes = {s.name: (program.simulation.steps, s.size) for s in program.sources}
    return {
        s.name: rng.normal(0.02, 0.1, shapes[s.name])
        if s.kind == "signal"
        else rng.poisson(rng.choice([0.02, 0.3]), shapes[s.name]) * 1.0
        for s in program.sources
    }


def _program(text: str) -> Program:
    try:
        model = compiler.compile_model(source_of(text))
        compiler.refuse_engines(model)
        return compiler.compile_program(model, "float64")
    except DiagnosticError as error:
        refused = [d for d in error.diagnostics if d.severity == "error"]
        known = {(d.code, d.message, d.span and d.span.start) for d in sncc.check(text)}
        for d in refused:
            assert d.code == "not-supported-yet" and d.span is not None and d.help, f"without place or remedy: {d}"
            assert (d.code, d.message, d.span.start) in known, f"unknown to `check`: {d}"
        raise Refused("; ".join(sorted({d.message for d in refused}))) from None


def _pairs(c: Connection, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A quarter of all pairs between a connection's parts, in any order."""
    ends = (c.source_part, c.source_size), (c.target_part, c.target_size)
    source, target = (indices(part or Part.whole((size,))) for part, size in ends)
    chosen = rng.choice(len(source) * len(target), max(1, len(source) * len(target) // 4), replace=False)
    return source[chosen // len(target)], target[chosen % len(target)]


def _moved(program: Program, value: np.ndarray, p: Parameter, rng: np.random.Generator) -> np.ndarray:
    """Other values, within their bounds; delays that are legal."""
    moved = np.clip(value * rng.uniform(0.8, 1.05, np.shape(value)), *(p.bounds or (-np.inf, np.inf)))
    least = [c.delay * program.step for c in program.connections if c.delays == p.key]
    return np.maximum(moved, max(least)) if least else moved


# ------------------------------------------------------------------------------------------------ what is checked
@dataclass(frozen=True)
class Done:
    """A run, and all parameters and states of synapses after it, in the consistent system."""

    run: Any
    parameters: Numbers
    synapses: Numbers

    @property
    def bits(self) -> Numbers:
        """All numbers after the run."""
        return self.parameters | self.synapses


def check_simulation(text: str, emulated: Callable[[str], Path] | None = None) -> None:
    """Every backend does what the reference does; `emulated` builds the CUDA half.

    Raises `Refused`, or AssertionError.
    """
    case = case_of(text)
    project = sncc.build(text, backend="cpu", precision="float64")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SNCC_WORKERS", "1")
        expected = check_runs(case, partial(load, case, project, threads=1))
        are_the_references(case, *expected)
        environment.setenv("SNCC_WORKERS", "3")
        environment.setenv("SNCC_SUM_AT_ONCE", "0")  # drawn delays the other way too
        are_alike(case, check_runs(case, partial(load, case, project, threads=3)), expected)
    if emulated is not None:
        library, forms = emulated(text), [{}, *FORMS.values()]
        with pytest.MonkeyPatch.context() as environment:
            for name, value in forms[zlib.crc32(text.encode()) % len(forms)].items():
                environment.setenv(name, value)
            are_alike(case, check_runs(case, partial(load, case, library, backend="emulated")), expected)


def check_runs(case: Case, loaded: Callable[[], Any]) -> tuple[Done, Done]:
    """A run and a second one after it; the first one has the same bits in parts, and after single steps."""
    network, third = loaded(), case.steps // 3
    first = Done(case.run(network, 0, 0, case.steps), numbers(case, network), of_synapses(case, network))
    second = Done(
        case.run(network, 1, 0, 2 * third, seed=11, trial=1), numbers(case, network), of_synapses(case, network)
    )
    other = loaded()
    head = case.run(other, 0, 0, third)
    state, kept = other.store(), numbers(case, other) | of_synapses(case, other)
    case.run(other, 0, third, case.steps, seed=10)  # goes another way
    other.restore(state)
    same(kept, numbers(case, other) | of_synapses(case, other), "after `restore`")
    tail = case.run(other, 0, third, case.steps)
    found = bits(case, head, tail) | numbers(case, other) | of_synapses(case, other)
    same(found, bits(case, first.run) | first.bits, "in parts")
    single = loaded()
    step_by_step(case, single, first.run)
    tail = case.run(single, 0, SINGLE, case.steps)
    wanted = bits(case, first.run, after=SINGLE) | first.bits
    same(bits(case, tail) | numbers(case, single) | of_synapses(case, single), wanted, "after single steps")
    return first, second


def are_the_references(case: Case, first: Done, second: Done) -> None:
    """Both runs are the reference's; the second one's plastic weights begin where the first left them."""
    is_the_references(case.program, first.run, first.parameters, case.first, 0, **TOLERANCE)
    synapses_are_the_references(case, first, case.first)
    reference = Reference(case.program, case.values | first.parameters, seed=SEED, pairs=case.pairs)
    steps = case.steps // 3 * 2
    inputs = [{name: values[:steps] for name, values in run.items()} for run in case.inputs]
    expected = _of_reference(reference, inputs, steps, 11)
    is_the_references(case.program, second.run, second.parameters, expected, 1, **TOLERANCE)
    synapses_are_the_references(case, second, expected)


def synapses_are_the_references(case: Case, done: Done, expected: Result) -> None:
    """The states of all synapses after a run."""
    for name, (of, _) in synapse_states(case.program).items():
        wanted = expected.traces[-1][of][-1]
        assert np.allclose(done.synapses[name], wanted, **TOLERANCE), f"{name} of synapses"


def are_alike(case: Case, runs: tuple[Done, Done], expected: tuple[Done, Done]) -> None:
    """Runs have the same bits."""
    for number, (got, wanted) in enumerate(zip(runs, expected, strict=True)):
        same(bits(case, got.run) | got.bits, bits(case, wanted.run) | wanted.bits, f"in run {number}")


def step_by_step(case: Case, network: Any, run: Any) -> None:
    """The first steps of a run, each by a call of its own: its spikes."""
    spikes = bits(case, run)
    for n in range(SINGLE):
        given = {s.name: case.inputs[0][s.name][n] * (s.si if s.kind == "signal" else 1) for s in case.program.sources}
        events = {
            s.name: np.repeat(np.arange(s.size), given[s.name].astype(int))
            for s in case.program.sources
            if s.kind != "signal"
        }
        for population, neurons in network.step(given | events, seed=9).items():
            steps, expected = spikes[f"spikes of {population}"]
            assert np.array_equal(neurons, expected[steps == n + 1]), f"spikes of {population} by `step`, step {n + 1}"


def bits(case: Case, *parts: Any, after: int = 0) -> Numbers:
    """Spikes (their steps and neurons) and states of a run in one or several parts, after so many of its steps."""
    found: Numbers = {}
    for name in parts[0].spikes:
        times, neurons = (
            np.concatenate([getattr(p.spikes[name], what) for p in parts]) for what in ("times", "neurons")
        )
        steps = np.round(times / (case.program.step * 1e-3)).astype(int)
        found[f"spikes of {name}"] = np.array([steps, neurons])[:, steps > after]
    return found | {name: np.concatenate([p.trace[name] for p in parts])[after:] for name in parts[0].trace}


def same(found: Numbers, wanted: Numbers, where: str) -> None:
    """All numbers are equal."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.array_equal(found[name], value), f"{name} {where}"


def numbers(case: Case, network: Any) -> Numbers:
    """All parameters of a network, in the consistent system,
    as the reference has them (of synapses one after the other).
    """
    found = {p.key: np.array(network.parameters[p.key]) / p.si for p in _of_the_user(case, network)}
    return {key: value.reshape(np.shape(case.drawn.get(key, value))) for key, value in found.items()}


def of_synapses(case: Case, network: Any) -> Numbers:
    """The states of all synapses that each have their own, in the consistent system."""
    si = {name: si for name, (_, si) in synapse_states(case.program).items()}
    return {
        f"{c.name}.{s.name}": network.library.get("get_synapse_state", (s.size,), s.index) / si[f"{c.name}.{s.name}"]
        for c in network.manifest.connections
        for s in c.states
    }


def load(case: Case, project: Path, **options: Any) -> Any:
    """The network, whose parameters were drawn as the reference draws them, with those that are set."""
    network = sncc.load(project, seed=SEED, connections=case.pairs or None, **options)
    for key, got in numbers(case, network).items():
        expected = case.drawn[key]
        if delayed := [c for c in case.program.connections if c.delays == key]:
            expected = np.maximum(np.floor(expected / case.program.step + 0.5), delayed[0].delay) * case.program.step
        assert equal(case.program, key, got, expected, **TOLERANCE), f"{key} as drawn"
    for key, value in case.values.items():
        si = next((p.si for p in case.program.parameters if p.key == key), 1.0)
        # dense: a matrix of the parts' neurons
        network.parameters[key] = np.reshape(value * si, network.parameters[key].shape)
    return network


def _of_the_user(case: Case, network: Any) -> list[Parameter]:
    """Parameters that have a name in Python."""
    return [p for p in case.program.parameters if p.key in network.parameters]
