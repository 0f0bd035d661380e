"""Let an adjoint that is stored take over the memory of a forward value that only its own update loads."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sncc.program.groups import TapeSlot
from sncc.program.nodes import Program
from sncc.program.operations import Update


def share_tape(program: Program) -> Program:
    """Let an adjoint that is stored take over the memory of a forward value that only its own update loads."""
    updates = [o for o in program.reverse if isinstance(o, Update)]
    loaded = Counter((u.group, slot) for u in updates for _, slot in u.loads)
    stored = {(u.group, slot) for u in updates for slot, _ in u.stores}
    over: dict[tuple[str, str], str] = {}
    for update in updates:
        free = [s for _, s in update.loads if loaded[update.group, s] == 1 and (update.group, s) not in stored]
        for (slot, _), host in zip(update.stores, free, strict=False):
            over[update.group, slot] = host
    tape = tuple(TapeSlot(s.name, s.group, over.get((s.group, s.name))) for s in program.tape)
    return replace(program, tape=tape) if over else program
