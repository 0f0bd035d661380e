"""What a random simulation must fulfil; shared by the tests and by `benchmarks/fuzz_simulations.py`.

The C++ half does what the reference does, step by step: with any number of workers, in parts, stored and restored on the way, and in
a second run after the first; the CUDA half, emulated, has its bits. What is handed over (events, signals, spike times, pairs, parameters)
is drawn from the network's text.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import sncc
from sncc import compiler
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference, Result
from sncc.connectivity.build import indices
from sncc.connectivity.patterns import Dense, Part, Sparse
from sncc.diagnostics import DiagnosticError
from sncc.program.groups import Connection, Parameter
from sncc.program.nodes import Program

SEED = 5
FORMS = (
    {},
    {"SNCC_EMULATION_ORDER_SEED": "1", "SNCC_CUDA_DELIVERY": "pull"},
    {"SNCC_EMULATION_ORDER_SEED": "2", "SNCC_CUDA_FORM": "launches", "SNCC_CUDA_DELIVERY": "push"},
    {"SNCC_STEPS_AT_ONCE": "7", "SNCC_EMULATION_SMS": "1"},
)  # fmt: skip


class Refused(Exception):
    """The compiler cannot do it yet, and has said so as it has to; or there is nothing to compare: states that explode."""


@dataclass(frozen=True)
class Case:
    """A network with all that is handed over. `inputs` of two runs and `values`, parameters that are set, are in the consistent system."""

    text: str
    program: Program
    pairs: dict[str, tuple[np.ndarray, np.ndarray]]
    inputs: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
    values: dict[str, np.ndarray]

    @cached_property
    def drawn(self) -> Reference:
        """The reference with all parameters as they are drawn."""
        return Reference(self.program, seed=SEED, pairs=self.pairs)

    @cached_property
    def first(self) -> Result:
        """The first run."""
        reference = Reference(self.program, self.values, seed=SEED, pairs=self.pairs)
        with np.errstate(all="ignore"):
            run = reference.run(self.inputs[:1], steps=self.steps, seed=9)
        if not all(np.max(np.abs(trace), initial=0.0) < 1e6 for trace in run.traces[0].values()):
            raise Refused("states explode")
        return run

    @property
    def steps(self) -> int:
        """A run's length."""
        assert self.program.simulation is not None
        return self.program.simulation.steps

    @property
    def states(self) -> list[str]:
        """All that can be recorded."""
        rows = [(g, r) for g in self.program.groups for r in g.rows if r.holds == "neurons"]
        return [f"{r.population}.{state}" for g, r in rows for state, _, _ in g.declared]

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
        options = {"record": self.states, "seed": 9, "resume": first > 0} | options
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
    inputs = tuple(
        {
            s.name: rng.normal(0.02, 0.1, (steps, s.size))
            if s.kind == "signal"
            else rng.poisson(rng.choice([0.02, 0.3]), (steps, s.size)) * 1.0
            for s in program.sources
        }
        for _ in range(2)
    )
    values: dict[str, np.ndarray] = {}
    case = Case(text, program, pairs, inputs, values)  # type: ignore[arg-type]
    for p in program.parameters:
        if p.storage != "compiled" and rng.random() < 0.3:
            values[p.key] = _moved(case, p, rng)
    for key in (f"{s.connection}.plasticity.{m}" for s in program.synapses for m in s.modulators):
        values[key] = np.array(rng.uniform(-0.5, 2))
    return case


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


def _moved(case: Case, p: Parameter, rng: np.random.Generator) -> np.ndarray:
    """Other values, within their bounds; delays that are legal."""
    value = case.drawn.parameters[p.key]
    moved = np.clip(value * rng.uniform(0.8, 1.05, np.shape(value)), *(p.bounds or (-np.inf, np.inf)))
    least = [c.delay * case.program.step for c in case.program.connections if c.delays == p.key]
    return np.maximum(moved, max(least)) if least else moved


# ------------------------------------------------------------------------------------------------ what is checked
def check_simulation(text: str, emulated: Callable[[str], Path] | None = None) -> None:
    """Every backend does what the reference does; `emulated` builds the CUDA half. Raises `Refused`, or AssertionError."""
    case = case_of(text)
    assert case.first is not None
    project = sncc.build(text, backend="cpu", precision="float64")
    expected = None
    for workers in (1, 3):
        with environment(SNCC_WORKERS=str(workers)):
            expected = check_runs(case, lambda: load(case, project, threads=workers), expected)  # noqa: B023
    if emulated is not None:
        library = emulated(text)
        with environment(**FORMS[zlib.crc32(text.encode()) % len(FORMS)]):
            check_runs(case, lambda: load(case, library, backend="emulated"), expected)


