"""The C++ headers of emitted projects, compiled by themselves and compared with NumPy, mpmath and plain loops."""

import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy
import pytest

INCLUDE = Path(__file__).parents[3] / "backends" / "cxx" / "include"
PROGRAMS = Path(__file__).parent / "programs"
HEADERS = [
    "platform.h", "aligned.h", "fpu.h", "list.h", "spikes.h", "thread_pool.h", "vector.h", "layout.h", "rows.h", "products.h",
    "strips.h", "math_format.h", "math.h", "power.h", "philox.h",
]  # fmt: skip
EMITTED = ["-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fno-loop-unroll-and-jam"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
MACHINES = {
    "native": ["-O3", "-march=native"],
    "avx2": ["-O2", "-march=native", "-mno-avx512f", "-mavx2", "-mfma"],
    "baseline": ["-O1", "-march=x86-64"],
}
SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
REALS = {"float": numpy.float32, "double": numpy.float64}

COMPILER = shutil.which("g++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="g++ is not installed")


def supports(machine: str) -> bool:
    """Whether this processor runs programs for `machine`."""
    if machine != "avx2":
        return True
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx2" in flags and "fma" in flags


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Compile a program for a machine, once a session."""
    folder = tmp_path_factory.mktemp("headers")
    programs = {}

    def compile_program(name: str, machine: str = "native") -> Path:
        if not supports(machine):
            pytest.skip(f"the processor lacks {machine}")
        if (name, machine) not in programs:
            program = folder / f"{name}-{machine}"
            command = [COMPILER, *EMITTED, *WARNINGS, *MACHINES.get(machine, SANITIZED), f"-I{INCLUDE}"]
            command += [str(PROGRAMS / f"{name}.cpp"), "-o", str(program), "-pthread"]
            result = subprocess.run(command, capture_output=True, text=True)
            assert result.returncode == 0, result.stderr
            programs[name, machine] = program
        return programs[name, machine]

    return compile_program


@pytest.fixture
def apply(compiled):
    """Call a function of math.h on an array, by name."""

    def call(name: str, precision: str, values, machine: str = "native"):
        values = numpy.ascontiguousarray(values, REALS[precision])
        command = [str(compiled("functions", machine)), name, precision]
        result = subprocess.run(command, input=values.tobytes(), capture_output=True, check=True)
        return numpy.frombuffer(result.stdout, REALS[precision])

    return call


def exact(function, values) -> numpy.ndarray:
    """The values of an mpmath function, as long doubles (64 bits of mantissa)."""
    with mpmath.workdps(60):
        results = [function(mpmath.mpf(float(x))) for x in values]
        return numpy.array([numpy.longdouble(mpmath.nstr(y, 25)) for y in results])


def phi(k: int):
    def value(x):
        return mpmath.hyp1f1(1, k + 1, x) / mpmath.factorial(k)

    return value


ORACLES = {
    "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p, "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "sin": mpmath.sin, "cos": mpmath.cos, "sqrt": mpmath.sqrt,
    "phi0": mpmath.exp, "phi1": phi(1), "phi2": phi(2), "phi3": phi(3), "phi4": phi(4),
    "ipow7": lambda x: x**7, "ipow-3": lambda x: x**-3,
}  # fmt: skip


def arguments(name: str, precision: str) -> numpy.ndarray:
    """Arguments where the function and its result are normal numbers: spread, near 0, near 1, and at both ends."""
    rng = numpy.random.default_rng(4)
    n = 500
    low, high = (-87, 88.5) if precision == "float" else (-708, 709)
    tiny = rng.normal(size=n) * 10.0 ** rng.uniform(-12, 0, n)
    if name in ("exp", "expm1", "sigmoid") or name.startswith("phi"):
        values = [rng.uniform(low, high, n), rng.uniform(-2, 2, n), tiny, [low, high]]
    elif name in ("log", "sqrt"):
        end = 37 if precision == "float" else 300
        values = [10.0 ** rng.uniform(-end, end, n), rng.uniform(0.5, 2, n), 1 + tiny * 0.1]
    elif name == "log1p":
        values = [10.0 ** rng.uniform(-30, 30, n), rng.uniform(-0.999, 2, n), tiny, 10.0 ** rng.uniform(-6, -1, n) - 1]
    elif name in ("sin", "cos"):
        values = [rng.uniform(-10, 10, n), rng.uniform(-1e5, 1e5, n), rng.integers(-60000, 60000, n) * numpy.pi / 2]
    else:
        values = [rng.uniform(-20, 20, n), rng.uniform(-1, 1, n), tiny if name == "tanh" else rng.uniform(1, 100, n)]
    values = numpy.concatenate(values).astype(REALS[precision])
    return values[(values != 0) & ((values > -1) | (name != "log1p")) & ((values != 1) | (name != "log"))]


@pytest.mark.parametrize("name", ORACLES)
def test_float_functions_are_within_two_ulp(apply, name):
    values = arguments(name, "float")
    wanted = exact(ORACLES[name], values)
    ulp = numpy.spacing(numpy.abs(wanted).astype(numpy.float32)).astype(numpy.longdouble)
    errors = numpy.abs(apply(name, "float", values).astype(numpy.longdouble) - wanted) / ulp
    # Six multiplications round six times.
    assert errors.max() < (4 if name.startswith("ipow") else 2), values[errors.argmax()]


@pytest.mark.parametrize("name", ORACLES)
def test_double_functions_are_within_their_bound(apply, name):
    values = arguments(name, "double")
    wanted = exact(ORACLES[name], values)
    errors = numpy.abs(apply(name, "double", values).astype(numpy.longdouble) / wanted - 1)
    assert errors.max() < (1e-13 if name in ("phi2", "phi3", "phi4") else 1e-15), values[errors.argmax()]


@pytest.mark.parametrize("precision", REALS)
def test_powers_are_accurate(apply, precision):
    rng = numpy.random.default_rng(5)
    base = numpy.exp(rng.uniform(-8, 8, 1000))
    exponent = rng.uniform(-10, 10, 1000) if precision == "float" else rng.uniform(-80, 80, 1000)
    # Near 1 a large exponent magnifies the error of the logarithm most.
    base[:200], exponent[:200] = rng.uniform(1.3, 1.45, 200), 180 if precision == "float" else 1500
    pairs = numpy.stack([base, exponent], axis=1).astype(REALS[precision])
    with mpmath.workdps(60):
        powers = [mpmath.mpf(float(a)) ** mpmath.mpf(float(b)) for a, b in pairs]
        wanted = numpy.array([numpy.longdouble(mpmath.nstr(power, 25)) for power in powers])
    inside = (wanted < numpy.finfo(REALS[precision]).max) & (wanted > numpy.finfo(REALS[precision]).tiny)
    errors = numpy.abs(apply("pow", precision, pairs).astype(numpy.longdouble)[inside] / wanted[inside] - 1)
    assert inside.sum() > 900
    assert errors.max() < (1.2e-7 if precision == "float" else 1e-15)


@pytest.mark.parametrize("precision", REALS)
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sin", "cos", "sqrt", "abs", "floor", "sign"])
def test_special_values_are_those_of_numpy(apply, name, precision):
    real = REALS[precision]
    limits = numpy.finfo(real)
    values = [0.0, -0.0, numpy.inf, -numpy.inf, numpy.nan, 1.0, -1.0, -2.0, 0.5, -0.5, 1e-40, -1e-40, 2.5, -2.5]
    values += [limits.tiny, limits.smallest_subnormal, 1000.0, -1000.0, -104.0, -95.0, -740.0, -720.0, 88.9, 709.9]
    if name not in ("sin", "cos"):  # NaN by contract where neighbouring arguments are half a radian apart
        values += [limits.max, -limits.max]
    values = numpy.array(values, real)
    with numpy.errstate(all="ignore"):
        wanted = getattr(numpy, name)(values)
    got = apply(name, precision, values)
    numpy.testing.assert_allclose(got, wanted, rtol=4 * limits.eps, atol=limits.smallest_subnormal)
    numbers = ~numpy.isnan(wanted) & ((wanted != 0) | (name != "sign"))  # the sign of -0 is -0 here, 0 in NumPy
    assert (numpy.signbit(got) == numpy.signbit(wanted))[numbers].all()


@pytest.mark.parametrize("precision", REALS)
def test_sigmoid_and_phi_reach_their_limits(apply, precision):
    inf, nan = numpy.inf, numpy.nan
    wanted = [0, 0, 1, 1, nan, 0.5]
    numpy.testing.assert_array_equal(apply("sigmoid", precision, [-inf, -2000, 2000, inf, nan, 0]), wanted)
    for k, factorial in enumerate([1, 1, 2, 6, 24]):
        got = apply(f"phi{k}", precision, [0.0, -0.0, inf, -inf, nan, 1e-300, 1e4])
        one = REALS[precision](1) / REALS[precision](factorial)
        numpy.testing.assert_allclose(got, [one, one, inf, 0, nan, one, inf], rtol=4 * numpy.finfo(got.dtype).eps)


@pytest.mark.parametrize("precision", REALS)
def test_powers_of_special_values_are_those_of_numpy(apply, precision):
    values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 2.5, 1e30, -1e30, numpy.inf, -numpy.inf, numpy.nan]
    pairs = numpy.array([[a, b] for a in values for b in values], REALS[precision])
    with numpy.errstate(all="ignore"):
        wanted = numpy.power(pairs[:, 0], pairs[:, 1])
    got = apply("pow", precision, pairs)
    numpy.testing.assert_allclose(got, wanted, rtol=4 * numpy.finfo(got.dtype).eps)
    numbers = ~numpy.isnan(wanted)
    assert (numpy.signbit(got) == numpy.signbit(wanted))[numbers].all()


@pytest.mark.parametrize("precision", REALS)
def test_minimum_maximum_clip_and_select_pass_nan_on(apply, precision):
    values = [-numpy.inf, -3.0, -0.5, 0.25, 7.0, numpy.inf, numpy.nan]
    pairs = numpy.array([[a, b] for a in values for b in values])
    numpy.testing.assert_array_equal(apply("min", precision, pairs), numpy.minimum(*pairs.T))
    numpy.testing.assert_array_equal(apply("max", precision, pairs), numpy.maximum(*pairs.T))
    numpy.testing.assert_array_equal(apply("clip", precision, values), numpy.clip(values, -1, 2))
    wanted = [-numpy.inf, -3, -0.5, 3, 3, 3, numpy.nan]
    numpy.testing.assert_array_equal(apply("select", precision, values), wanted)


@pytest.mark.parametrize("precision", REALS)
def test_integer_powers_agree_at_run_time(apply, precision):
    values = numpy.random.default_rng(6).normal(size=100)
    for name in ("ipow7", "ipow-3"):
        at_run_time = apply(f"{name}_at_run_time", precision, values)
        numpy.testing.assert_array_equal(apply(name, precision, values), at_run_time)


@pytest.mark.parametrize("machine", ["avx2", "baseline"])
@pytest.mark.parametrize("precision", REALS)
def test_functions_have_the_same_bits_on_every_machine(apply, precision, machine):
    for name in ORACLES:
        values = arguments(name, precision)
        assert apply(name, precision, values).tobytes() == apply(name, precision, values, machine).tobytes(), name
    pairs = numpy.exp(numpy.random.default_rng(7).uniform(-3, 3, (500, 2)))
    assert apply("pow", precision, pairs).tobytes() == apply("pow", precision, pairs, machine).tobytes()


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("program", ["rows", "spikes"])
def test_loops_agree_with_plain_loops(compiled, program, machine):
    result = subprocess.run([str(compiled(program, machine))], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("machine", ["avx2", "baseline"])
def test_products_have_the_same_bits_on_every_machine(compiled, machine):
    def digest(machine):
        return subprocess.run([str(compiled("rows", machine)), "digest"], capture_output=True, check=True).stdout

    assert digest("native") == digest(machine)


def test_thread_pool_runs_each_task_once(compiled):
    result = subprocess.run([str(compiled("thread_pool"))], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout


def test_a_list_holds_what_a_vector_does(compiled):
    """In 60,000 random calls, values of its own among the arguments,
    without an access out of bounds or a value that is left.
    """
    result = subprocess.run([str(compiled("lists", "sanitized"))], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("machine", MACHINES)
def test_philox_gives_the_published_words(compiled, machine):
    result = subprocess.run([str(compiled("draws", machine)), "words"], capture_output=True, text=True, check=True)
    words, ends = result.stdout.splitlines()[:3], result.stdout.splitlines()[3].split()
    assert words == [
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ]
    assert [float.fromhex(end) for end in ends] == [2**-24, 2**-53, 1 - 2**-24, 1 - 2**-53]


def test_draws_have_their_distribution_in_both_precisions(compiled):
    n = 200_000
    result = subprocess.run([str(compiled("draws")), str(n)], capture_output=True, check=True)
    draws = numpy.frombuffer(result.stdout).reshape(n, 6)
    uniform, first, second = draws[:, 1], draws[:, 4], draws[:, 5]
    assert 0 < uniform.min() and uniform.max() < 1
    numpy.testing.assert_allclose(numpy.histogram(uniform, 20, (0, 1))[0], n / 20, rtol=0.05)
    # Five standard errors of the moments of a normal: 1, 2, 15 and 96 are the variances of z, z^2, z^3 and z^4.
    for normal in (first, second):
        for power, (moment, variance) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], start=1):
            assert abs((normal**power).mean() - moment) < 5 * (variance / n) ** 0.5
    assert abs((first * second).mean()) < 5 / n**0.5
    # The float names the interval in which the double lies.
    assert numpy.abs(draws[:, 0] - uniform).max() <= 2**-24
    typical = uniform > 1e-3
    assert numpy.abs(draws[:, 2:4] - draws[:, 4:6])[typical & (uniform < 0.999)].max() < 1e-4


@pytest.mark.parametrize("machine", ["avx2", "baseline"])
def test_draws_have_the_same_bits_on_every_machine(compiled, machine):
    outputs = [
        subprocess.run([str(compiled("draws", m)), "5000"], capture_output=True, check=True).stdout
        for m in ("native", machine)
    ]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("header", HEADERS)
def test_header_compiles_by_itself(header):
    command = [COMPILER, *EMITTED, *WARNINGS, "-O0", f"-I{INCLUDE}", "-fsyntax-only", "-x", "c++", "-"]
    result = subprocess.run(command, input=f'#include "sncc/{header}"\n', capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_math_and_philox_compile_for_the_gpu(tmp_path):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not installed")
    command = [nvcc, "-std=c++17", "-arch=sm_90", "-fmad=false", "-Werror=all-warnings", f"-I{INCLUDE}", "-ptx"]
    result = subprocess.run(
        [*command, str(PROGRAMS / "device.cu"), "-o", str(tmp_path / "device.ptx")], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
