"""What a random simulation must fulfil; shared by the tests and by `benchmarks/fuzz_simulations.py`."""

from __future__ import annotations

import os

import numpy as np

import sncc
from sncc import compiler
from sncc.arguments import source_of
from sncc.backends.reference.interpreter import Reference
from sncc.connectivity.patterns import Dense
from sncc.diagnostics import DiagnosticError


def check_simulation(text: str) -> bool:
    """Spikes and weights of the C++ half are the reference's for one worker and for three; False where the compiler refuses the network."""
    try:
        program = compiler.compile_program(compiler.compile_model(source_of(text)), "float64")
        project = sncc.build(text, backend="cpu", precision="float64")
    except DiagnosticError as error:
        assert all(d.code == "not-supported-yet" for d in error.diagnostics if d.severity == "error"), error
        return False
    expected = Reference(program, seed=5).run([{}], steps=program.simulation.steps, seed=9)
    before = os.environ.get("SNCC_WORKERS")
    try:
        for workers in (1, 3):
            os.environ["SNCC_WORKERS"] = str(workers)
            network = sncc.load(project, seed=5, threads=workers)
            check_run(program, network, network.simulate(seed=9), expected)
    finally:
        os.environ.pop("SNCC_WORKERS")
        if before is not None:
            os.environ["SNCC_WORKERS"] = before
    return True


def check_run(program, network, run, expected) -> None:
    for population, spikes in run.spikes.items():
        found = np.zeros_like(expected.spikes[0][population])
        np.add.at(found, (np.round(spikes.times / (program.step * 1e-3)).astype(int) - 1, spikes.neurons), 1)
        assert np.array_equal(found, expected.spikes[0][population]), population
    for key, weight in expected.weights[0].items():
        found = network.parameters[key]
        structure = program.connection(key.removesuffix(".weight")).structure
        if (
            isinstance(structure, Dense) and not structure.self_connections
        ):  # a matrix, of which the reference keeps what there is
            assert np.isin(np.round(weight, 9), np.round(found, 9)).all(), key
            continue
        assert np.allclose(found.reshape(-1), weight, rtol=1e-9, atol=1e-12), key
