import numpy as np
import pytest

from sncc.data import load_data
from sncc.data.digits import images_and_labels


def test_the_images_are_those_of_uci():
    images, labels = images_and_labels()
    assert images.shape == (1797, 8, 8) and labels.shape == (1797,)
    assert images.min() == 0 and images.max() == 16 and images.sum() == 561718
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's test part


def test_a_pixel_spikes_as_often_as_it_is_bright():
    images, labels = images_and_labels()
    data = load_data("digits", step=1e-3)
    assert len(data.train) == 1438 and len(data.test) == 359 and data.shape == (8, 8) and data.train.step == 1e-3
    counts = np.concatenate([data.train.to_dense().sum(1), data.test.to_dense().sum(1)])
    assert sorted(map(bytes, counts.astype(np.uint8))) == sorted(map(bytes, images.astype(np.uint8)))
    assert data.train.to_dense().max() == 1 and data.train.steps == 32


def test_spikes_of_a_pixel_are_evenly_spaced():
    dense = load_data("digits:split=0", step=1e-3).train.to_dense().reshape(-1, 32, 64)
    images, _ = images_and_labels()
    for grey in (2, 5, 16):
        sample, pixel = np.argwhere(images.reshape(-1, 64) == grey)[0]
        gaps = np.diff(np.flatnonzero(dense[sample, :, pixel]))
        assert set(gaps) <= {32 // grey, 32 // grey + 1}


def test_the_split_keeps_the_classes_proportions_and_follows_the_seed():
    a, b, c = (load_data(f"digits:seed={seed}", step=1e-3) for seed in (0, 0, 1))
    assert np.abs(np.bincount(a.test_labels) - np.bincount(a.train_labels) / 4).max() < 1
    assert np.array_equal(a.test.indices, b.test.indices) and np.array_equal(a.test_labels, b.test_labels)
    assert not np.array_equal(a.test_labels, c.test_labels)


def test_latency_and_rate_codings():
    images, _ = images_and_labels()
    latency = load_data("digits:coding=latency,steps=50,split=0", step=1e-3).train.to_dense()
    assert latency.shape[1] == 50 and np.array_equal(latency.sum(1), images > 0)
    assert (latency[:, 0] == (images == 16)).all() and (latency[:, -1] == (images == 1)).all()
    rate = load_data("digits:coding=rate,split=0,steps=64", step=1e-3).train.to_dense()
    assert abs(rate.sum() / (2 * images.sum()) - 1) < 0.01


@pytest.mark.parametrize(
    "spec, cause",
    [
        ("digit", "did you mean `digits`"),
        ("mnist", "did you mean|there are"),
        ("a.npz:split=0.5", "a file of arrays is `npz:a.npz:split=0.5`"),
        ("digits:coding=morse", "no coding `morse`"),
        ("digits:steps=ten", "`steps` of `digits` is a whole number, not `ten`"),
        ("digits:steps=0", "from 1"),
        ("digits:speed=1", "no option `speed=1`"),
        ("digits:split=1", "fraction"),
        ("digits:seed=-1", "seed"),
        ("npz", "needs a path"),
        ("npz:", "needs a path"),
    ],
)
def test_wrong_descriptions_are_refused(spec, cause):
    with pytest.raises(ValueError, match=cause):
        load_data(spec, step=1e-3)
