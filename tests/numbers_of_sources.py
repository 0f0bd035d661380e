"""Numbers that each neuron has for itself and the synapses behind it read, and what else may read them."""

from __future__ import annotations

NETWORK = """
neuron Sending:
    param tau = 10 ms
    param gain = uniform(0.5, 1.5)
    state v = 0
    input I
    dv/dt = -v / tau + I
    spike when v > 0.8: reset v -= 0.8
    surrogate triangle(width = 0.8, height = 0.3)

synapse bent:
    state g = 0
    dg/dt = -g / (6 ms)
    on pre: g += weight * pre.gain * (1.5 - tanh(g))
    deliver g * (0.5 + 0.2 * pre.gain) / (5 ms)

network Chain:
    step = 1 ms
    population x: input[6]
    population hidden: Sending[5]
    population other: LIF[4](theta = 0.5)
    population output: LI[3](tau_m = 10 ms)
    connect x -> hidden: dense, weight = normal(0.3, 0.2)
    connect hidden -> other: PATTERN, weight = normal(0.3, 0.3), delay = 1 ms, synapse = bent()
    connect hidden -> output: dense, weight = normal(0, 0.5)
    connect other -> output: dense, weight = normal(0, 0.5)

train:
    rule = RULE
    loss = mean(cross_entropy(output.v))
    learn = hidden.gain, hidden_other.weight, other_output.weight
    optimiser = sgd(learning_rate = 1e-3)
"""

READ = "\n".join(line for line in NETWORK.split("\n") if "-> output" not in line).replace("output.v", "other.v")
READ = "\n".join(line for line in READ.split("\n") if "population output" not in line)
READ = READ.replace("other_output.weight", "x_hidden.weight").replace("[4]", "[3]")

_SYNAPSE = NETWORK[NETWORK.index("    state g = 0") : NETWORK.index("\nnetwork")]
JUNCTION = NETWORK.replace(_SYNAPSE, "    deliver weight * pre.gain * (pre.v - post.v) / ms\n")

RULE = """
plasticity moving:
    param rate = 0.002 /ms
    pre state x = 0
    dx/dt = -x / (10 ms * pre.gain)
    on pre:
        weight += rate * pre.gain * x
        x += pre.gain

network"""
MOVING = NETWORK.replace("\nnetwork", RULE).replace(
    "synapse = bent()", "plasticity = moving(), synapse = tsodyks_markram()"
)
MOVING = MOVING.replace("normal(0.3, 0.3)", "normal(0.3 /ms, 0.3 /ms)").replace(
    "learn =", "learn = hidden_other.tau_rec,"
)
