"""Every fault planted in programs/ is found by the checked emulation (or by the sanitizers, where it says so),
at its line; the sound version is not reported.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from projects import needs_compiler
from stand_in import ALONE, needs_emulation, program

pytestmark = needs_emulation

LONG = {  # each is compiled twice
    "block_that_has_not_begun", "cluster_barrier_for_grid", "copy_on_its_way", "grid_barrier_after_an_end", "lanes_have_ended", "misaligned_number", "misaligned_vector",
    "pinned_memory_freed", "stale_read_only_load",
}  # fmt: skip
PROGRAMS = [
    pytest.param(path, id=path.stem, marks=pytest.mark.slow if path.stem in LONG else ())
    for path in sorted((Path(__file__).parent / "programs").glob("*.cu"))
]


@pytest.fixture(autouse=True)
def compiler():
    needs_compiler()


def run(source: Path, define: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = program(source, "address" if "// build: address" in source.read_text() else "checked", f"-D{define}")
    return subprocess.run([path], capture_output=True, text=True, env={**ALONE, **environment})


def expected(source: Path) -> str:
    """The pattern that a program's first lines give, with the line that it marks."""
    lines = source.read_text().splitlines()
    here = [str(k) for k, line in enumerate(lines, 1) if line.endswith("// HERE")]
    pattern = next(line for line in lines if line.startswith("// expect: ")).removeprefix("// expect: ")
    return pattern.replace("HERE", "|".join(here)) if len(here) < 2 else pattern.replace("HERE", f"({'|'.join(here)})")


@pytest.mark.parametrize("source", PROGRAMS)
@pytest.mark.parametrize("seed", ["0", "3"])
def test_a_planted_fault_is_found_at_its_line(source, seed):
    done = run(source, "FAULT", SNCC_EMULATION_ORDER_SEED=seed)
    assert done.returncode != 0
    assert re.search(expected(source), done.stderr), done.stderr


@pytest.mark.parametrize("source", PROGRAMS)
@pytest.mark.parametrize("seed", ["0", "3"])
def test_the_sound_version_is_not_reported(source, seed):
    done = run(source, "SOUND", SNCC_EMULATION_ORDER_SEED=seed)
    assert (done.returncode, done.stderr) == (0, "")


MISUSE = {
    "grid barrier in an ordinary launch": "cudaErrorLaunchFailure: .*not cooperative",
    "more blocks than are resident": "cudaErrorCooperativeLaunchTooLarge",
    "more shared memory than was asked for": "cudaErrorInvalidValue",
    "more threads than a block has": "cudaErrorInvalidConfiguration",
    "no blocks": "cudaErrorInvalidConfiguration",
    "more blocks along y than a grid has": "cudaErrorInvalidConfiguration",
    "blocks that do not fill clusters": "cudaErrorInvalidConfiguration",
    "a cluster of 16 blocks": "cudaErrorInvalidConfiguration",
    "a cluster that no part of the device has room for": "cudaErrorInvalidClusterSize",
    "more clusters than are resident": "cudaErrorCooperativeLaunchTooLarge",
    "more shared memory than a block has beside its own": "cudaErrorInvalidValue",
    "a warp function for half a warp": "cudaErrorLaunchFailure: .*mask that is not full",
    "an asynchronous copy of 12 bytes": "cudaErrorLaunchFailure: .*other than 4, 8 or 16 bytes",
    "an asynchronous copy of 16 bytes from an odd place": "cudaErrorLaunchFailure: .*no multiple of it",
    "a barrier that half of the block waits at": "cudaErrorLaunchFailure: .*deadlock: .*block 0, thread",
    "a copy in the wrong direction": "cudaErrorInvalidValue",
    "a copy past the end": "cudaErrorInvalidValue",
    "free of what was not allocated": "cudaErrorInvalidDevicePointer",
    "free twice": "cudaErrorInvalidDevicePointer",
    "a stream that is gone": "cudaErrorInvalidResourceHandle",
    "waiting for a stream that captures": "cudaErrorStreamCaptureUnsupported",
    "a capture beside other threads that use the legacy stream": "cudaErrorStreamCaptureInvalidated",
    "pinned memory while a stream captures": "cudaErrorStreamCaptureUnsupported",
    "a copy by the legacy stream beside a capture": "cudaErrorStreamCaptureImplicit",
    "the end of a capture that nobody began": "cudaErrorIllegalState",
    "a graph of what was spoilt": "cudaErrorStreamCaptureInvalidated",
    "a capture whose other stream is not waited for": "cudaErrorStreamCaptureUnjoined",
    "the end of a capture in its other stream": "cudaErrorStreamCaptureUnmatched",
    "an event of before the capture": "cudaErrorStreamCaptureIsolation",
    "an event of a capture that has ended": "cudaErrorCapturedEvent",
    "more memory than there is": "cudaErrorMemoryAllocation",
}


@pytest.mark.parametrize("case", MISUSE)
def test_misuse_of_the_api_is_answered_as_cuda_answers_it(case):
    path = program(Path(__file__).parent / "misuse" / "misuse.cu", "plain")
    around = {
        "no part of the device": {"SNCC_EMULATION_PART": "3"},
        "more clusters": {"SNCC_EMULATION_PART": "7"},  # of which each has room for one and some blocks more
        "beside other threads": {"SNCC_EMULATION_OTHERS": "1"},
    }
    chosen = next((variables for of, variables in around.items() if of in case), {})
    done = subprocess.run([path, case], capture_output=True, text=True, env={**ALONE, **chosen})
    assert done.returncode == 1
    assert re.search(MISUSE[case], done.stdout), done.stdout
