import numpy as np
import pytest

from sncc.data.splits import DataSet, set_aside
from sncc.runtime import Events


def numbered(samples: int) -> DataSet:
    """Sample k has k spikes in its step, and the label k; of those to test on it is 1000 + k."""
    events = Events.from_dense(np.arange(samples).reshape(-1, 1, 1))
    return DataSet(events, np.arange(samples), events, 1000 + np.arange(samples), (1,), "numbers")


def test_samples_to_train_are_set_aside_by_the_smallest_random_keys():
    """The keys are words of Philox, whatever NumPy draws of them; those to test on stay."""
    data = numbered(30)
    found = set_aside(data, 0.1, seed=5)
    key = np.array([5, int.from_bytes(b"validate", "big")], np.uint64)
    expected = sorted(np.argsort(np.random.Philox(key=key).random_raw(30))[:3])
    events, labels = found.validation
    assert labels.tolist() == expected and events.to_dense().ravel().tolist() == expected
    assert found.train_labels.tolist() == found.train.to_dense().ravel().tolist() == sorted({*range(30)} - {*expected})
    assert found.test is data.test and found.test_labels is data.test_labels
    assert found.description == "numbers; 3 of the 30 to train are to validate on, drawn by seed 5"
    assert set_aside(data, 0.1, seed=6).validation[1].tolist() != expected


@pytest.mark.parametrize(
    "samples, share, cause",
    [
        (30, 0.0, "above 0 % and below 100 %, not 0 %"),
        (30, 1.0, "not 100 %"),
        (30, 1.5, "not 150 %"),
        (4, 0.1, "10 % of 4 samples to train leaves none to validate on: one of them is 25 %"),
        (4, 0.95, "95 % of 4 samples to train leaves none to train on: one of them is 25 %"),
        (1, 0.5, "two are needed"),
    ],
)
def test_a_part_without_a_sample_is_refused(samples, share, cause):
    with pytest.raises(ValueError, match=cause):
        set_aside(numbered(samples), share, seed=0)
