"""What each kernel needs of a multiprocessor: the table of an emitted project, and what ptxas says of it at a build."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNKNOWN = "-"
_AS_NEEDED = "as needed"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel as it is launched. `shared`: bytes of dynamic shared memory of a block; None: as many as a run needs."""

    name: str
    does: str
    blocks: str
    threads: int
    shared: int | None


@dataclass(frozen=True, slots=True)
class Multiprocessor:
    """Limits of one architecture. Source: CUDA C++ Programming Guide, specifications per compute capability."""

    shared: int  # bytes, of which the system takes 1 KB a block
    threads: int = 2048
    blocks: int = 32
    registers: int = 65536


ARCHITECTURES = {"sm_80": Multiprocessor(164 << 10), "sm_90": Multiprocessor(228 << 10)}


@dataclass(frozen=True, slots=True)
class Used:
    """What ptxas gave a kernel: registers a thread, bytes of static shared memory, bytes of spills."""

    registers: int
    shared: int
    spills: int


def table(kernels: tuple[Kernel, ...]) -> list[str]:
    """Rows of the table, with a column for each architecture that a build fills in."""
    lines = [
        f"| kernel | a block | blocks | threads | dynamic shared memory, bytes | {' | '.join(ARCHITECTURES)} |",
        "|" + " --- |" * (5 + len(ARCHITECTURES)),
    ]
    empty = f" {UNKNOWN} |" * len(ARCHITECTURES)
    return [
        *lines,
        *(
            f"| {k.name} | {k.does} | {k.blocks} | {k.threads} | {_AS_NEEDED if k.shared is None else k.shared} |{empty}"
            for k in kernels
        ),
    ]


def filled(text: str, log: str) -> str:
    """The table with what the log of a build says: registers, spills, blocks that a multiprocessor holds at once."""
    used = read_log(log)

    def fill(line: str) -> str:
        cells = [cell.strip() for cell in line.strip("|\n ").split("|")]
        if len(cells) != 5 + len(ARCHITECTURES) or not cells[3].isdigit():
            return line
        threads, shared = int(cells[3]), 0 if cells[4] == _AS_NEEDED else int(cells[4])
        for k, name in enumerate(ARCHITECTURES):
            found = used.get((cells[0], name))
            if found:
                cells[5 + k] = _described(found, threads, shared, ARCHITECTURES[name])
        return "| " + " | ".join(cells) + " |"

    return "\n".join(fill(line) for line in text.split("\n"))


def read_log(log: str) -> dict[tuple[str, str], Used]:
    """What ptxas (`-Xptxas=-v`) says, by kernel and architecture. Kernels are in the project's unnamed namespace."""
    result: dict[tuple[str, str], Used] = {}
    parts = re.split(r"Compiling entry function '(\w+)' for '(sm_\d+)a?'", log)
    for mangled, architecture, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        registers = re.search(r"Used (\d+) registers", text)
        if registers is None:
            continue
        spills = sum(int(n) for n in re.findall(r"(\d+) bytes spill", text))
        shared = re.search(r"(\d+) bytes smem", text)
        used = Used(int(registers[1]), int(shared[1]) if shared else 0, spills)
        result[_name(mangled), architecture] = used
    return result


def _name(mangled: str) -> str:
    """`_ZN6digits…14digits_samplesEN4sncc…` → `digits_samples`: the last name before the arguments."""
    found, at = "", 3
    while (digits := re.match(r"\d+", mangled[at:])) is not None:
        start = at + len(digits[0])
        at = start + int(digits[0])
        found = mangled[start:at]
    return found


def resident_blocks(used: Used, threads: int, shared: int, limits: Multiprocessor) -> int:
    """Blocks that a multiprocessor holds at once. Registers go to warps in units of 256, shared memory in 128 bytes."""
    warps = -(-threads // 32)
    registers = -(-used.registers * 32 // 256) * 256 * warps
    memory = -(-(shared + used.shared + 1024) // 128) * 128
    return min(limits.threads // threads, limits.blocks, limits.registers // registers, limits.shared // memory)


def _described(used: Used, threads: int, shared: int, limits: Multiprocessor) -> str:
    blocks = resident_blocks(used, threads, shared, limits)
    occupancy = 100 * blocks * threads // limits.threads
    spills = f", {used.spills} bytes spilt" if used.spills else ""
    return f"{used.registers} registers{spills}, {blocks} blocks ({occupancy} %)"
