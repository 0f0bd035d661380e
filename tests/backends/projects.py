"""Projects built once a session for the tests of the backends, and their comparison with the reference."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from networks import lively, parameters, program_of, seen, spikes
from stand_in import EMULATION, FLAGS, LINKER, SANITIZERS, Build, compiled, kept, kernels, made, runtime, texts

import sncc
from sncc.backends.cxx.names import project_name
from sncc.backends.reference.interpreter import Reference
from sncc.building import within
from sncc.compiler import emit


class Projects:
    """Writes projects in a folder and builds their CUDA half with the emulation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, precision: str, memory: int | None = None, **settings: str):
        program = within(memory, program_of(text, precision, **settings))
        files = emit(program)
        key = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:12]
        project = self.folder / key
        for name, content in files.items():
            target = project / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
        return program, project

    def emulated(
        self, text: str, precision: str = "float64", build: Build = "plain", memory: int | None = None, **settings: str
    ):
        """A project with its CUDA half compiled for the CPU, sources unchanged; its library stands under `emulated`."""
        program, written = self.write(text, precision, memory, **settings)
        name = project_name(program.name)
        library = self.link(written, name, build, f"lib{name}_emulated.so", "-shared")
        project = self.folder / f"{written.name}_{build}"
        if not project.exists():  # a file that is loaded must not be written again
            (project / "lib").mkdir(parents=True)
            shutil.copy(library, project / "lib")
            shutil.copy(written / "manifest.json", project)
        return program, project

    def link(self, project: Path, name: str, build: Build, target: str, *link: object, main: str | None = None) -> Path:
        """The CUDA half of a project as a library or a program."""
        include = ["-I", project / "include", "-I", project / "src"]
        objects = [kernels(project / "src" / "cuda" / f"{name}_cuda.cu", build, *include)]
        flags = [*FLAGS, *(SANITIZERS[build] if build == "address" else []), *include]
        others = [project / "src" / f"{name}_{part}.cpp" for part in ("api", *([main] if main else []))]
        others += [p for p in [project / "src" / "engine" / "connectivity.cpp"] if p.exists()]
        folder = kept(FLAGS, LINKER, build, link, main, *texts(project / "include", project / "src"), *texts(EMULATION))
        objects += [compiled(source, flags) for source in others]
        sanitizer = SANITIZERS[build] if build == "address" else []
        return made(folder / target, LINKER, *sanitizer, *link, *objects, *runtime(build), "-ldl", "-lpthread", "-o")


def needs_compiler() -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++ on this machine")


def cases(program, seed: int = 0, samples: int = 3, steps: int = 40):
    """Inputs, labels and parameters at which the network spikes; samples of different lengths."""
    rng = np.random.default_rng(seed)
    inputs = spikes(rng, samples, steps)
    signals = any(s.kind == "signal" for s in program.sources)
    for k, sample in enumerate(inputs):
        sample["x"] = sample["x"][: steps - 4 * (k % 4)]
        if signals:
            sample["level"] = rng.normal(0, 0.1, (len(sample["x"]), 2))
    try:
        values = lively(program, 3, inputs)
    except AssertionError:
        values = parameters(program, np.random.default_rng(3), 2.0)
    for c in program.connections:
        if c.pattern == "dense" and c.structure is not None:  # the engines keep zeros where there are no synapses
            values[c.weight] *= 1 - np.eye(c.source_size)
    readout = program.readout
    every_step = all(r.reduction is None for r in program.readouts)
    shape = (steps, readout.size) if every_step else (readout.size,)
    labels = (
        [rng.normal(0, 1, shape) for _ in inputs]
        if readout.labels == "value"
        else [k % readout.size for k in range(samples)]
    )
    return inputs, labels, values


def handed_over(program, inputs):
    """The same inputs as the binding takes them."""
    longest = max(len(sample["x"]) for sample in inputs)

    def dense(name):
        arrays = [np.asarray(s[name]) for s in inputs]
        return np.array([np.pad(a, ((0, longest - len(a)), (0, 0))) for a in arrays])

    lengths = np.array([len(sample["x"]) for sample in inputs])
    data = {}
    for source in program.sources:
        if source.kind == "signal":
            data[source.name] = dense(source.name) * source.si
        else:
            data[source.name] = sncc.Events.from_dense(
                dense(source.name).astype(int), step=program.step * 1e-3, lengths=lengths
            )
    return data


