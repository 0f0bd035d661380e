"""The CUDA half, run on the CPU, records weights and states of synapses of a network that can be trained."""

import numpy as np
import pytest
from projects import Projects, needs_compiler
from recorded_samples import SHARED, TEXT, recorded

import sncc


@pytest.mark.parametrize("build", ["plain", pytest.param("checked", marks=pytest.mark.slow)])
def test_both_halves_record_the_same_bits(tmp_path, build):
    needs_compiler()
    _, project = Projects(tmp_path).emulated(TEXT, build=build)
    found = recorded(sncc.load(project, backend="emulated"), *SHARED)
    expected = recorded(sncc.load(sncc.build(TEXT, backend="cpu", precision="float64"), threads=1), *SHARED)
    for name, trace in expected.items():
        assert np.abs(trace).max() > 0 and np.array_equal(found[name], trace), name
