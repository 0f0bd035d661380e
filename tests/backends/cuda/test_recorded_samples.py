"""The CUDA half, run on the CPU, records weights and states of synapses of a network that can be trained,
and stores its state.
"""

import numpy as np
import pytest
from projects import Projects, needs_compiler
from recorded_samples import (
    SHARED,
    TEXT,
    goes_on_with_the_same_bits,
    recorded,
    refuses_states_of_others,
    spikes_move_by_the_modulator_of_their_step,
    without_training,
)

import sncc


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=pytest.mark.slow)])
def test_both_halves_record_the_same_bits_and_go_on_from_a_stored_state(tmp_path, build):
    needs_compiler()
    _, project = Projects(tmp_path).emulated(TEXT, build=build)
    found = recorded(sncc.load(project, backend="emulated"), *SHARED)
    expected = recorded(sncc.load(sncc.build(TEXT, backend="cpu", precision="float64"), threads=1), *SHARED)
    for name, trace in expected.items():
        assert np.abs(trace).max() > 0 and np.array_equal(found[name], trace), name
    goes_on_with_the_same_bits(*(sncc.load(project, backend="emulated") for _ in range(2)), steps=15, first=10)
    spikes_move_by_the_modulator_of_their_step(sncc.load(project, backend="emulated"))
    refuses_states_of_others(*(sncc.load(project, backend="emulated", seed=seed) for seed in (0, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("build", ["plain", "checked"])
def test_without_training_samples_in_parallel_record_the_same_bits(tmp_path, build):
    needs_compiler()
    text = without_training(TEXT)
    _, project = Projects(tmp_path).emulated(text, build=build, schedule="sample_parallel")
    found = recorded(sncc.load(project, backend="emulated"), *SHARED)
    built = sncc.build(text, backend="cpu", precision="float64", schedule="sample_parallel")
    for name, trace in recorded(sncc.load(built, threads=1), *SHARED).items():
        assert np.abs(trace).max() > 0 and np.array_equal(found[name], trace), name
    goes_on_with_the_same_bits(*(sncc.load(project, backend="emulated") for _ in range(2)))
