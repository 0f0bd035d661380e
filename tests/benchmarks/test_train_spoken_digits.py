"""A short training on recorded speech: well above chance after a few epochs. The data are not part of the project."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path(os.environ.get("SNCC_DATA") or ROOT.parent / "shared" / "data")


@pytest.mark.slow
@pytest.mark.skipif(
    not (DATA / "spoken_digits.npz").exists(), reason="no spoken_digits.npz; SNCC_DATA names its folder"
)
def test_spoken_digits_are_learnt(compiler):
    script = ROOT / "benchmarks" / "train_spoken_digits.py"
    words = [sys.executable, script, "--data", DATA, "--epochs", "3", "--backend", "cpu"]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = re.search(r"test accuracy ([\d.]+) %", done.stdout)
    assert found is not None and float(found[1]) > 70