def set_parameters(network, program, values) -> None:
    for parameter in program.parameters:
        if parameter.key in values and parameter.storage != "compiled":
            value = np.asarray(values[parameter.key]) * parameter.si
            shape = np.shape(network.parameters[parameter.key])  # numbers of dense synapses are matrices in Python
            if parameter.turned:
                network.parameters[parameter.key] = value.reshape(shape[::-1]).T
            else:
                network.parameters[parameter.key] = (
                    value.reshape(shape) if value.size == np.prod(shape, dtype=int) else value
                )


def agree(network, program, tolerance: float, **case) -> None:
    """Loss, gradients, readout, spikes and states of a network equal the reference's."""
    inputs, labels, values = cases(program, **case)
    set_parameters(network, program, values)
    run = Reference(program, values).run(inputs, labels)
    assert run.spikes[0]["hidden"].sum() > 0
    data = handed_over(program, inputs)
    loss, gradients = network.gradients(data, np.array(labels))
    assert loss == pytest.approx(run.loss + run.penalty, rel=tolerance)
    assert network.evaluate(data, np.array(labels))["penalty"] == pytest.approx(run.penalty, rel=tolerance)
    assert set(gradients) == set(run.gradients)
    si = {p.key: p.si for p in program.parameters}
    for key, expected in run.gradients.items():
        got = np.reshape(gradients[key], np.shape(expected)) * si[key]
        assert np.max(np.abs(got - expected)) <= tolerance * max(np.max(np.abs(expected)), 1e-300), key
    assert np.allclose(network.predict(data, per_step=False), run.outputs, rtol=tolerance, atol=tolerance)
    one = {name: value[:1] for name, value in data.items()}
    steps = len(inputs[0]["x"])
    simulated = network.simulate(duration=steps * program.step * 1e-3, inputs=one, record=["hidden.v"])
    for population, expected in run.spikes[0].items():
        at, neurons = (np.repeat(a, expected[expected > 0].astype(int)) for a in np.nonzero(expected))  # counts
        assert np.array_equal(np.round(simulated.spikes[population].times / (program.step * 1e-3)).astype(int), at + 1)
        assert np.array_equal(simulated.spikes[population].neurons, neurons)
    trace = np.asarray(simulated.trace["hidden.v"]).reshape(steps, -1)
    assert np.allclose(trace, run.traces[0]["hidden", "v"], rtol=tolerance, atol=10 * tolerance)


def trains_like_the_reference(network, program, tolerance: float, steps: int = 3) -> None:
    inputs, labels, values = cases(program)
    set_parameters(network, program, values)
    reference = Reference(program, values)
    for _ in range(steps):
        reference.optimise(reference.run(inputs, labels).gradients)
    network.fit(handed_over(program, inputs), np.array(labels), epochs=steps, batch=len(labels), verbose=False)
    for p in program.parameters:
        if p.learnt or p.key.endswith(".feedback"):
            expected = seen(p, reference.parameters[p.key])
            got = np.reshape(network.parameters[p.key], np.shape(expected)) / p.si
            assert np.allclose(got, expected, rtol=tolerance, atol=tolerance), p.key


def trains_online_like_the_reference(network, program) -> None:
    inputs, labels, values = cases(program, samples=3)
    set_parameters(network, program, values)
    reference = Reference(program, values)
    loss = reference.train_online(inputs, labels)
    history = network.fit(handed_over(program, inputs), np.array(labels), epochs=1, batch=3, verbose=False)
    assert history["loss"][0] == pytest.approx(loss, rel=1e-9)
    for p in program.parameters:
        if p.learnt:
            got = np.asarray(network.parameters[p.key]) / p.si
            assert np.allclose(got, reference.parameters[p.key], rtol=1e-8, atol=1e-9), p.key
