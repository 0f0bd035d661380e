"""e-prop forwards by the largest value of each output: both halves give the reference's gradients and training."""

from __future__ import annotations

import pytest
import synapses_forwards
from networks import program_of, recurrent
from projects import Projects, agree, needs_compiler, trains_online_like_the_reference

import sncc

LOSS = "cross_entropy(max(output.v, from = 5 ms, to = 25 ms))"
TEXTS = {
    "outputs that filter alike": recurrent("ALIF", rule="eprop(online = true)", loss=LOSS, learn="weights, hidden.tau_a, output.tau_m"),
    "states of synapses": synapses_forwards.text_of("online = true", LOSS, synapses_forwards.OF_SOURCES).replace("dropout = 0.3,", ""),
}  # fmt: skip


@pytest.mark.slow  # that forwards is in reverse is quick
@pytest.mark.parametrize("half", ["cpu", "emulated"])
@pytest.mark.parametrize("name", TEXTS)
def test_traces_kept_at_maxima_equal_the_reference(tmp_path, name, half):
    needs_compiler()
    text = TEXTS[name]
    if half == "emulated":
        network = sncc.load(Projects(tmp_path).emulated(text, build="checked")[1], backend="emulated")
    else:
        network = sncc.load(sncc.build(text, backend="cpu", precision="float64"), threads=2)
    agree(network, program_of(text), 1e-9, samples=5)
    trains_online_like_the_reference(network, program_of(text))
