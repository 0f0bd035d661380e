import threading
from dataclasses import replace

import numpy as np
import pytest
from fake_project import pick

from sncc.runtime import Checkpoint, EarlyStopping, Events, load
from sncc.runtime.dataset import labelled_set
from sncc.runtime.schedules import Position, schedule
from sncc.runtime.training import permutation


def softmax_regression(counts, labels, weight, momentum, orders, batch):
    """The fake library's training, in NumPy: mean losses of each epoch, and the weights after the last."""
    losses, updates = [], sum(-(-len(o) // batch) for o in orders)
    k = 0
    for order in orders:
        total = 0.0
        for first in range(0, len(order), batch):
            chosen = order[first : first + batch]
            y = counts[chosen] @ weight
            p = np.exp(y) / np.exp(y).sum(1, keepdims=True)
            total -= np.log(p[np.arange(len(chosen)), labels[chosen]]).sum()
            p[np.arange(len(chosen)), labels[chosen]] -= 1
            momentum = 0.9 * momentum + counts[chosen].T @ p / len(chosen)
            weight = weight - 0.01 * 0.5 * (1 + np.cos(np.pi * k / updates)) * momentum
            k += 1
        losses.append(total / len(order))
    return losses, weight


def features(data):
    return np.hstack([data["x"].to_dense().sum(1).reshape(len(data["x"]), -1), np.full((len(data["x"]), 2), 1.0)])


def test_a_fit_is_shuffled_descent_along_the_schedule(network, data, labels):
    weight = np.array(network.parameters["x_output.weight"])
    orders = [permutation(5, epoch, 20) for epoch in range(3)]
    losses, weight = softmax_regression(features(data), labels, weight, np.zeros((8, 3)), orders, 8)
    history = network.fit(data, labels, epochs=3, seed=5)
    assert np.allclose(history["loss"], losses)  # the last batch, of 4, counts as 4
    assert np.allclose(network.parameters["x_output.weight"], weight)


def test_a_learning_rate_of_a_fit_stands_for_the_files(project, data, labels):
    files, halved = load(project, seed=1), load(project, seed=1)
    start = np.array(files.parameters["x_output.weight"])
    files.fit(data, labels, batch=20)  # one update, which the rate is a factor of
    halved.fit(data, labels, batch=20, learning_rate=0.005)
    moved = files.parameters["x_output.weight"] - start
    assert np.abs(moved).max() > 1e-4
    assert np.allclose(halved.parameters["x_output.weight"] - start, moved / 2, rtol=1e-5, atol=1e-9)


def test_history_has_an_entry_an_epoch(network, data, labels):
    history = network.fit(data, labels, epochs=30, validation=(pick(data, slice(0, 7)), labels[:7]), seed=2)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(len(values) == 30 for values in history.values())
    assert history["loss"][-1] < history["loss"][0] and network.evaluate(data, labels)["accuracy"] > 0.8
    assert network.progress.epoch == 30


def test_the_seed_decides_the_order(project, data, labels):
    weights = {}
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        network = load(project)
        network.fit(data, labels, epochs=2, seed=seed)
        weights[name] = network.parameters["x_output.weight"]
    assert np.array_equal(weights["a"], weights["b"]) and not np.array_equal(weights["a"], weights["c"])
    assert sorted(permutation(1, 0, 50)) == list(range(50))
    assert permutation(2**64 - 1, 0, 50).tolist() != permutation(2**64 - 2, 0, 50).tolist()
    assert not np.array_equal(permutation(1, 0, 50), permutation(1, 1, 50))


def test_predictions_and_evaluation_agree(network, data, labels):
    network.fit(data, labels, epochs=5)
    predicted = network.predict(data)
    assert predicted.shape == (20, 3) and np.allclose(predicted, features(data) @ network.parameters["x_output.weight"])
    result = network.evaluate(data, labels)
    assert result["accuracy"] == (predicted.argmax(1) == labels).mean() and result["penalty"] == 0
    masked = np.where(np.arange(20) < 10, labels, -1)
    assert network.evaluate(data, masked)["accuracy"] == (predicted.argmax(1) == labels)[:10].mean()


def test_large_sets_are_run_in_pieces(network, data, labels, monkeypatch):
    whole, predicted = network.evaluate(data, labels), network.predict(data)
    monkeypatch.setattr("sncc.runtime.training.EVALUATED_AT_ONCE", 7)
    assert network.evaluate(data, labels) == pytest.approx(whole)
    assert np.array_equal(network.predict(data), predicted)


def test_gradients_are_those_of_the_mean_loss_and_change_nothing(network, data, labels):
    weight = np.array(network.parameters["x_output.weight"])
    loss, gradients = network.gradients(data, labels)
    assert set(gradients) == {"x_output.weight"} and np.array_equal(network.parameters["x_output.weight"], weight)
    assert loss == pytest.approx(network.evaluate(data, labels)["loss"])
    moved = weight.copy()
    moved[2, 1] += 1e-6
    network.parameters["x_output.weight"] = moved
    slope = (network.evaluate(data, labels)["loss"] - loss) / 1e-6
    assert gradients["x_output.weight"][2, 1] == pytest.approx(slope, rel=1e-4)


def wrong(**change):
    return change


@pytest.mark.parametrize(
    "change, cause",
    [
        (wrong(labels=np.zeros(3, int)), "3 labels for 20 samples"),
        (wrong(labels=np.zeros(20)), "whole numbers, not float64"),
        (wrong(labels=np.full(20, 3)), "label 3 is out of range"),
        (wrong(labels=np.full(20, -2)), "label -2"),
        (wrong(labels=np.full(20, -1)), "no sample has a label"),
        (wrong(labels=np.zeros((20, 10), int)), "at every step"),
        (wrong(labels=np.zeros(20, bool)), "whole numbers"),
        (wrong(labels=np.eye(3)[np.zeros(20, int)]), r"zeros and ones: take labels.argmax\(axis=-1\)"),
        (wrong(labels=np.eye(3, dtype=int)[np.zeros(20, int)]), r"not \(20, 3\): take labels.argmax\(axis=-1\)"),
        (wrong(labels=np.zeros((20, 1), int)), r"not \(20, 1\): take labels\[:, 0\]"),
        (wrong(labels=np.zeros(10, int)), r"10 labels for 20 samples; .*array.swapaxes\(0, 1\)"),
        (wrong(labels=[[0], [1, 2]]), "labels"),
        (wrong(labels=["a"] * 20), "whole numbers"),
        (wrong(labels=0), "shape"),
        (wrong(labels=None), "labels are missing"),
        (wrong(labels=np.ma.masked_equal(np.arange(20) % 3, 1)), "mask"),
        (wrong(x=Events.from_dense(np.zeros((20, 10, 5), bool))), r"shape \(2, 3\), the events have \(5,\)"),
        (wrong(x=Events.from_dense(np.zeros((20, 10, 3, 2), bool))), "shape"),
        (
            wrong(x=Events.from_dense(np.zeros((20, 6, 10), bool))),
            r"events have \(10,\) and 6 steps: .*array.swapaxes\(1, 2\)",
        ),
        (wrong(x=Events.from_dense(np.zeros((20, 10, 6), bool), step=1e-4)), "steps of 0.1 ms"),
        (wrong(x=Events.from_dense(np.zeros((20, 0, 6), bool))), "sample 0 has no steps"),
        (wrong(x=Events.from_dense(np.zeros((0, 10, 6), bool)), labels=np.zeros(0, int)), "no samples"),
        (wrong(x=np.zeros((20, 10, 6), bool)), "from_dense"),
        (wrong(drive=np.zeros(3)), r"signal `drive` has the shape \(samples, steps, 2\)"),
        (wrong(drive=np.full(2, np.nan)), "NaN"),
        (wrong(drive=np.zeros(2, complex)), "real numbers"),
        (
            wrong(drive=np.zeros((19, 2))),
            "differ in samples: `x` has 20, `drive` has 19; `drive` is taken for one constant a sample",
        ),
        (wrong(drive=np.zeros((20, 9, 2))), "sample 0 has 10 steps in `x` and 9 in `drive`"),
        (wrong(drive=Events.from_dense(np.zeros((20, 10, 2)))), "real values"),
        (wrong(other=np.zeros(2)), "no source `other`"),
        (wrong(epochs=0), "epochs"),
        (wrong(epochs=1.5), "epochs"),
        (wrong(batch=0), "batch"),
        (wrong(seed=-1), "seed"),
        (wrong(callbacks=lambda *_: None), "brackets"),
        (wrong(callbacks=[3]), "callback"),
        (wrong(callbacks=None), "list of callables"),
        (wrong(callbacks=[EarlyStopping]), "cannot be"),
        (wrong(verbose="no"), "True or False"),
        (wrong(learning_rate=0), "above 0"),
        (wrong(learning_rate="1e-3"), "is a number"),
        (wrong(validation=3), "pair"),
        (wrong(validation=({}, [0])), "validation: no data for the source `x`"),
        (wrong(validation=({}, None)), "validation: labels are missing"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(network, data, labels, change, cause):
    before = network.parameters["x_output.weight"]
    sources = data | {name: change[name] for name in ("x", "drive", "other") if name in change}
    given = {"epochs": 1} | {name: v for name, v in change.items() if name not in ("x", "drive", "other", "labels")}
    with pytest.raises(ValueError, match=cause):
        network.fit(sources, change.get("labels", labels), **given)
    assert np.array_equal(before, network.parameters["x_output.weight"])


def test_a_loss_that_reads_no_labels_needs_none(network, data):
    """The library, which is one that does, sees labels that no loss of a file reads."""
    manifest = replace(network.manifest, readout=replace(network.manifest.readout, reads_labels=False))
    of_classes = labelled_set(manifest, data, None)
    assert [of_classes.native.classes[k] for k in range(20)] == [0] * 20
    values = replace(manifest, readout=replace(manifest.readout, labels="value"))
    assert [labelled_set(values, data, None).native.targets[k] for k in range(60)] == [0.0] * 60


def test_a_loss_needs_labels(network, data):
    for call in (network.evaluate, network.gradients):
        with pytest.raises(ValueError, match="labels are missing"):
            call(data, None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: EarlyStopping(patience="x"),
        lambda: EarlyStopping(monitor=None),
        lambda: EarlyStopping(minimum_change=np.nan),
        lambda: EarlyStopping(restore_best="yes"),
        lambda: Checkpoint(3),
        lambda: Checkpoint("a.npz", monitor=0),
    ],
)
def test_callbacks_are_refused_before_the_training(make):
    with pytest.raises(ValueError, match="patience|monitor|minimum_change|restore_best|path"):
        make()


def test_a_training_keeps_other_threads_out(network, data, labels):
    heard = []

    def from_outside(*_):
        def read():
            try:
                network.evaluate(data, labels)
            except RuntimeError as error:
                heard.append(str(error))

        other = threading.Thread(target=read)
        other.start()
        other.join()
        network.evaluate(data, labels)  # from within

    network.fit(data, labels, callbacks=[from_outside])
    assert len(heard) == 1 and "another thread" in heard[0]
    network.evaluate(data, labels)


@pytest.mark.parametrize("what", ["gradients", "predict", "step"])
def test_calls_that_belong_together_keep_other_threads_out(network, data, labels, monkeypatch, what):
    call, heard = network.library.call, []

    def call_and_try_from_outside(*arguments):
        call(*arguments)

        def reset():
            try:
                network.reset()
            except RuntimeError as error:
                heard.append(str(error))
            else:
                heard.append("was let in")

        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=reset)
            other.start()
            other.join()

    network.step()
    monkeypatch.setattr(network.library, "call", call_and_try_from_outside)
    if what == "step":
        network.step({"x": [1]})
    elif what == "predict":
        network.predict(data)
    else:
        network.gradients(data, labels)
    assert heard and all("another thread" in message for message in heard)
    monkeypatch.undo()
    network.reset()


def test_one_array_is_not_enough_for_two_sources(network, data, labels):
    with pytest.raises(ValueError, match="no data for the source `drive`"):
        network.fit(data["x"], labels, epochs=1)


def test_signals_are_constant_or_change_with_sample_and_step(network, data):
    x = data["x"]
    constant = network.predict({"x": x, "drive": [1.0, 2.0]})
    assert np.array_equal(constant, network.predict({"x": x, "drive": np.tile([1.0, 2.0], (20, 1))}))
    full = np.tile(np.array([1.0, 2.0], ">f4"), (20, 10, 1))
    assert np.allclose(constant, network.predict({"x": x, "drive": full}))
    assert np.allclose(constant, network.predict({"x": x, "drive": np.asfortranarray(full)}))
    full[3] = 0
    assert np.flatnonzero((network.predict({"x": x, "drive": full}) != constant).any(1)).tolist() == [3]


def test_a_loss_that_is_not_finite_stops_with_the_numbers_from_before(network, data, labels):
    before = network.parameters["x_output.weight"]
    with pytest.raises(FloatingPointError, match="finite"):
        network.fit(data | {"drive": np.full(2, 1e300)}, labels, epochs=1)
    assert np.array_equal(before, network.parameters["x_output.weight"])


def test_callbacks_see_every_epoch_and_may_end_the_training(network, data, labels):
    seen = []
    history = network.fit(
        data, labels, epochs=9, callbacks=[lambda n, epoch, h: seen.append((epoch, len(h["loss"]))) or epoch == 3]
    )
    assert seen == [(0, 1), (1, 2), (2, 3), (3, 4)] and len(history["loss"]) == 4


def test_early_stopping_brings_the_best_numbers_back(network, data, labels):
    kept = []
    spoiled = (data, (labels + 1) % 3)  # the better the training, the worse the validation
    stop = EarlyStopping(patience=2)
    history = network.fit(
        data,
        labels,
        epochs=50,
        validation=spoiled,
        callbacks=[lambda n, e, h: kept.append(n.parameters["x_output.weight"]), stop],
    )
    best = int(np.argmin(history["val_loss"]))
    assert len(history["loss"]) == best + 3 and np.array_equal(network.parameters["x_output.weight"], kept[best])
    with pytest.raises(ValueError, match="no `val_loss`"):
        network.fit(data, labels, epochs=1, callbacks=[stop])


def test_checkpoints_keep_the_best(network, data, labels, tmp_path, project):
    network.fit(
        data,
        labels,
        epochs=4,
        callbacks=[Checkpoint(tmp_path / "last.npz"), Checkpoint(tmp_path / "best.npz", "accuracy")],
    )
    other = load(project)
    other.load(tmp_path / "last.npz")
    assert np.array_equal(other.parameters["x_output.weight"], network.parameters["x_output.weight"])


def test_progress_is_printed_where_asked_for(network, data, labels, capsys):
    network.fit(data, labels, epochs=2)
    assert capsys.readouterr().err == ""  # no terminal
    network.fit(data, labels, epochs=2, verbose=True, validation=(data, labels))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch 2/2  loss ") and "val accuracy" in lines[1]


@pytest.mark.parametrize(
    "name, settings, factors",
    [
        ("constant", {}, [1, 1, 1, 1]),
        ("cosine", {}, [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]),
        ("cosine", {"final": 1}, [1, 1, 1, 1]),
        ("cosine", {"warmup": 1}, [0.5, 1, 1, 0.5]),
        ("exponential", {"decay": 0.5}, [1, 1, 0.5, 0.5]),
        ("step", {"every": 1, "factor": 0.1}, [1, 1, 0.1, 0.1]),
        ("warmup", {"epochs": 2}, [0.25, 0.5, 0.75, 1]),
    ],
)
def test_schedules(name, settings, factors):
    function = schedule(name, settings)
    assert [function(Position(k, 4, 2)) for k in range(4)] == pytest.approx(factors)


def test_unknown_schedules_and_settings_are_refused():
    with pytest.raises(ValueError, match="no learning-rate schedule `linear`"):
        schedule("linear", {})
    with pytest.raises(ValueError, match="no setting `gamma`"):
        schedule("cosine", {"gamma": 1})
