"""The library's synapses are those of the reference in NumPy, integer for integer, for any number of workers."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sncc.connectivity.build import build
from sncc.connectivity.patterns import Convolution, Dense, OneToOne, Part, Pattern, Pooling, Random, Shared, Sparse

ROOT = Path(__file__).parents[3]
KINDS = ["dense", "one_to_one", "p", "fan_in", "fan_out", "total", "convolution", "pooling", "sparse"]
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The builder as a program."""
    path = tmp_path_factory.mktemp("connectivity") / "connectivity"
    source = ROOT / "tests/backends/cxx/programs/connectivity.cpp"
    command = ["g++", "-std=c++17", "-O1", "-march=native", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
    command += [
        f"-I{ROOT}/backends/cxx/include",
        f"-I{ROOT}/backends/cpu/include",
        str(source),
        "-o",
        str(path),
        "-pthread",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return path


def description(
    pattern: Pattern, source: Part, target: Part, seed: int, stream: int, workers: int, threads: int,
    pairs: tuple[np.ndarray, np.ndarray] | None,
) -> str:  # fmt: skip
    """What the program reads."""
    shared = pattern if isinstance(pattern, Shared) else None
    pattern = pattern.pattern if isinstance(pattern, Shared) else pattern
    kind = (
        pattern.kind
        if isinstance(pattern, Random)
        else type(pattern).__name__.lower().replace("onetoone", "one_to_one")
    )
    number, repeats, images = 0.0, False, [1, 1, 0, 1, 1, 0]
    own = getattr(pattern, "self_connections", True)
    match pattern:
        case Random(number=number, repeats=repeats):
            pass
        case Convolution((kh, kw), (sy, sx), ((py, _), (px, _))):
            images = [kh, sy, py, kw, sx, px]
        case Pooling((kh, kw), (sy, sx)):
            images = [kh, sy, 0, kw, sx, 0]
    words = [
        workers,
        threads,
        KINDS.index(kind),
        repr(float(number)),
        int(repeats),
        int(own),
        *images,
        int(shared is not None),
        int(shared is not None and shared.turned),
        seed,
        stream,
    ]
    for part in (source, target):
        words.append(len(part.shape))
        for length, (first, last) in zip(part.shape, part.ranges, strict=True):
            words += [length, first, last]
    pre, post = pairs if pairs else ((), ())
    return " ".join(map(str, [*words, len(pre), *pre, *post]))


def whole(*shape: int) -> Part:
    """A population of that shape."""
    return Part.whole(shape)


CASES = {
    "a probability": (Random("p", 0.03), whole(300), whole(500)),
    "a high probability": (Random("p", 0.9), whole(40), whole(150)),
    "a low probability": (Random("p", 0.0007), whole(200), whole(3000)),
    "a probability without itself": (Random("p", 0.2, self_connections=False), whole(90), whole(90)),
    "a probability of slices": (Random("p", 0.2, self_connections=False), Part((20, 10), ((3, 9), (2, 8))), Part((20, 10), ((0, 20), (1, 6)))),
    "fan-in": (Random("fan_in", 7), whole(100), whole(333)),
    "most as fan-in": (Random("fan_in", 90, self_connections=False), whole(100), whole(100)),
    "fan-in with repeats": (Random("fan_in", 30, repeats=True), whole(20), whole(200)),
    "fan-out": (Random("fan_out", 12, self_connections=False), whole(150), whole(150)),
    "few of many as fan-out": (Random("fan_out", 2), whole(30), whole(70000)),
    "a total with repeats": (Random("total", 4000, repeats=True, self_connections=False), whole(50), whole(50)),
    "a total of long rows": (Random("total", 20000, repeats=True), whole(50), whole(3000)),
    "a total": (Random("total", 400), whole(50), whole(70)),
    "most as a total": (Random("total", 3000, self_connections=False), whole(60), whole(60)),
    "dense without itself": (Dense(self_connections=False), whole(70), whole(70)),
    "dense, transposed": (Shared(Dense(False), turned=True), Part((20,), ((4, 15),)), Part((20,), ((2, 19),))),
    "dense, shared by parts": (Shared(Dense(False)), Part((5, 4), ((1, 4), (0, 3))), Part((5, 4), ((0, 5), (1, 3)))),
    "one to one of parts with gaps": (Shared(OneToOne()), Part((5, 4), ((1, 4), (0, 2))), Part((9,), ((2, 8),))),
    "one to one of slices": (OneToOne(), Part((100,), ((20, 90),)), Part((200,), ((100, 170),))),
    "a convolution": (Convolution((3, 2), (2, 1), ((1, 1), (0, 1)), 4), whole(11, 9, 2), whole(6, 9, 4)),
    "pooling": (Pooling((3, 2), (2, 2)), whole(11, 8, 3), whole(5, 4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_synapses_are_those_of_the_reference(program: Path, name: str, workers: int):
    pattern, source, target = CASES[name]
    check(program, pattern, source, target, workers, None)


@pytest.mark.parametrize("workers", [1, 2])
def test_pairs_handed_over_are_sorted(program: Path, workers: int):
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, 60, 500), rng.integers(0, 200, 500)
    check(program, Sparse(), whole(60), whole(200), workers, pairs)


def check(
    program: Path, pattern: Pattern, source: Part, target: Part, workers: int,
    pairs: tuple[np.ndarray, np.ndarray] | None,
) -> None:  # fmt: skip
    """Both give the same arrays."""
    text = description(pattern, source, target, 12345678901, 77, workers, min(workers, 2), pairs)
    done = subprocess.run([str(program)], input=text.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    found = np.frombuffer(done.stdout, np.int64)
    expected = build(pattern, source, target, 77, 12345678901, pairs)
    pre, post, kernel = found[1:].reshape(3, -1) if found[0] else np.zeros((3, 0), np.int64)
    assert np.array_equal(pre, expected.pre) and np.array_equal(post, expected.post)
    if expected.kernel is not None:
        assert np.array_equal(kernel, expected.kernel)


@pytest.mark.parametrize("kind", ["fan_in", "fan_out", "total"])
def test_more_synapses_than_pairs_are_refused(program: Path, kind: str):
    text = description(Random(kind, 500), whole(10), whole(10), 1, 1, 1, 1, None)  # type: ignore[arg-type]
    done = subprocess.run([str(program)], input=text.encode(), capture_output=True)
    assert done.returncode == 1 and b"each once" in done.stderr
