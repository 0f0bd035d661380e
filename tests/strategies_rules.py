"""Random networks with synapses, of which weights move by rules,
and which read numbers that their source's neurons have each.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st
from strategies_synapses import networks_with_synapses

RULE = """plasticity moves:
    param rate = 0.05
    param slow = 9 ms
    pre state p = 0
    post state q = 0
    dp/dt = -p / {memory}
    dq/dt = -q / (7 ms)
    on pre:
        weight += rate * ({before} - 0.3 * weight)
        p += {jump}
    on post:
        weight -= rate * {after}
        q += 1
    bound weight in [-2, 2]

"""
READS = ("deliver (", "deliver (pre.tau_m / (9 ms)) * ("), ("-r / (7 ms)", "-r / (0.7 * pre.tau_m)")
PLASTIC = {"hidden_hidden": "hidden -> hidden", "hidden_output": "hidden -> output"}


@st.composite
def networks_with_rules(draw: st.DrawFn) -> str:
    """As e-prop takes them in both directions; outputs spike where a rule waits for that."""
    text = draw(
        networks_with_synapses(draw(st.sampled_from(("eprop(feedback = symmetric)", "eprop(truncate = 4 ms)"))), True)
    )
    if draw(st.booleans()):
        text = text.replace("](tau_m = 10 ms", "](tau_m = uniform(6 ms, 14 ms)")
    for name in sorted(draw(st.sets(st.sampled_from(("Second", "Third"))))):
        head, _, tail = text.partition(f"synapse {name}:")
        text = f"{head}synapse {name}:{tail.replace(*draw(st.sampled_from(READS)), 1)}"
    rule = RULE.format(
        memory=draw(st.sampled_from(("slow", "(slow + pre.tau_m)"))),
        before=draw(st.sampled_from(("p", "q", "p - q", "p * pre.tau_m / (9 ms)"))),
        jump=draw(st.sampled_from(("1", "(1 - p)", "pre.tau_m / (9 ms)"))),
        after=draw(st.sampled_from(("p", "q", "0.2"))),
    )
    plastic = draw(st.sets(st.sampled_from(sorted(PLASTIC))))
    for name in sorted(plastic):
        text = re.sub(rf"(connect {PLASTIC[name]}:.*)", r"\1, plasticity = moves()", text)
        text = text.replace("learn = ", f"learn = {name}.plasticity.rate, {name}.plasticity.slow, ")
    if plastic:
        text = text.replace("network Net:", f"{rule}network Net:")
    if "hidden_output" in plastic or draw(st.booleans()):
        text = text.replace("LI[2](tau_m = 8 ms)", "LIF[2](tau_m = 8 ms, theta = 0.4)")
    return text
