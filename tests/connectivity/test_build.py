"""Connectivity is what the docstring of `sncc/connectivity/build.py` says:
done again here neuron by neuron, and counted.
"""

from __future__ import annotations

import numpy as np
import pytest

from sncc.connectivity.build import Synapses, build, thresholds
from sncc.connectivity.patterns import Convolution, Dense, OneToOne, Part, Pooling, Random, Sparse
from sncc.connectivity.philox import philox

STREAM, SEED = 0x1234ABCD, 42


def words(element):
    """The sequence of an element, word by word."""
    block = 0
    while True:
        yield from (int(w) for w in philox(SEED, STREAM, element, block, 0))
        block += 1


def pairs(synapses: Synapses) -> list[tuple[int, int]]:
    return list(zip(synapses.pre.tolist(), synapses.post.tolist()))


def whole(*shape: int) -> Part:
    return Part.whole(shape)


def test_philox_gives_the_published_numbers():
    """Known answers of Random123 1.14, kat_vectors."""
    assert [int(w) for w in philox(0, 0, 0, 0, 0)] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    ones = 0xFFFFFFFF
    assert [int(w) for w in philox(2**64 - 1, ones, ones, ones, ones)] == [
        0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD,
    ]  # fmt: skip
    key = 0xA4093822 | 0x299F31D0 << 32
    counter = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert [int(w) for w in philox(key, *counter)] == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@pytest.mark.parametrize("p", [0.7, 0.05, 0.002])
@pytest.mark.parametrize("avoid", [False, True])
def test_random_pairs_skip_geometrically(p, avoid):
    q, table, size = 1.0 - p, [], 64
    power = 1.0
    while len(table) < size:
        power *= q
        table.append(min(int(np.floor(power * 2**32 + 0.5)), 2**32 - 1))
        if len(table) == size and size < 4096 and table[-1] >= 2**28:
            size *= 2
    expected = []
    n = 40 - avoid
    for source in range(40):
        c = 0
        for u in words(source):
            if u < table[-1]:
                c += len(table)
            else:
                c += sum(u < t for t in table)
                if c < n:
                    expected.append((source, c + (avoid and c >= source)))
                    c += 1
            if c >= n:
                break
    found = build(Random("p", p, self_connections=not avoid), whole(40), whole(40), STREAM, SEED)
    assert pairs(found) == expected
    assert thresholds(p).tolist() == table


@pytest.mark.parametrize("count, size", [(3, 20), (12, 20), (20, 20), (0, 5)])
@pytest.mark.parametrize("kind", ["fan_in", "fan_out"])
def test_a_fan_is_so_many_different_neurons(kind, count, size):
    expected = []
    for row in range(9):
        few = 2 * count <= size
        wanted, chosen = (count if few else size - count), set()
        for u in words(row):
            if len(chosen) == wanted:
                break
            chosen.add(u * size >> 32)
        chosen = chosen if few else set(range(size)) - chosen
        expected += [(c, row) if kind == "fan_in" else (row, c) for c in chosen]
    source, target = (size, 9) if kind == "fan_in" else (9, size)
    assert pairs(build(Random(kind, count), whole(source), whole(target), STREAM, SEED)) == sorted(expected)


def test_a_fan_with_repeats_takes_the_words_as_they_come():
    found = build(Random("fan_out", 50, repeats=True), whole(4), whole(7), STREAM, SEED)
    expected = [(s, t) for s in range(4) for t in sorted(u * 7 >> 32 for u, _ in zip(words(s), range(50)))]
    assert pairs(found) == expected


def total_pairs(sources, targets, avoid):
    draw = 0
    while True:
        attempt = 0
        while True:
            u = [int(w) for w in philox(SEED, STREAM, draw, attempt, 0)]
            pair = (u[0] * sources >> 32, u[1] * targets >> 32)
            if not (avoid and pair[0] == pair[1]):
                break
            attempt += 1
        yield pair
        draw += 1


@pytest.mark.parametrize("avoid", [False, True])
def test_a_total_with_repeats_draws_pair_by_pair(avoid):
    found = build(Random("total", 200, True, not avoid), whole(11), whole(11), STREAM, SEED)
    assert pairs(found) == sorted(p for p, _ in zip(total_pairs(11, 11, avoid), range(200)))


