"""What is taken out of emitted CUDA code is missed:
the checked emulation sees a barrier, an initialisation or a wait go.
"""

from __future__ import annotations

import shutil

import pytest
from projects import Projects, agree, needs_compiler
from stand_in import needs_emulation
from trained_networks import NETWORKS

import sncc

pytestmark = needs_emulation


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    needs_compiler()
    return Projects(tmp_path_factory.mktemp("broken"))


def without(text: str, line: str, barrier_before: bool) -> str:
    """The text without the line, or without the barrier before it."""
    assert text.count(line) == 1
    if not barrier_before:
        return text.replace(line, "")
    before, after = text.split(line)
    start = before.rindex("__syncthreads();")
    return before[:start] + before[start + len("__syncthreads();") :] + line + after


@pytest.mark.parametrize(
    "file, line, barrier_before, expected",
    [
        ("cuda/recurrent_samples.cuh", "// hidden_output: hidden -> output", True, "uninitialised: read of device memory .*samples.cuh"),
        ("cuda/recurrent_samples.cuh", "set_to_zero(w);", False, "uninitialised: .* shared memory"),
        ("sncc/cuda_batch.h", "copied_.let_wait(compute);", False, "uninitialised: read of device memory"),
    ],
)  # fmt: skip
def test_what_is_taken_out_is_missed(projects, file, line, barrier_before, expected):
    program, project = projects.write(NETWORKS["targets"], "float64")
    broken = projects.folder / f"without_{len(line)}"
    shutil.copytree(project, broken)
    source = broken / "src" / file
    source.write_text(without(source.read_text(), line, barrier_before))
    (broken / "lib").mkdir()
    shutil.copy(projects.link(broken, "recurrent", "checked", "librecurrent_emulated.so", "-shared"), broken / "lib")
    with pytest.raises(RuntimeError, match=expected):
        agree(sncc.load(broken, backend="emulated"), program, 1e-9)
