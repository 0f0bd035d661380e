"""eventprop through weights that move by what spikes find of other neurons: of their source under `on post`, of their
target when a late spike is noticed, and of the populations that modulators follow; and by sources whose delays are
learnt. The oracle is that of `test_eventprop_plasticity.py`.
"""

from __future__ import annotations

import pytest
from timed_rules import LEFT, RESET, THROUGH, compare, moving, rule
from timed_synapses import MEAN, SYNAPSES, with_own

THREE = {"follows": "dopamine.v", "of": "Graded[3]"}
MET = {  # name: network, seed
    "of the source": (moving(rule(post="up * x * tanh(pre.i + pre.v)"), None), 5),
    "of the source as it spikes": (moving(rule(post="up * (1 + x) * tanh(pre.v + pre.i)"), None, ", post_delay = 1 ms"), 5),
    "of the target, late": (moving(rule(post="up * x * tanh(post.i + post.v)"), None, ", post_delay = 1.3 ms"), 5),
    "of both, late": (moving(rule(post="up * (1 + x) * tanh(pre.v * post.v + pre.i)"), None, ", post_delay = 0.7 ms"), 5),
    "of what a modulator follows, on pre": (moving(rule(pre="down * (1 + y) * tanh(m)"), None, follows="dopamine.v"), 4),
    "of what a modulator follows, on post": (moving(rule(post="up * (0.5 + x) * tanh(m)"), None, **THREE), 8),
    "of what a modulator follows, all the time": (
        moving(rule(post="up * e", flow="x * m * (0.3 /ms)"), None, follows="dopamine.v"), 7,
    ),
    "of what a modulator follows, bent": (moving(rule(post="up * e", flow="tanh(x * m * post.v) * (0.3 /ms)"), None, **THREE), 4),
    "of the target as a modulator": (
        moving(rule("down * (1 + y) * tanh(m)", "up * (x * m + e)", "x * m * m * (0.3 /ms)"), None, follows="hidden.v"), 5,
    ),
    "of a neuron that spikes": (
        moving(
            rule("down * (1 + y) * tanh(m)", "up * (x * m + e)", "x * m * (0.3 /ms)"), None, "", "dopamine.v", "Soma[1]", THROUGH
        ), 4,
    ),
    "everything": (
        moving(
            rule("down * (1 + y) * tanh(m + post.v)", "up * (x * m + e * pre.v + tanh(post.i))", "x * m * pre.v * (0.3 /ms)"),
            "bent by both sides", ", post_delay = 0.6 ms", **THREE,
        ), 9,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", [n if n == "of a neuron that spikes" else pytest.param(n, marks=pytest.mark.slow) for n in MET]
)
def test_what_spikes_meet_is_moved_with_them(name):
    compare(*MET[name])


LATE = {  # synapses, or the slope of a rule's state: seed
    "following the source": 5, "graded by the source": 1, "bent by both sides": 5, "a gap junction": 4,
    "pre.v * pre.v * (0.5 /ms)": 8, "pre.v * (0.5 /ms)": 8,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", LATE)
def test_learnt_delays_of_what_reads_its_source_all_the_time(what):
    if what in SYNAPSES:
        text = with_own(SYNAPSES[what], MEAN, "weights, hidden.theta, hidden_hidden.delay", "each(1 ms)").replace(
            RESET, LEFT
        )
    else:
        text = moving(rule(post="up * e", flow=what), None, "each")
    compare(text, LATE[what], by=1e-3, arrays=1)
