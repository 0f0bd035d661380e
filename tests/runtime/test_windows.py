"""Windows of losses, against the lengths of samples."""

import numpy as np
import pytest

import sncc
from sncc.runtime import Events, load
from sncc.runtime.dataset import data_set, run_batch, selected

NETWORK = """
network Small:
    step = 1 ms
    population x: input[6]
    population output: LI[3](tau_m = 20 ms)
    connect x -> output: dense, weight = normal(0.4, 0.3)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v, from = 8 ms, to = 12 ms)) + 0.5 * mean(cross_entropy(output.v), from = 20 ms)
    optimiser = adam(learning_rate = 0.01)
"""
LABELS = np.array([0, 1, 2])


@pytest.fixture(scope="module")
def network():
    from sncc import toolchain

    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")
    return load(sncc.build(NETWORK, backend="cpu"), seed=0)


def samples(*lengths):
    """Samples in which every source fires at every step."""
    return Events.from_lists(
        [(np.repeat(np.arange(n) * 1e-3 + 5e-4, 6), np.tile(np.arange(6), n)) for n in lengths],
        (6,),
        1e-3,
        steps=lengths,
    )


def test_a_sample_that_ends_before_a_window_begins_is_refused(network):
    short, message = (
        samples(40, 20, 9),
        r"sample 1 ends at 20 ms \(20 steps\), before the window of loss 2 of 2 begins \(from = 20 ms\); so do 1 more",
    )
    before = network.parameters["x_output.weight"]
    for ask in (network.evaluate, network.gradients, lambda data, labels: network.fit(data, labels, 1, verbose=False)):
        with pytest.raises(ValueError, match=message):
            ask(short, LABELS)
    long = samples(40, 30, 21)
    with pytest.raises(ValueError, match=f"validation: {message}"):
        network.fit(long, LABELS, 1, validation=(short, LABELS), verbose=False)
    assert np.array_equal(network.parameters["x_output.weight"], before)
    assert np.isfinite(network.evaluate(long, LABELS)["loss"])


def test_predictions_need_the_window_of_the_first_loss_alone(network):
    weight, decay = network.parameters["x_output.weight"].sum(0), np.exp(-1 / 20)
    v = np.array([sum(decay**k for k in range(n)) for n in range(41)])
    windows = np.array([v[9:13].mean(), v[9:13].mean(), v[9:10].mean()])  # the last ends in its window
    assert np.allclose(network.predict(samples(40, 20, 9)), np.outer(windows, weight), rtol=1e-5)
    with pytest.raises(
        ValueError, match=r"sample 2 ends at 8 ms .* window of loss 1 of 2 begins \(from = 8 ms, to = 12 ms\):"
    ):
        network.predict(samples(40, 20, 8))


def test_the_library_refuses_them_too(network):
    data, chosen = data_set(network.manifest, samples(40, 20, 9), LABELS), np.arange(3)
    with pytest.raises(ValueError, match="sample 1 has 20 steps, and a loss sees what comes after step 20"):
        run_batch(network.library, "evaluate", selected(data, chosen, None), None, None)
    run_batch(network.library, "evaluate", selected(data, chosen[:1], None), None, None)