@pytest.mark.parametrize("count", [20, 90])
def test_a_total_without_repeats_holds_each_pair_once(count):
    allowed = 11 * 11 - 11
    wanted, chosen = (count, set()) if 2 * count <= allowed else (allowed - count, set())
    for pair in total_pairs(11, 11, True):
        if len(chosen) == wanted:
            break
        chosen.add(pair)
    if 2 * count > allowed:
        chosen = {(s, t) for s in range(11) for t in range(11) if s != t} - chosen
    found = build(Random("total", count, False, False), whole(11), whole(11), STREAM, SEED)
    assert pairs(found) == sorted(chosen)


def test_so_many_pairs_as_the_probability_says():
    for p in (0.3, 0.01, 1e-4):
        found = build(Random("p", p), whole(2000), whole(1500), STREAM, SEED)
        mean, deviation = 3e6 * p, np.sqrt(3e6 * p * (1 - p))
        assert abs(len(found) - mean) < 4 * deviation
        columns = np.bincount(found.post, minlength=1500)
        assert abs(columns.var() / (2000 * p * (1 - p)) - 1) < 0.25  # binomial along the other direction too
    assert len(build(Random("p", 0.0), whole(10), whole(10), STREAM, SEED)) == 0
    assert len(build(Random("p", 1.0), whole(10), whole(10), STREAM, SEED)) == 100


def test_parts_count_their_own_neurons():
    """Between parts the same pairs are drawn as between populations of those sizes."""
    left, right = Part((10, 4), ((2, 7), (1, 3))), Part((30,), ((12, 30),))
    small = build(Random("p", 0.3), whole(5, 2), whole(18), STREAM, SEED)
    found = build(Random("p", 0.3), left, right, STREAM, SEED)
    flat = [y * 4 + x for y in range(2, 7) for x in range(1, 3)]
    assert pairs(found) == [(flat[s], t + 12) for s, t in pairs(small)]


def test_a_neuron_avoids_itself_where_the_parts_overlap():
    left, right = Part((12,), ((0, 8),)), Part((12,), ((4, 12),))
    for pattern in (Random("p", 1.0, self_connections=False), Dense(False)):
        found = build(pattern, left, right, STREAM, SEED)
        assert pairs(found) == [(s, t) for s in range(8) for t in range(4, 12) if s != t]
    found = build(Random("fan_in", 7, self_connections=False), left, right, STREAM, SEED)
    assert not np.any(found.pre == found.post) and np.all(np.bincount(found.post)[4:] == 7)
    assert pairs(build(OneToOne(), left, right, STREAM, SEED)) == [(k, k + 4) for k in range(8)]


def test_a_convolution_is_a_cross_correlation():
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(6, 7, 2)), rng.normal(size=(3, 2, 2, 3))
    pattern = Convolution((3, 2), (2, 1), ((1, 0), (0, 1)), 3)
    found = build(pattern, whole(6, 7, 2), whole(3, 7, 3), STREAM, SEED)
    assert pairs(found) == sorted(pairs(found))
    got = np.zeros(3 * 7 * 3)
    np.add.at(got, found.post, image.reshape(-1)[found.pre] * kernel.reshape(-1)[found.kernel])
    padded = np.pad(image, ((1, 0), (0, 1), (0, 0)))
    expected = [
        [np.einsum("yxc,yxco->o", padded[2 * y : 2 * y + 3, x : x + 2], kernel) for x in range(7)] for y in range(3)
    ]
    assert np.allclose(got.reshape(3, 7, 3), expected, atol=1e-12)


def test_pooling_joins_windows():
    found = build(Pooling((2, 2), (2, 2)), whole(4, 5, 2), whole(2, 2, 2), STREAM, SEED)
    expected = [
        ((y * 5 + x) * 2 + c, ((y // 2) * 2 + x // 2) * 2 + c) for y in range(4) for x in range(4) for c in range(2)
    ]
    assert pairs(found) == sorted(expected)


def test_pairs_handed_over_are_sorted():
    found = build(Sparse(), whole(4), whole(4), STREAM, SEED, pairs=(np.array([3, 0, 3, 0]), np.array([1, 2, 0, 1])))
    assert pairs(found) == [(0, 1), (0, 2), (3, 0), (3, 1)]
    with pytest.raises(ValueError, match="no target neuron 4"):
        build(Sparse(), whole(4), whole(4), STREAM, SEED, pairs=(np.array([3]), np.array([4])))


def test_more_different_neurons_than_there_are_is_an_error():
    with pytest.raises(ValueError, match="5 of 4 neurons"):
        build(Random("fan_in", 5), whole(4), whole(9), STREAM, SEED)
