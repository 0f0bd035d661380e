"""`sncc train --validation`, beside Python's `fit` on a split by hand, and one training in two parts."""

from types import SimpleNamespace

import numpy as np
import pytest
from command_line import sncc

import sncc as python
from sncc.cli import validating
from sncc.runtime import Checkpoint

TRAIN = ("train", "small.snn", "--backend", "cpu", "--data", "npz:d.npz", "--seed", 3)
WEIGHT = "hidden_output.weight"


@pytest.fixture
def folder(tmp_path, small_network, compiler):
    """Labels say little of the samples, so that what is learnt of some is soon wrong of others."""
    (tmp_path / "small.snn").write_text(small_network)
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    events = rng.random((60, 12, 6)) < 0.2
    events[np.arange(60), :, labels] |= rng.random((60, 12)) < 0.05
    np.savez(tmp_path / "d.npz", events=events, labels=labels, test_events=events[:5], test_labels=labels[:5])
    return tmp_path


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def test_the_best_epoch_is_that_of_fit_on_the_samples_kept_aside(folder):
    done = sncc(*TRAIN, "--epochs", 60, "--validation", "25%", "--patience", 4, "--save", "w.npz", cwd=folder)
    assert done.returncode == 0, done.stderr
    file = arrays(folder / "d.npz")
    key = np.array([3, int.from_bytes(b"validate", "big")], np.uint64)
    aside = np.isin(np.arange(60), np.argsort(np.random.Philox(key=key).random_raw(60))[:15])
    network = python.load(python.build(folder / "small.snn", backend="cpu"), seed=3)
    events, labels = python.Events.from_dense(file["events"]), file["labels"]
    kept = []
    history = network.fit(
        events[~aside],
        labels[~aside],
        epochs=60,
        validation=(events[aside], labels[aside]),
        callbacks=[lambda n, *_: kept.append(n.parameters[WEIGHT])],
        seed=3,
    )["val_loss"]
    first = next(n for n in range(60) if n - int(np.argmin(history[: n + 1])) == 4)  # the first that four others follow
    best = int(np.argmin(history[: first + 1]))
    assert 0 < best < first < 59
    assert f"epoch {best + 1} of {first + 1} is kept, the best: val loss {history[best]:.4f}" in done.stdout
    assert "ended early: val loss has not improved for 4 epochs" in done.stdout
    assert np.array_equal(arrays(folder / "w.npz")[f"parameter/{WEIGHT}"], kept[best])
    assert [word in done.stdout for word in ("training   │ 45", "validation │ 15", "test       │ 5")] == [True] * 3
    assert "15 of the 60 to train are to validate on, drawn by seed 3" in done.stderr


def test_a_training_in_two_parts_is_that_of_one(folder, monkeypatch):
    options = (*TRAIN, "--validation", "25%", "--patience", 4, "--monitor", "accuracy", "--save")
    whole = sncc(*options, "whole.npz", "--epochs", 9, cwd=folder)
    monkeypatch.setattr(Checkpoint, "__call__", interrupted_after(Checkpoint.__call__, 5))
    broken = sncc(*options, "w.npz", "--epochs", 9, cwd=folder)
    assert broken.returncode == 130 and "w.npz holds the 5 whole epochs: --resume goes on" in broken.stderr
    monkeypatch.undo()
    done = sncc(*options, "w.npz", "--resume", "w.npz", "--epochs", 4, cwd=folder)
    found, expected = arrays(folder / "w.npz"), arrays(folder / "whole.npz")
    assert [name for name in expected if not np.array_equal(found[name], expected[name])] == []
    assert done.stdout.splitlines()[0] == whole.stdout.splitlines()[0] and "the best: val accuracy" in done.stdout


def interrupted_after(save, epochs):
    """Ctrl-C once so many epochs are saved."""

    def saves(self, network, epoch, history):
        save(self, network, epoch, history)
        if epoch == epochs - 1:
            raise KeyboardInterrupt

    return saves


def test_mistakes_are_told_before_the_training(folder):
    for words, name in ((("--validation", "25%"), "aside.npz"), ((), "all.npz")):
        assert sncc(*TRAIN, *words, "--epochs", 1, "--save", name, cwd=folder).returncode == 0
    aside = ("--resume", "aside.npz")
    mistakes = [
        (("--patience", 3), "--patience needs samples that are kept aside"),
        (("--monitor", "loss"), "--monitor needs samples that are kept aside"),
        (("--validation", "0.1"), "in percent, e.g. --validation 10%"),
        (("--validation", "-1%"), "in percent"),
        (("--validation", "nan%"), "in percent"),
        (("--validation", "0%"), "above 0 % and below 100 %, not 0 %"),
        (("--validation", "100%"), "not 100 %"),
        (("--validation", "0.1%"), "0.1 % of 60 samples to train leaves none to validate on: one of them is 1.67 %"),
        (aside, "had kept samples aside, 25 % of 60 samples, drawn by seed 3: give the same --validation again"),
        ((*aside, "--validation", "20%"), "validated on 25 % of 60 samples, drawn by seed 3, here it is 20 %"),
        ((*aside, "--validation", "25%", "--seed", 4), "drawn by seed 4: to go on, validate on the same"),
        ((*aside, "--validation", "25%", "--monitor", "accuracy"), "its best epoch is that of `val_loss`"),
        (("--resume", "all.npz", "--validation", "25%"), "trained without --validation, so it may have learnt"),
    ]
    for words, said in mistakes:
        done = sncc(*TRAIN, "--epochs", 1, *words, cwd=folder)
        assert done.returncode == 1 and f"{said}" in done.stderr and "epoch 1" not in done.stderr, (words, done.stderr)


def test_accuracy_is_of_classes():
    network = SimpleNamespace(manifest=SimpleNamespace(readout=SimpleNamespace(labels="value")))
    with pytest.raises(ValueError, match="--monitor accuracy needs classes, .* real numbers: --monitor loss"):
        validating.prepare(validating.Validation(0.1, None, "accuracy"), network, None, 0)
