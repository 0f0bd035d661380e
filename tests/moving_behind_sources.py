"""Weights that move within a sample, in front of synapses with states that their source shares:
before a readout, and before what the loss reads.
"""

from __future__ import annotations

GROWING = """
plasticity growing:
    param tau = 12 ms
    param rate = 0.1
    pre state x = 0
    dx/dt = -x / tau
    on pre:
        weight += rate * x * (2 /UNIT - weight)
        x += 1
"""
NETWORK = f"""{GROWING.replace("/UNIT", "/ms")}
network Chain:
    step = 1 ms
    population x: input[6]
    population hidden: LIF[5](theta = 0.8)
    population other: LIF[4](theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.2)
    connect hidden -> other: PATTERN, weight = normal(0.4 /ms, 0.3 /ms), plasticity = growing(), synapse = tsodyks_markram(tau = 4 ms)
    connect other -> output: random(p = 0.8), weight = normal(0.1 /ms, 0.5 /ms), plasticity = growing(), synapse = tsodyks_markram(tau = 4 ms)

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = hidden_other.weight, hidden_other.plasticity.tau, hidden_other.plasticity.rate, hidden_other.tau_rec,
        hidden_other.use, other_output.weight, other_output.plasticity.rate, other_output.tau_rec, other_output.tau
    optimiser = sgd(learning_rate = 1e-3)
"""
READ = (
    NETWORK.replace("output.v", "other.v")
    .replace("[4]", "[3]")
    .replace(
        "use, other_output.weight, other_output.plasticity.rate, other_output.tau_rec, other_output.tau",
        "use, x_hidden.weight",
    )
)
READ = "\n".join(line for line in READ.split("\n") if "output" not in line)
