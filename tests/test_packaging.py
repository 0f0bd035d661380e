"""The wheel and the source distribution hold what the checkout holds, and the wheel works elsewhere."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINKED = ("grammar", "backends", "runtime")  # sncc/NAME is a link to NAME
NOT_SHIPPED = {".gitignore"}


def run(*words: object, cwd: Path) -> str:
    # what the caller's Python looks at besides, such as a checkout, is no part of an environment of its own
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """A wheel made from a source distribution, which is made from a copy of what git tracks, and both their names."""
    tracked = run("git", "ls-files", cwd=ROOT).splitlines()
    work = tmp_path_factory.mktemp("distributions")
    for name in tracked:
        source, target = ROOT / name, work / "checkout" / name
        if not (source.is_symlink() or source.exists()):
            continue  # removed, and not committed yet
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(os.readlink(source))
        else:
            target.write_bytes(source.read_bytes())
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work / "dist", cwd=work / "checkout")
    (wheel,), (sdist,) = (list((work / "dist").glob(pattern)) for pattern in ("*.whl", "*.tar.gz"))
    return wheel, sdist, [name for name in tracked if (ROOT / name).is_file()]


def shipped(tracked: list[str]) -> set[str]:
    """Names inside the package, as the links give them."""
    inside = {name for name in tracked if name.startswith("sncc/")}
    linked = {f"sncc/{name}" for name in tracked if name.split("/")[0] in LINKED and "/" in name}
    return {name for name in inside | linked if Path(name).name not in NOT_SHIPPED}


def test_the_wheel_holds_every_tracked_file_of_the_package(distributions):
    wheel, _, tracked = distributions
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == shipped(tracked)


def test_the_source_distribution_holds_every_tracked_file_of_the_package(distributions):
    _, sdist, tracked = distributions
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert shipped(tracked) <= names
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names


def test_the_wheel_works_outside_the_checkout(distributions, tmp_path, small_network, compiler):
    wheel, _, _ = distributions
    environment = tmp_path / "venv"
    # this one's pip fills it, in less time than it takes to make one
    venv.create(environment, with_pip=False, system_site_packages=False)
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel, cwd=tmp_path)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip())
    dependencies = [entry for entry in sys.path if entry.endswith("site-packages")]
    (site / "dependencies.pth").write_text("".join(f"{entry}\n" for entry in dependencies))  # not sncc: it comes first
    place = run(python, "-c", "import sncc; print(sncc.__file__)", cwd=tmp_path).strip()
    assert Path(place).is_relative_to(environment)

    (tmp_path / "small.snn").write_text(small_network)
    sncc = environment / "bin" / "sncc"
    run(sncc, "check", "small.snn", cwd=tmp_path)
    run(sncc, "models", "ALIF", cwd=tmp_path)
    run(sncc, "build", "small.snn", "--backend", "cpu", cwd=tmp_path)
    code = "import sncc; print(sncc.load('build/small').parameters['x_hidden.weight'].shape)"
    assert run(python, "-c", code, cwd=tmp_path).strip() == "(6, 12)"
    digits = small_network.replace("input[6]", "input[8, 8]").replace("LI[3]", "LI[10]")
    (tmp_path / "digits.snn").write_text(digits)
    assert "%" in run(
        sncc, "train", "digits.snn", "--backend", "cpu", "--data", "digits", "--epochs", "1", cwd=tmp_path
    )
