"""e-prop forwards through outputs whose synapses read them: both halves give the reference's gradients and training."""

from __future__ import annotations

import pytest
from engine_patterns import keeping_equals_the_reference
from projects import Projects, needs_compiler
from synapses_forwards import ONTO_READERS, reaching_readers

import sncc

LOSS = "mean(cross_entropy(output.v))"
SPIKING = "LIF[4](theta = 0.6)"
EVERY = "\n    ".join(
    ONTO_READERS[name].replace("hidden -> output", f"{name} = hidden -> output") for name in ("late", "all", "some")
)
TEXTS = {
    "rows and matrices": reaching_readers("feedback = random, online = true, truncate = 7 ms", LOSS, EVERY, SPIKING),
    "one synapse each": reaching_readers("online = true", LOSS, ONTO_READERS["one"]),
    "the same outputs for all": reaching_readers("online = true", LOSS, ONTO_READERS["plain"], SPIKING),
}


@pytest.mark.parametrize("half", ["cpu", pytest.param("emulated", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "one synapse each" else pytest.mark.slow) for n in TEXTS]
)
def test_traces_along_all_synapses_of_what_is_reached_equal_the_reference(tmp_path, name, half):
    def load(text):
        if half == "emulated":
            return sncc.load(Projects(tmp_path).emulated(text, build="checked")[1], backend="emulated")
        return sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2)

    needs_compiler()
    keeping_equals_the_reference(load, TEXTS[name])
