"""The numbers by which the neuron-parallel engine's headers know variables."""

from __future__ import annotations

from networks import program_of

from sncc.backends.cpu.neuron_tables import NeuronTables
from sncc.backends.cxx.dynamics import dynamics
from sncc.backends.cxx.layout import Layout

TEXT = """
plasticity rewarded:
    modulator reward
    post state q = 0
    dq/dt = -q / (20 ms)
    on pre: weight += 0.01 * reward * q * (pre.v - post.v)
    on post: q += 1
network N:
    step = 1 ms
    population a: LIF[5]
    population b: LIF[4]
    population critic: LIF[1]
    connect a -> b: random(p = 0.5), weight = each(0.1), plasticity = rewarded(reward = critic.v)
simulate:
    duration = 10 ms
"""


def test_all_that_a_synapse_reads_has_its_number_before_anything_is_emitted():
    program = program_of(TEXT)
    tables = NeuronTables(Layout(program, dynamics(program)), dynamics(program))
    (update,) = (o for o in tables.updates if o.when == "pre")
    named = dict(tables.fields)
    far, own = tables.synapse_update_fields(update, "far"), tables.synapse_update_fields(update, "own")
    names = {number: name for name, number in named.items()}
    assert tables.fields == named and len(far) == 2 and len(own) == 2
    assert sorted(names[n][0] for n in far) == ["a", "a_b.plasticity.reward"]
    assert sorted(names[n][0] for n in own) == ["a_b.plasticity.post", "b"]
