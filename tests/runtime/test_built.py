"""The binding on networks that sncc built."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import sncc
from sncc.runtime import Events, load

NETWORK = """
network Small:
    step = 1 ms
    population x: input[6]
    population drive: signal[2]
    population hidden: ALIF[12](tau_a = 200 ms)
    population output: LI[3](tau_m = 20 ms)
    connect x -> hidden: dense, weight = normal(0.4, 0.3)
    connect drive -> hidden: dense, weight = normal(0, 0.02)
    connect hidden -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = eprop(feedback = symmetric)
    loss = {loss}
    optimiser = adam(learning_rate = 0.01)
    schedule = cosine()
    learn = weights, hidden.tau_m
    batch = 8
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Builds the network with another loss; each once."""
    from sncc import toolchain

    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")

    def build_with(loss):
        return sncc.build(NETWORK.format(loss=loss), backend="cpu")

    return build_with


@pytest.fixture(scope="module")
def per_sample(build):
    return build("cross_entropy(mean(output.v))")


@pytest.fixture(scope="module")
def per_step(build):
    return build("mean(cross_entropy(output.v))")


@pytest.fixture(scope="module")
def to_values(build):
    return build("mean(mse(output.v))")


RNG = np.random.default_rng(0)
LABELS = np.arange(24) % 3
SPIKES = RNG.random((24, 30, 6)) < 0.05
for sample, label in enumerate(LABELS):
    SPIKES[sample, :, 2 * label : 2 * label + 2] |= RNG.random((30, 2)) < 0.5
DRIVE = RNG.normal(size=(24, 30, 2))
DATA = {"x": Events.from_dense(SPIKES), "drive": DRIVE}


def part(chosen):
    return {"x": DATA["x"][chosen], "drive": DRIVE[chosen]}


def weights_of(network):
    return {key: np.array(network.parameters[key]) for key in network.parameters}


def assert_same_bits(a, b):
    assert all(np.array_equal(weights_of(a)[key], weights_of(b)[key]) for key in a.parameters)


def test_a_network_learns(per_sample):
    network = load(per_sample, seed=1)
    history = network.fit(DATA, LABELS, epochs=30, validation=(DATA, LABELS), seed=2)
    assert history["loss"][-1] < history["loss"][0] and history["val_accuracy"][-1] > 0.9


def test_parameters_that_do_not_fit_are_refused_before_there_is_any(per_sample, monkeypatch):
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "100")
    with pytest.raises(
        MemoryError, match=r"for its parameters, 100 B are free; the largest, \w+\.weight, has \d+ numbers"
    ):
        sncc.load(per_sample)


def test_events_of_a_step_ascend(per_sample):
    def events(*neurons):
        return Events((6,), np.int32([2]), np.int64([0]), np.int64([0, 1, 1 + len(neurons)]), np.uint32([5, *neurons]))

    network, drive = load(per_sample, seed=1), np.zeros((1, 2, 2))
    network.predict({"x": events(1, 1, 4), "drive": drive})
    with pytest.raises(ValueError, match="x: the neurons of a step's events do not ascend"):
        network.predict({"x": events(4, 1), "drive": drive})


def test_threads_change_no_bit(per_sample):
    networks = [load(per_sample, seed=1, threads=threads) for threads in (1, 2, 5)]
    for network in networks:
        network.fit(DATA, LABELS, epochs=2, seed=3)
    assert_same_bits(networks[0], networks[1])
    assert_same_bits(networks[0], networks[2])


def test_networks_train_side_by_side_but_one_has_one_caller(per_sample):
    alone, shared, refused = load(per_sample, seed=1), load(per_sample, seed=1), []
    alone.fit(DATA, LABELS, epochs=3)
    expected = weights_of(alone)

    def train_own():
        network = load(per_sample, seed=1)
        network.fit(DATA, LABELS, epochs=3)
        assert all(np.array_equal(values, expected[key]) for key, values in weights_of(network).items())

    def train_shared():
        for _ in range(10):
            try:
                shared.fit(DATA, LABELS, epochs=1)
            except RuntimeError as error:
                refused.append(str(error))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(task) for task in (train_own, train_shared) * 3]:
            done.result()
    assert all("another thread" in message for message in refused)
    assert np.isfinite(shared.evaluate(DATA, LABELS)["loss"])


def test_ctrl_c_leaves_a_network_that_goes_on(per_sample):
    network = load(per_sample, seed=1)
    # what a shell starts in the background ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        press = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGINT))
        press.start()
        with pytest.raises(KeyboardInterrupt):
            network.fit(DATA, LABELS, epochs=100_000)
    finally:
        signal.signal(signal.SIGINT, before)
    assert np.isfinite(network.fit(DATA, LABELS, epochs=1)["loss"][0])


@pytest.mark.parametrize("precision", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_an_interrupted_training_goes_on_with_the_same_bits(precision, tmp_path, per_sample):
    path = per_sample
    if precision == "float64":
        path = sncc.build(NETWORK.format(loss="cross_entropy(mean(output.v))"), backend="cpu", precision=precision)
    whole, first, second = load(path, seed=1), load(path, seed=1), load(path, seed=7)

    def interrupt(network, epoch, history):
        network.save(tmp_path / "w.npz")
        if epoch == 1:
            raise KeyboardInterrupt

    whole.fit(DATA, LABELS, epochs=4, seed=3)
    with pytest.raises(KeyboardInterrupt):
        first.fit(DATA, LABELS, epochs=4, seed=3, callbacks=[interrupt])
    second.load(tmp_path / "w.npz")
    second.fit(DATA, LABELS, epochs=2, seed=3)
    assert_same_bits(whole, second)


def test_a_prediction_is_the_mean_of_the_simulated_readout(per_sample):
    network = load(per_sample, seed=1)
    run = network.simulate(inputs=DATA, record=["output.v", "hidden.v"])
    assert np.allclose(run.trace["output.v"].mean(1), network.predict(DATA), rtol=1e-4, atol=1e-5)
    assert run.trace["hidden.v"].shape == (24, 30, 12) and len(run.spikes["x"]) == SPIKES.sum()
    assert set(run.spikes) == {"x", "hidden"}


def test_runs_in_pieces_and_single_steps_equal_one_run(per_sample):
    network = load(per_sample, seed=1)
    one = {"x": DATA["x"][0], "drive": DRIVE[:1]}
    whole = network.simulate(inputs=one, record=["hidden.v"])
    pieces = [
        network.simulate(0.010, {"x": Events.from_dense(SPIKES[:1, a : a + 10]), "drive": DRIVE[:1, a : a + 10]},
                         record=["hidden.v"], resume=a > 0)
        for a in (0, 10, 20)
    ]  # fmt: skip
    assert np.array_equal(np.concatenate([p.trace["hidden.v"] for p in pieces]), whole.trace["hidden.v"])
    assert np.array_equal(np.concatenate([p.spikes["hidden"].times for p in pieces]), whole.spikes["hidden"].times)
    network.reset()
    for n in range(30):
        found = network.step({"x": np.flatnonzero(SPIKES[0, n]), "drive": DRIVE[0, n]}, record=["hidden.v"])
        at_n = np.isclose(whole.spikes["hidden"].times, (n + 1) * 1e-3)
        assert np.array_equal(np.sort(found["hidden"]), np.sort(whole.spikes["hidden"].neurons[at_n]))
        assert np.array_equal(found["hidden.v"], whole.trace["hidden.v"][n])


def test_a_run_longer_than_its_events_has_no_further_input(per_sample):
    network = load(per_sample, seed=1)
    longer = network.simulate(0.05, {"x": DATA["x"][0]}, record=["hidden.v"])
    padded = np.concatenate([SPIKES[:1], np.zeros((1, 20, 6), bool)], axis=1)
    assert np.array_equal(
        longer.trace["hidden.v"],
        network.simulate(inputs={"x": Events.from_dense(padded)}, record=["hidden.v"]).trace["hidden.v"],
    )


def test_simulations_leave_training_alone(per_sample):
    a, b = load(per_sample, seed=1), load(per_sample, seed=1)
    for network in (a, b):
        network.fit(DATA, LABELS, epochs=1, seed=3)
        if network is a:
            network.simulate(inputs=part([0]))
            network.predict(DATA)
            network.gradients(DATA, LABELS)
        network.fit(DATA, LABELS, epochs=1, seed=3)
    assert_same_bits(a, b)


def test_labels_of_every_step(per_step):
    network = load(per_step, seed=1)
    every = np.tile(LABELS[:, None], (1, 30))
    assert network.evaluate(DATA, every)["loss"] == pytest.approx(network.evaluate(DATA, LABELS)["loss"], rel=1e-6)
    masked = every.copy()
    masked[:, ::2] = -1
    outputs = network.predict(DATA, per_step=True)
    assert outputs.shape == (24, 30, 3)
    losses = np.log(np.exp(outputs).sum(-1)) - outputs[np.arange(24)[:, None], np.arange(30), every]
    result = network.evaluate(DATA, masked)
    assert result["loss"] == pytest.approx(losses[:, 1::2].mean(), rel=1e-4)
    assert result["accuracy"] == pytest.approx((outputs.argmax(-1) == every)[:, 1::2].mean())
    assert np.allclose(network.predict(DATA), outputs.mean(1), rtol=1e-4, atol=1e-5)
    assert network.fit(DATA, masked, epochs=10, seed=1)["loss"][-1] < result["loss"]


def test_labels_of_every_step_are_refused_where_a_loss_is_taken_once_a_sample(per_sample):
    """It would have to take one of them, of some step: Python refuses, and so does the library itself."""
    network, every = load(per_sample, seed=1), np.tile(LABELS[:, None], (1, 30))
    readout = network.manifest.readout
    for mixed in (False, True):  # with a loss of every step beside it, and that first
        network.manifest = replace(network.manifest, readout=replace(readout, per_step=mixed))
        said = "one of the terms of this loss is taken once a sample" if mixed else "this loss has one label a sample"
        for use in (network.fit, network.evaluate, network.gradients):
            with pytest.raises(ValueError, match=rf"labels have the shape \(24,\), not \(24, 30\); {said}"):
                use(DATA, every)
    network.manifest = replace(network.manifest, readout=replace(readout, step_labels=True))
    with pytest.raises(ValueError, match="labels for every step, and a loss that is taken once a sample"):
        network.gradients(DATA, every)


def test_samples_of_unequal_length_are_independent(per_step):
    network = load(per_step, seed=1)
    lengths = RNG.integers(5, 31, 24)
    lengths[3] = 30
    ragged = {"x": Events.from_dense(SPIKES, lengths=lengths), "drive": np.array([0.1, -0.2])}
    alone = [
        network.predict({"x": Events.from_dense(SPIKES[k : k + 1, :n]), "drive": np.array([0.1, -0.2])})[0]
        for k, n in enumerate(lengths)
    ]
    assert np.allclose(network.predict(ragged), alone, rtol=1e-5, atol=1e-6)
    steps = network.predict(ragged, per_step=True)
    assert np.array_equal(np.isnan(steps[:, :, 0]), np.arange(30) >= lengths[:, None])
    every = np.tile(LABELS[:, None], (1, 30))
    assert network.evaluate(ragged, every)["loss"] == pytest.approx(network.evaluate(ragged, LABELS)["loss"], rel=1e-6)
    chosen = np.argsort(lengths)[:5]  # their labels are wider than they are long
    short = {"x": ragged["x"][chosen], "drive": ragged["drive"]}
    assert np.isfinite(network.evaluate(short, every[chosen])["loss"])


def test_signals_may_have_samples_of_unequal_length_too(per_step):
    network = load(per_step, seed=1)
    rng = np.random.default_rng(5)
    lengths, drive = rng.integers(5, 30, 24), rng.normal(size=(24, 30, 2))
    events = Events.from_dense(SPIKES, lengths=lengths)
    one_by_one = network.predict({"x": events, "drive": [d[:n] for d, n in zip(drive, lengths)]})
    assert np.array_equal(one_by_one, network.predict({"x": events, "drive": drive}))  # wider than they are long
    alone = {"x": Events.from_dense(SPIKES[7:8, : lengths[7]]), "drive": drive[7:8, : lengths[7]]}
    assert np.allclose(one_by_one[7], network.predict(alone)[0], rtol=1e-5, atol=1e-6)
    for wrong in (drive[:, :20], [d[:5] for d in drive], [d[:n, :1] for d, n in zip(drive, lengths)]):
        with pytest.raises(ValueError, match="`drive`"):
            network.predict({"x": events, "drive": wrong})


def test_targets_of_every_step(to_values):
    network = load(to_values, seed=1)
    targets = np.sin(np.arange(30) / 5)[None, :, None] * np.ones((24, 1, 3)) * (1 + LABELS[:, None, None])
    predicted = network.predict(DATA)
    assert predicted.shape == (24, 30, 3)
    result = network.evaluate(DATA, targets)
    assert result["loss"] == pytest.approx(((predicted - targets) ** 2).mean(), rel=1e-4) and "accuracy" not in result
    constant = RNG.normal(size=(24, 3))
    expected = ((predicted - constant[:, None]) ** 2).mean()
    assert network.evaluate(DATA, constant)["loss"] == pytest.approx(expected, rel=1e-4)
    history = network.fit(DATA, targets, epochs=10)
    assert history["loss"][-1] < history["loss"][0] and set(history) == {"loss"}
    for wrong in (constant[:, :2], constant[:3], targets[:, :5], np.full((24, 3), np.nan), LABELS):
        with pytest.raises(ValueError, match="labels|targets"):
            network.fit(DATA, wrong, epochs=1)


def test_a_time_constant_is_learnt_in_seconds_and_stays_above_the_step(per_sample):
    network = load(per_sample, seed=1)
    before = float(network.parameters["hidden.tau_m"])
    network.fit(DATA, LABELS, epochs=2)
    after = float(network.parameters["hidden.tau_m"])
    assert before == pytest.approx(0.02) and after != before and 0.01 < after < 0.03
    with pytest.raises(ValueError, match="bound"):
        network.parameters["hidden.tau_m"] = 0.0005


def test_the_emitted_binding_needs_numpy_alone(per_sample):
    code = f"""
import sys
for name in ('sncc', 'lark', 'sympy', 'jinja2', 'click', 'rich', 'scipy'): sys.modules[name] = None
sys.path.insert(0, {str(per_sample / "python")!r})
import sncc_runtime
network = sncc_runtime.load({str(per_sample)!r})
data = {{'x': sncc_runtime.Events.from_dense([[[1] * 6] * 9] * 4), 'drive': [0, 0]}}
print(len(network.fit(data, [0, 1, 2, 0], epochs=2)['loss']))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", env=dict(os.environ))
    assert done.stdout.strip() == "2", done.stderr
