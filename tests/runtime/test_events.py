import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sncc.runtime import Events

COUNTS = arrays.arrays(np.int16, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(0, 3))


@given(COUNTS)
@settings(max_examples=60, deadline=None)
def test_dense_events_come_back(counts):
    events = Events.from_dense(counts)
    assert np.array_equal(events.to_dense(), counts)
    assert np.array_equal(events.binary().to_dense(), counts > 0)
    assert np.array_equal(events.counts, counts.sum((1, 2)))


@given(COUNTS, st.data())
@settings(max_examples=60, deadline=None)
def test_selecting_samples_is_selecting_rows(counts, draw):
    events = Events.from_dense(counts)
    chosen = draw.draw(st.lists(st.integers(-len(counts), len(counts) - 1), max_size=6))
    assert (
        np.array_equal(events[chosen].binary().to_dense(), (counts[chosen] > 0).reshape(len(chosen), *counts.shape[1:]))
        or not chosen
    )
    assert np.array_equal(events[1:].to_dense(), counts[1:]) or len(counts) == 1
    assert np.array_equal(events[counts.sum((1, 2)) > 2].counts, counts.sum((1, 2))[counts.sum((1, 2)) > 2])


@given(COUNTS, st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_resizing_cuts_or_pads(counts, steps):
    expected = np.zeros((len(counts), steps, counts.shape[2]), int)
    kept = min(steps, counts.shape[1])
    expected[:, :kept] = counts[:, :kept]
    resized = Events.from_dense(counts)[::-1].resized(steps)
    assert np.array_equal(resized.to_dense(), expected[::-1]) and resized.steps == steps


def test_lists_fall_into_half_open_bins_and_are_sorted_within_a_step():
    events = Events.from_lists([([0.0, 0.00099, 0.001, 0.003, 0.0005], [2, 1, 0, 1, 1])], 3, step=1e-3)
    assert events.steps == 4 and events.step == 1e-3
    assert np.array_equal(events.to_dense()[0], [[0, 2, 1], [1, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert list(events.indices) == [1, 1, 2, 0, 1]


def test_times_written_as_multiples_of_the_step_stay_in_their_own_bin():
    for step in (1e-3, 1e-4, 0.0005):
        times = np.arange(1000) * step
        events = Events.from_lists([(times, np.zeros(1000, int))], 1, step)
        assert events.steps == 1000 and (events.to_dense() == 1).all()


def test_lists_take_multidimensional_shapes_lengths_and_empty_samples():
    events = Events.from_lists([([], []), ([0.002], [5])], (2, 3), step=1e-3, steps=[4, 2])
    assert len(events) == 2 and list(events.lengths) == [4, 2] and events.shape == (2, 3)
    assert events.to_dense().sum() == 0  # the event comes after its sample's end
    assert len(Events.from_lists([], 3, step=1e-3)) == 0


def test_dense_images_are_row_major():
    counts = np.zeros((1, 2, 3, 4, 2), int)
    counts[0, 1, 2, 1, 1] = 2
    events = Events.from_dense(counts)
    assert events.shape == (3, 4, 2) and list(events.indices) == [(2 * 4 + 1) * 2 + 1] * 2


def test_other_layouts_and_byte_orders_give_the_same_events():
    counts = np.random.default_rng(0).integers(0, 3, (4, 5, 6))
    expected = Events.from_dense(counts).indices
    for same in (
        np.asfortranarray(counts),
        counts.astype(">i4"),
        counts.astype(float),
        counts.astype(np.float16),
        counts.astype(np.uint8),
        counts.tolist(),
    ):
        assert np.array_equal(Events.from_dense(same).indices, expected)
    strided = np.repeat(counts, 2, axis=1)[:, ::2]
    assert np.array_equal(Events.from_dense(strided).indices, expected)


def test_samples_of_unequal_length():
    events = Events.from_dense(np.ones((3, 4, 2)), lengths=[4, 1, 2])
    assert list(events.counts) == [8, 2, 4] and "1 to 4 steps" in repr(events)
    assert list(events[1].lengths) == [1]
    with pytest.raises(IndexError):
        events[3]


@pytest.mark.parametrize(
    "array, cause",
    [
        (np.full((1, 2, 3), np.nan), "NaN"),
        (np.full((1, 2, 3), -1), "negative"),
        (np.full((1, 2, 3), 0.5), "fractions"),
        (np.full((1, 2, 3), "a"), "whole numbers"),
        (np.full((1, 2, 3), 1j), "whole numbers"),
        (np.full((1, 2, 3), None), "whole numbers"),
        (np.full((1, 2, 3), 2**40), "too large"),
        (np.zeros((2, 3)), "samples, steps, neurons"),
        (np.zeros((2, 3, 0)), "no neurons"),
        ([[[1, 2], [3]]], "regular"),
    ],
)
def test_what_is_no_count_is_refused(array, cause):
    with pytest.raises(ValueError, match=cause):
        Events.from_dense(array)


@pytest.mark.parametrize(
    "times, neurons, cause",
    [
        ([-0.001], [0], "not negative"),
        ([np.inf], [0], "finite"),
        ([0.1], [3], "neuron 3 of 3"),
        ([0.1], [-1], "neuron -1"),
        ([0.1, 0.2], [0], "equal length"),
        ([0.1], [0.5], "whole numbers"),
        ([1e12], [0], "too late"),
        ([[0.1], [0.1, 0.2]], [0, 1], "differ in shape"),
    ],
)
def test_wrong_lists_are_refused(times, neurons, cause):
    with pytest.raises(ValueError, match=cause):
        Events.from_lists([([], []), (times, neurons)], 3, step=1e-3)


@pytest.mark.parametrize("step", [0.0, -1.0, np.nan, np.inf, "1 ms", True, [1e-3], 1j])
def test_a_step_is_a_positive_time(step):
    with pytest.raises(ValueError, match="step"):
        Events.from_lists([], 3, step=step)


@pytest.mark.parametrize("shape", ["4", (2.5, 2), (2, "2"), (2, [2]), None, (), (0,), -1, {3}])
def test_a_shape_is_of_whole_numbers(shape):
    with pytest.raises(ValueError, match="shape"):
        Events.from_lists([], shape, step=1e-3)


@pytest.mark.parametrize("samples", [None, 3, np.array(3), [3], ["ab"], [([], [], [])]])
def test_samples_are_pairs(samples):
    with pytest.raises(ValueError, match=r"\(times, neurons\)"):
        Events.from_lists(samples, 3, step=1e-3)


def test_wrong_selections_and_lengths_are_refused():
    events = Events.from_dense(np.ones((2, 3, 4)))
    for selection in ("a", [0, 2], 2, 1.0, [True] * 3, (0, 1)):
        with pytest.raises(IndexError, match="sample"):
            events[selection]
    for steps in (-1, 1.5, None, "3", 2**31):
        with pytest.raises(ValueError, match="`steps` is a whole number"):
            events.resized(steps)


def test_masked_counts_are_refused():
    with pytest.raises(ValueError, match="mask hides"):
        Events.from_dense(np.ma.masked_equal(np.arange(6).reshape(1, 2, 3), 3))


def test_tonic_samples_become_row_major_events():
    class Camera:
        sensor_size = (4, 3, 2)

        def __len__(self):
            return 2

        def __getitem__(self, k):
            kind = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "<i1")])
            return np.array([(3, 2, 1500 * (k + 1), 1), (0, 1, 0, 0)], kind), k + 7

    events, labels = Events.from_tonic(Camera(), step=1e-3)
    assert events.shape == (3, 4, 2) and list(labels) == [7, 8] and list(events.lengths) == [2, 4]
    dense = events.to_dense()
    assert dense[0, 1, 2, 3, 1] == dense[0, 0, 1, 0, 0] == dense[1, 3, 2, 3, 1] == 1 and dense.sum() == 4
    Camera.sensor_size = (2, 3, 2)
    with pytest.raises(ValueError, match="outside a sensor"):
        Events.from_tonic(Camera(), step=1e-3)


@pytest.mark.parametrize(
    "change, cause",
    [
        ({"lengths": [4]}, "beyond the offsets"),
        ({"starts": [-1]}, "not negative"),
        ({"starts": [2**63 - 1]}, "beyond the offsets"),
        ({"starts": [0, 0]}, "for each sample"),
        ({"offsets": [0, 2, 1, 3]}, "do not fall"),
        ({"offsets": [0, 1, 2, 4]}, "within the indices"),
        ({"indices": [0, 1, 9]}, "neuron 9 of 3"),
        ({"indices": [[0, 1, 2]]}, "lists of uint32"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(change, cause):
    kinds = {"lengths": np.int32, "starts": np.int64, "offsets": np.int64, "indices": np.uint32}
    arrays = {"lengths": [3], "starts": [0], "offsets": [0, 1, 2, 3], "indices": [0, 1, 2]}
    assert Events((3,), **{name: np.array(arrays[name], kind) for name, kind in kinds.items()}).steps == 3
    with pytest.raises(ValueError, match=cause):
        Events((3,), **{name: np.array((arrays | change)[name], kind) for name, kind in kinds.items()})


def test_events_that_no_step_holds_are_in_none():
    ends = np.array([1, 2, 4], np.int64)  # the first index and the last one are of no step
    events = Events((3,), np.array([2], np.int32), np.array([0]), ends, np.array([2, 0, 1, 1, 2], np.uint32))
    assert np.array_equal(events.to_dense()[0], [[1, 0, 0], [0, 2, 0]])
    assert np.array_equal(events.binary().to_dense()[0], [[1, 0, 0], [0, 1, 0]])


def test_arrays_are_read_only():
    events = Events.from_dense(np.ones((1, 2, 3)))
    with pytest.raises(ValueError):
        events.indices[0] = 9


def test_times_in_other_units_are_told_before_memory_is_taken(monkeypatch):
    monkeypatch.setenv("SNCC_MEMORY_LIMIT", "1e9")
    microseconds = [(np.array([3e5, 1.5e6]), np.array([0, 1]))]
    with pytest.raises(
        ValueError, match=r"1\.5e\+09 steps of 0\.001 s take 36 GB of memory, 1\.0 GB are free; are times in"
    ):
        Events.from_lists(microseconds, 4, 0.001)
    events = Events.from_lists(microseconds, 4, 0.001, steps=50)
    assert len(events) == 1
    with pytest.raises(ValueError, match=r"1 samples of 1000000000 steps take 16 GB of memory, 1\.0 GB are free$"):
        events.resized(10**9)


def test_samples_of_unequal_length_are_told_where_to_go():
    with pytest.raises(ValueError, match="padded, with `lengths=`, or go to `from_lists`"):
        Events.from_dense([np.zeros((3, 2), int), np.zeros((4, 2), int)])
