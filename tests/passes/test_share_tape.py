"""The adjoint kept for the weights' gradient takes over the surrogate's memory."""

from __future__ import annotations

from networks import program_of, recurrent


def test_the_adjoint_is_stored_over_the_surrogate():
    apart = program_of(recurrent("ALIF"), after="constant_folding")
    shared = program_of(recurrent("ALIF"))
    assert all(slot.shares is None for slot in apart.tape)
    assert {slot.name: slot.shares for slot in shared.tape if slot.group == "g0"} == {
        "spike.surrogate": None,
        "I!~": "spike.surrogate",
    }
