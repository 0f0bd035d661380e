import numpy as np
import pytest

from sncc.data import load_data
from sncc.data.yin_yang import class_of, draw


def test_the_disc_is_parted_as_published():
    named = {  # points whose class one sees in the paper's figure 1
        (0.25, 0.5): 2, (0.75, 0.5): 2, (0.5, 0.9): 1, (0.5, 0.1): 0, (0.25, 0.7): 1, (0.75, 0.3): 0, (0.25, 0.3): 1,
        (0.75, 0.7): 0, (0.05, 0.5): 1, (0.95, 0.5): 0,
    }  # fmt: skip
    assert class_of(np.array(list(named))).tolist() == list(named.values())


def test_yin_is_yang_turned_by_half_a_turn():
    points, classes = draw(3000, 1, "train")
    inner = np.abs(points[:, 1] - 0.5) > 1e-3  # the line between them belongs to one side
    turned = class_of(1 - points)[inner]
    assert np.array_equal(turned == 2, classes[inner] == 2)
    assert np.array_equal(turned == 0, classes[inner] == 1)


def test_points_lie_in_the_disc_and_classes_are_equally_likely():
    points, classes = draw(5000, 0, "train")
    assert np.all(np.hypot(*(points - 0.5).T) <= 0.5) and np.array_equal(class_of(points), classes)
    assert np.all(np.abs(np.bincount(classes) / 5000 - 1 / 3) < 0.03)
    assert len(np.unique(points, axis=0)) == 5000


def test_coordinates_are_times():
    data = load_data("yin_yang:train=50,test=20", step=1e-4)
    dense = data.train.to_dense().reshape(50, -1, 5)
    assert dense.shape[1] == 300 and np.all(dense.sum(1) == 1)
    when = dense.argmax(1) * 0.1
    points, classes = draw(50, 0, "train")
    assert np.allclose(when[:, :2], 0.5 + 20 * points, atol=0.1 + 1e-9)
    assert np.allclose(when[:, 2:4], 0.5 + 20 * (1 - points), atol=0.1 + 1e-9) and np.all(when[:, 4] == 0.5)
    assert np.array_equal(data.train_labels, classes) and len(data.test) == 20


@pytest.mark.parametrize("options", ["train=0", "early=5,late=2", "late=40"])
def test_options_without_sense_are_refused(options):
    with pytest.raises(ValueError):
        load_data(f"yin_yang:{options}", step=1e-3)
