"""An early stopping that is saved with the network, and goes on as if nothing had been in between."""

import numpy as np
import pytest

from sncc.runtime import Checkpoint, EarlyStopping, load

WEIGHT = "x_output.weight"


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def trained(network, data, labels, stop, path, epochs, until=None):
    """Fits with a validation that gets the worse the better the training, and breaks off after the epoch `until`."""

    def break_off(network, epoch, history):
        if epoch == until:
            raise KeyboardInterrupt

    try:
        network.fit(
            data,
            labels,
            epochs,
            validation=(data, (labels + (np.arange(20) < 3)) % 3),
            callbacks=[stop, Checkpoint(path, stopping=stop), break_off],
            seed=3,
        )
    except KeyboardInterrupt:
        pass


@pytest.mark.parametrize("patience, epochs", [(3, 40), (None, 12)])
def test_a_training_that_was_broken_off_goes_on_to_the_bit(project, data, labels, tmp_path, patience, epochs):
    """Before, at and after the best epoch: weights, momentum, schedule,
    the best epoch and the count are those of one training.
    """
    whole = load(project, seed=1)
    stop = EarlyStopping(patience=patience)
    trained(whole, data, labels, stop, tmp_path / "whole.npz", epochs)
    last = stop.epoch + stop.waited
    assert 0 < stop.epoch and stop.waited >= 3 and (last < epochs - 1 or patience is None)
    for until in (0, stop.epoch, last - 1):
        path = tmp_path / "parts.npz"
        trained(load(project, seed=1), data, labels, EarlyStopping(patience=patience), path, epochs, until)
        network, goes_on = load(project, seed=7), EarlyStopping(patience=patience)
        goes_on.resume(network, path)
        assert network.progress.epoch == until + 1
        trained(network, data, labels, goes_on, path, epochs - until - 1)
        goes_on.bring_back(network)
        found, expected = arrays(path), arrays(tmp_path / "whole.npz")
        assert set(found) == set(expected) and {"seed", f"last/optimiser/{WEIGHT}/m", "last/progress"} < set(found)
        assert [n for n in found if n != "seed" and not np.array_equal(found[n], expected[n])] == []
        assert np.array_equal(network.parameters[WEIGHT], expected[f"parameter/{WEIGHT}"])


def test_the_file_holds_the_best_epoch_for_whoever_reads_a_network(project, data, labels, tmp_path):
    weights = []
    network, stop = load(project, seed=1), EarlyStopping(patience=None)
    network.fit(
        data,
        labels,
        9,
        validation=(data, (labels + (np.arange(20) < 3)) % 3),
        callbacks=[
            stop, Checkpoint(tmp_path / "w.npz", stopping=stop), lambda n, *_: weights.append(n.parameters[WEIGHT]),
        ],
    )  # fmt: skip
    other = load(project)
    other.load(tmp_path / "w.npz")
    assert stop.epoch < 8 and np.array_equal(other.parameters[WEIGHT], weights[stop.epoch])
    assert other.progress.epoch == stop.epoch + 1
    assert np.array_equal(network.parameters[WEIGHT], weights[8])  # nothing has stopped it
    stop.bring_back(network)
    assert np.array_equal(network.parameters[WEIGHT], weights[stop.epoch])


def test_a_training_that_ended_goes_on_with_more_patience(project, data, labels, tmp_path):
    path = tmp_path / "w.npz"
    for patience in (2, 5):
        network, stop = load(project, seed=1), EarlyStopping(patience=patience)
        trained(network, data, labels, stop, tmp_path / f"{patience}.npz", 40)
    network, stop = load(project, seed=1), EarlyStopping(patience=2)
    trained(network, data, labels, stop, path, 40)
    with pytest.raises(ValueError, match="had ended, as `val_loss` had not improved for 2 epochs"):
        stop.resume(network, path)
    stop = EarlyStopping(patience=5)
    stop.resume(network, path)
    trained(network, data, labels, stop, path, 40 - network.progress.epoch)
    expected = arrays(tmp_path / "5.npz")
    # the last epoch's numbers, though the best are back
    assert expected["last/progress"][0] == stop.epoch + 1 + stop.waited
    assert all(np.array_equal(values, expected[name]) for name, values in arrays(path).items())


@pytest.mark.parametrize(
    "change, cause",
    [
        ({"stop": EarlyStopping("val_accuracy")}, "its best epoch is that of `val_loss`, here it is `val_accuracy`'s"),
        (
            {"stop": EarlyStopping(validated_on="takes 1 to 3")},
            "validated on what it does not say, here .* takes 1 to 3",
        ),
        ({"waiting/monitor": None}, "without an early stopping"),
        ({"waiting/value": np.zeros(2)}, "damaged: `waiting/value`"),
        ({"waiting/waited": np.array(-1)}, "damaged: `waiting/waited`"),
        ({f"last/parameter/{WEIGHT}": None}, "damaged: its last epoch has other arrays"),
        ({f"last/parameter/{WEIGHT}": np.zeros((3, 8))}, "has the shape"),
        ({f"parameter/{WEIGHT}": np.full((8, 3), np.nan)}, "finite"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(project, data, labels, tmp_path, change, cause):
    path = tmp_path / "w.npz"
    trained(load(project, seed=1), data, labels, EarlyStopping(), path, 2)
    stop = change.pop("stop", EarlyStopping())
    np.savez(path, **{n: v for n, v in (arrays(path) | change).items() if v is not None})
    network = load(project, seed=1)
    before = network.parameters[WEIGHT]
    with pytest.raises(ValueError, match=cause):
        stop.resume(network, path)
    assert np.array_equal(network.parameters[WEIGHT], before) and stop.epoch is None and network.progress.epoch == 0


def test_a_checkpoint_stands_behind_its_early_stopping(network, data, labels, tmp_path):
    stop = EarlyStopping("loss")
    saved = Checkpoint(tmp_path / "w.npz", stopping=stop)
    with pytest.raises(ValueError, match="after an epoch"):
        stop.save(network, tmp_path / "w.npz")
    with pytest.raises(ValueError, match="before a checkpoint"):
        network.fit(data, labels, 2, callbacks=[lambda n, epoch, h: epoch > 0 and saved(n, epoch, h), stop])
    for wrong in ({"monitor": "loss", "stopping": stop}, {"stopping": "loss"}):
        with pytest.raises(ValueError, match="`stopping` is an EarlyStopping"):
            Checkpoint(tmp_path / "w.npz", **wrong)
