"""What all tests share."""

import shutil

import pytest

from sncc import toolchain

SMALL = """
param hidden_size = 12

network Small:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[hidden_size](tau_a = 200 ms)
    population output: LI[3]
    connect x -> hidden: dense, weight = normal(0.4, 0.3)
    connect hidden -> hidden: dense, weight = normal(0, 1 / sqrt(fan_in)), delay = 1 ms
    connect hidden -> output: dense, weight = normal(0, 1 / sqrt(fan_in))

train:
    rule = eprop(feedback = symmetric)
    loss = cross_entropy(mean(output.v))
    optimiser = adam(learning_rate = 1e-2)
    batch = 8
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the expected texts of golden tests")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether expected texts are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def small_network() -> str:
    """The text of a small network with a `train` block."""
    return SMALL


@pytest.fixture
def simulated_network() -> str:
    """The same network, of fewer neurons, with a `simulate` block."""
    simulate = "\nsimulate:\n    duration = 50 ms\n    record v of hidden every 5 ms\n"
    return SMALL.replace("hidden_size = 12", "hidden_size = 9") + simulate


@pytest.fixture
def compiler() -> None:
    """Skips where there is no C++ compiler."""
    if toolchain.find_compiler() is None or toolchain.find_cmake() is None:
        pytest.skip("no C++ compiler or CMake")


@pytest.fixture
def nvcc() -> str:
    """The CUDA compiler; skips where there is none."""
    found = shutil.which("nvcc") or toolchain.find_nvcc()
    if found is None:
        pytest.skip("nvcc is not installed")
    return str(found)