def check_runs(case: Case, loaded: Callable[[], Any], expected: list[Any] | None) -> list[Any]:
    """A run and a second one after it: the reference's, or bit for bit the expected ones; the first one also in parts."""
    network, third = loaded(), case.steps // 3
    runs = [case.run(network, 0, 0, case.steps)]
    if expected is None:
        is_the_references(case, network, runs[0], case.first, 0)
    moved = {p.key: np.asarray(network.parameters[p.key]) / p.si for p in _of_the_user(case, network)}
    runs.append(case.run(network, 1, 0, 2 * third, seed=11, trial=1))
    if expected is None:  # its plastic weights begin where the first left them
        modulators = {key: value for key, value in case.values.items() if key not in moved}
        reference = Reference(case.program, moved | modulators, seed=SEED, pairs=case.pairs)
        inputs = [{name: values[: 2 * third] for name, values in run.items()} for run in case.inputs]
        is_the_references(case, network, runs[1], reference.run(inputs, steps=2 * third, seed=11), 1)
    other = loaded()
    head = case.run(other, 0, 0, third)
    state, kept = other.store(), {key: np.asarray(other.parameters[key]) for key in other.parameters}
    case.run(other, 0, third, case.steps, seed=10)  # goes another way
    other.restore(state)
    for key, value in kept.items():
        assert np.array_equal(other.parameters[key], value), f"{key} after `restore`"
    same([head, case.run(other, 0, third, case.steps)], runs[:1])
    step_by_step(case, other, runs[0])
    for run, wanted in zip(runs, expected or runs, strict=True):
        same([run], [wanted])
    return runs


def step_by_step(case: Case, network: Any, run: Any) -> None:
    """The first steps of a run, each by a call of its own."""
    for key in [k for k in network.parameters if k in {c.weight for c in case.program.connections if c.plastic}]:
        si = case.program.parameter(key).si
        network.parameters[key] = np.reshape(
            case.values.get(key, case.drawn.parameters[key]) * si, network.parameters[key].shape
        )
    network.reset()
    for n in range(8):
        given = {s.name: case.inputs[0][s.name][n] * (s.si if s.kind == "signal" else 1) for s in case.program.sources}
        events = {
            s.name: np.repeat(np.arange(s.size), given[s.name].astype(int))
            for s in case.program.sources
            if s.kind != "signal"
        }
        for population, neurons in network.step(given | events, seed=9).items():
            spikes = run.spikes[population]
            expected = spikes.neurons[np.round(spikes.times / (case.program.step * 1e-3)) == n + 1]
            assert np.array_equal(np.sort(neurons), np.sort(expected)), (
                f"spikes of {population} by `step`, step {n + 1}"
            )


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Within it these variables are set."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def load(case: Case, project: Path, **options: Any) -> Any:
    """The network, whose parameters were drawn as the reference draws them, with those that are set."""
    network = sncc.load(project, seed=SEED, connections=case.pairs or None, **options)
    for p in _of_the_user(case, network):
        got, expected = np.asarray(network.parameters[p.key]) / p.si, case.drawn.parameters[p.key]
        if delayed := [c for c in case.program.connections if c.delays == p.key]:
            expected = np.maximum(np.floor(expected / case.program.step + 0.5), delayed[0].delay) * case.program.step
        assert _equal(case, p.key, got, expected), f"{p.key} as drawn"
    for key, value in case.values.items():
        si = next((p.si for p in case.program.parameters if p.key == key), 1.0)
        network.parameters[key] = value * si
    return network


def _of_the_user(case: Case, network: Any) -> list[Parameter]:
    """Parameters that have a name in Python."""
    return [p for p in case.program.parameters if p.key in network.parameters]


def _equal(case: Case, key: str, got: Any, expected: Any) -> bool:
    """Equal up to rounding, in whatever shape; of a matrix without neurons to themselves but for those."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    c = next((c for c in case.program.connections if key == f"{c.name}.weight"), None)
    if c is not None and isinstance(c.structure, Dense) and not c.structure.self_connections and got.ndim == 2:
        off = ~np.eye(*got.shape, dtype=bool)
        got, expected = got[off], expected[off] if expected.shape == off.shape else expected
    return got.size == expected.size and np.allclose(got.reshape(-1), expected.reshape(-1), rtol=1e-8, atol=1e-10)


def is_the_references(case: Case, network: Any, run: Any, expected: Result, sample: int) -> None:
    """Spikes, states at every step, and plastic weights in the end."""
    declared = {f"{r.population}.{s}": si for g in case.program.groups for r in g.rows for s, _, si in g.declared}
    for population, counts in expected.spikes[sample].items():
        if population in run.spikes:
            spikes, found = run.spikes[population], np.zeros_like(counts)
            np.add.at(found, (np.round(spikes.times / (case.program.step * 1e-3)).astype(int) - 1, spikes.neurons), 1)
            assert np.array_equal(found, counts), f"spikes of {population}, run {sample}"
    for name, trace in run.trace.items():
        population, state = name.rsplit(".", 1)
        wanted = expected.traces[sample][population, state]
        assert np.allclose(np.asarray(trace) / declared[name], wanted, rtol=1e-8, atol=1e-10), f"{name}, run {sample}"
    for key, weight in expected.weights[sample].items():
        got = np.asarray(network.parameters[key]) / case.program.parameter(key).si
        assert _equal(case, key, got, weight), f"{key} after run {sample}"


def same(first: list[Any], second: list[Any]) -> None:
    """Runs in one or several parts are bit for bit the same."""
    for name in first[0].spikes:
        for what, tolerance in (("times", 1e-12), ("neurons", 0)):
            a, b = (np.concatenate([getattr(part.spikes[name], what) for part in run]) for run in (first, second))
            assert a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=0), f"{what} of spikes of {name}"
    for name in first[0].trace:
        a, b = (np.concatenate([np.asarray(part.trace[name]) for part in run]) for run in (first, second))
        assert np.array_equal(a, b), name
