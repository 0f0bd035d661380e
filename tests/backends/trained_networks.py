"""Networks that are trained, on which both halves are compared with the reference."""

from __future__ import annotations

from networks import UNKNOWN, recurrent

DEEP = """
network Deep:
    step = 1 ms
    population x: input[6]
    population level: signal[2]
    population first: LIF[4](tau_m = each(12 ms), theta = 0.8)
    population hidden: CubaLIF[37](theta = 0.6)
    population output: LI[3]
    connect x -> first: dense, weight = normal(0, 1)
    connect level -> first: dense, weight = normal(0, 1)
    connect first -> hidden: dense, weight = normal(0, 1), delay = 1 ms
    connect hidden -> first: dense, weight = normal(0, 1), delay = each(3 ms)
    connect again = first -> first: one_to_one, weight = each(0.2), delay = 2 ms
    connect straight = x -> hidden: dense, weight = 0.05
    connect later = x -> hidden: dense, share = straight, delay = 2 ms
    connect back = hidden -> first: dense, share = first_hidden transposed, delay = 4 ms
    connect hidden -> output: dense, weight = normal(0, 1)

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, first.tau_m, first.theta, hidden.tau_syn, hidden_first.delay(in = [1 ms, 9 ms]), again.delay(in = [1 ms, 5 ms]), first_hidden.delay(in = [0 ms, 5 ms])
    optimiser = sgd(learning_rate = 1e-3)
"""
TWO = """
network Two:
    step = 1 ms
    population x: input[6]
    population hidden: ALIF[20](tau_m = 20 ms)
    population other: ALIF[9](tau_m = 10 ms, theta = 0.8)
    population output: LI[3]
    for k in hidden, other:
        connect x -> {k}: dense, weight = normal(0.2, 0.2)
        connect {k} -> output: dense, weight = normal(0, 0.3), sign = fixed
    connect hidden -> other: dense, weight = normal(-0.1, 0.1), delay = 2 ms

train:
    rule = eprop(feedback = symmetric)
    loss = mean(cross_entropy(output.v))
    optimiser = adamw(learning_rate = 1e-1)  # a sign would change without `sign = fixed`
    learn = weights, hidden.bias, other.bias
"""
LAYERS = """
network Layers:
    step = 1 ms
    population x: input[6]
    population first: LIF[20](theta = 0.8)
    population hidden: ALIF[9]
    population output: LI[3](tau_m = 10 ms)
    connect x -> first: dense, weight = normal(0, 1)
    connect later = x -> first: dense, share = x_first, delay = 3 ms
    connect first -> hidden: dense, weight = normal(0, 1), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 1), delay = 1 ms

train:
    rule = eprop(feedback = adaptive)
    loss = mean(cross_entropy(output.v))
    penalty = firing_rate(first, target = 20 Hz, strength = 1e-5), firing_rate(hidden, target = 5 Hz, strength = 1e-5, over = batch)
    learn = weights, first.tau_m, hidden.bias
    optimiser = sgd(learning_rate = 1e-2, momentum = 0.9, nesterov = 1)
"""
REFRACTORY = """
neuron Tired:
    param tau_m = 20 ms
    param theta = 0.7
    state v = 0
    input I
    dv/dt = -v / tau_m + I
    spike when v > theta:
        v = 0
    refractory 3 ms hold v
    surrogate fast_sigmoid(slope = 2)
"""
SYNAPSES = """
synapse shunt:
    "A conductance in plain numbers, per ms."
    param tau = 5 ms
    param reversal = 2
    state g = 0 /ms
    dg/dt = -g / tau
    on pre: g += weight
    deliver g * (reversal - post.v)

synapse graded:
    deliver weight * pre.v

synapse saturating:
    param tau = 8 ms
    state s = 0.05
    ds/dt = -s / tau
    on pre: s += 0.3 * (1 - s)
    deliver weight * s * (1.5 - post.v)

synapse opening:
    param tau = 8 ms
    state s = 0
    ds/dt = -s / tau
    on pre: s += 0.3 * (1 - s)
    deliver weight * s

synapse clipped:
    param tau = 6 ms
    param most = 1.5
    state g = 0
    dg/dt = -g * (1 + 0.2 * tanh(post.v)) / tau
    on pre: g += weight * (most - tanh(g))
    deliver g * (1.2 - tanh(post.v)) / (20 ms)

network Synaptic:
    step = 1 ms
    population x: input[6]
    population first: LIF[20](theta = 0.5)
    population hidden: LIF[37](theta = 0.4)
    population output: LI[3](tau_m = 10 ms)
    connect x -> first: dense, weight = normal(0, 0.3 /ms), synapse = tsodyks_markram(tau = 4 ms, tau_rec = 30 ms)
    connect first -> hidden: dense, weight = normal(0.1 /ms, 0.1 /ms), delay = 2 ms,
        synapse = tsodyks_markram(tau_rec = 30 ms, tau_facil = 20 ms)
    connect drawn = hidden -> first: random(p = 0.3), weight = normal(0, 0.1 /ms), delay = uniform(1 ms, 6 ms),
        synapse = tsodyks_markram(tau_rec = 50 ms)
    connect slow = first -> first: dense(self = false), weight = normal(0, 0.05 /ms), delay = 1 ms, synapse = saturating()
    connect junction = first -> first: one_to_one, weight = each(0.1 /ms), delay = each(2.7 ms), synapse = gap_junction()
    connect mesh = hidden -> first: random(p = 0.3), weight = normal(0, 0.1 /ms), synapse = graded(), delay = uniform(1 ms, 4 ms)
    connect late = x -> hidden: dense, weight = normal(0, 0.2 /ms), delay = uniform(0 ms, 3 ms) in [0 ms, 5 ms],
        synapse = opening()
    connect hidden -> output: dense, weight = normal(0, 0.3 /ms), synapse = graded()
    connect shunting = first -> hidden: dense, weight = normal(0.1 /ms, 0.1 /ms), synapse = shunt()
    connect current = hidden -> output: dense, weight = normal(0, 0.3 /ms), synapse = alpha(tau = 4 ms)
    connect own = x -> first: dense, weight = normal(0, 0.1), delay = uniform(0 ms, 3 ms), synapse = clipped(most = uniform(1, 2))
    connect tied = x -> first: dense, share = own, synapse = clipped()
    connect each = first -> first: one_to_one, weight = each(0.1), delay = 2 ms, synapse = clipped()
    connect few = first -> hidden: random(fan_in = 2), weight = normal(0, 0.1), delay = 1 ms, synapse = clipped()
    connect plastic = x -> first: dense, weight = normal(0, 0.1), delay = 2 ms, plasticity = stdp(a_plus = 0.1, a_minus = 0.2)
    connect moved = first -> hidden: random(fan_in = 2), weight = normal(0, 0.1), delay = 1 ms, plasticity = stdp(w_max = 0.3, a_plus = 0.2)
    connect first -> output: dense, weight = normal(0, 0.3 /ms), synapse = tsodyks_markram(tau_rec = 40 ms)
    connect various = x -> output: dense, weight = normal(0, 0.3 /ms), synapse = dual_exponential(tau_decay = uniform(3 ms, 8 ms))

train:
    rule = bptt
    loss = mean(cross_entropy(output.v))
    learn = weights, first_hidden.use, first_hidden.tau_rec, slow.tau, own.tau, own.most, each.most, moved.plasticity.a_plus, plastic.plasticity.tau_minus, shunting.tau, current.tau, first.tau_m,
        junction.delay(in = [1 ms, 5 ms]), late.delay, initial(first.v), initial(hidden.v)
    optimiser = adam(learning_rate = 1e-3)
"""
TIMED = """
neuron Two:
    param tau_m = 20 ms
    param tau_i = 3 ms
    param theta = 0.7
    state v = 0
    state i = 0
    input I
    input J
    dv/dt = (i - v) / tau_m + J
    di/dt = -i / tau_i + I
    spike when v > theta:
        v = 0.1 * v
    refractory 2 ms hold v

network Timed:
    step = 1 ms
    population x: input[6]
    population first: Two[37](theta = each(0.7))
    population hidden: CubaLIF[20](theta = 0.6)
    population output: CubaLIF[3](theta = 0.4)
    connect x -> first.I: dense, weight = normal(0, 1)
    connect straight = x -> first.J: dense, weight = normal(0, 1)
    connect first -> hidden: dense, weight = normal(0, 1), delay = 2 ms
    connect hidden -> first.I: dense, weight = normal(0, 1), delay = 3 ms
    connect again = first -> first.I: one_to_one, weight = each(0.2), delay = 2 ms
    connect hidden -> output: dense, weight = normal(0, 1), delay = 1 ms

train:
    rule = eventprop
    loss = cross_entropy(-first_spike(output) / (5 ms)) + cross_entropy(mean(output.v)) + cross_entropy(max(output.v)) + mean(cross_entropy(output.v / 0.3))
    learn = weights, first.tau_m, first.theta, hidden.tau_syn, output.theta, first_hidden.delay, hidden_output.delay
    optimiser = sgd(learning_rate = 1e-3)
"""
NOISY = """
neuron Noisy:
    param tau_m = 15 ms
    param sigma = 0.05
    state v = 0
    input I
    dv/dt = -v / tau_m + I + sigma * noise * sqrt(2 / tau_m)
    spike when v > 0.5:
        v -= 0.5 + uniform(0, 0.1)
    surrogate triangle(width = 0.5, height = 0.6)

network Noise:
    step = 1 ms
    population x: input[6]
    population hidden: Noisy[20]
    population background: poisson[70](rate = 15 Hz)
    population busy: poisson[3](rate = 1.2 kHz)
    population other: Noisy[5](tau_m = 10 ms)
    population output: LI[3](tau_m = 10 ms)
    for k in hidden, other:
        connect x -> {k}: dense, weight = normal(0, 1)
        connect {k} -> output: dense, weight = normal(0, 1)
    connect background -> hidden: dense, weight = normal(0, 0.2)
    connect busy -> other: dense, weight = normal(0, 0.2)
    connect hidden -> other: dense, weight = normal(0, 1), delay = 2 ms

train:
    rule = bptt
    loss = cross_entropy(mean(output.v))
    learn = weights, hidden.tau_m
    optimiser = adam(learning_rate = 1e-2)
"""
VOLTS = """
neuron Volts:
    param tau_m = 10 ms
    state v = 0 mV
    input I
    dv/dt = -v / tau_m + I
"""
# written out and with a unit, a target for every step
TARGETS = (
    recurrent(
        "LIF", VOLTS,
        loss="mean((output.v / (2 mV) - label)^2 + exp(-output.v / (9 mV)), from = 3 ms) + 0.3 * mean(huber(output.v / (1 mV)))",
    )
    .replace("LI[3](tau_m = 10 ms)", "Volts[3]")
    .replace("output: dense, weight = normal(0, 1)", "output: dense, weight = normal(0 mV, 1 mV)")
)  # fmt: skip
EVERYTHING = "weights, hidden.tau_m, hidden.theta, output.bias"
NETWORKS = {
    "an ALIF under e-prop": recurrent("ALIF", learn=EVERYTHING, size=33),
    "unknown neurons, one refractory": recurrent(
        "Curious", UNKNOWN + REFRACTORY, rule="bptt", learn=f"{EVERYTHING}, tired.tau_m, tired.theta"
    ).replace(
        "    population output",
        "    population tired: Tired[5]\n    connect x -> tired: dense, weight = normal(0, 1)\n"
        "    connect tired -> tired: dense, weight = normal(0, 1), delay = 1 ms\n"
        "    connect tired -> output: dense, weight = normal(0, 1)\n    population output",
    ),
    "layers, delays, a signal": DEEP,
    "merged populations": TWO,
    "states of synapses, of their targets, their sources and their own": SYNAPSES,
    "targets": TARGETS,
    "spike times under eventprop": TIMED,
    "e-prop by adaptive feedback, with penalties": LAYERS,
    "bptt cut into windows, a sum of losses": recurrent(
        "ALIF", rule="bptt(truncate = 9 ms)", learn="weights, initial(hidden.v)", size=17,
        loss="mean(cross_entropy(output.v, smoothing = 0.1, weights = [0.5, 3, 1])) + 0.5 * cross_entropy(max(output.v))"
        " + 0.02 * mean(hidden.v^2) - 0.1 * (last(hidden.a) - 0.5)^2",
        penalty="firing_rate(hidden, target = 30 Hz, strength = 1e-5)",
    ),
}  # fmt: skip


ONLINE = {
    "a loss at every step": recurrent("ALIF", rule="eprop(online = true)", learn="weights, hidden.tau_m, output.bias", size=17,
        loss="mean(cross_entropy(output.v, weights = [0.5, 3, 1]))",
        penalty="firing_rate(hidden, target = 9 Hz, strength = 1e-4), firing_rate(hidden, target = 30 Hz, strength = 1e-4, over = batch)",
    ).replace(
        "x -> hidden: dense, weight = normal(0, 1)",
        "x -> hidden: dense, weight = normal(0 kHz, 1 kHz), synapse = tsodyks_markram(tau_rec = 40 ms)",
    ),
    "a loss at the end": recurrent(
        "CubaLIF", rule="eprop(online = true, feedback = random)", loss="mse(mean(output.v, from = 5 ms))", size=9,
        penalty="firing_rate(hidden, target = 9 Hz, strength = 1e-4, over = batch)",
    ).replace("weight = normal(0, 1)\n\ntrain", "weight = normal(0, 1), delay = uniform(0 ms, 4 ms)\n\ntrain")
    .replace("LI[3](tau_m = 10 ms)", "LI[3](tau_m = each(10 ms))").replace(": dense", ": random(p = 0.6)"),  # no number of traces is known
}  # fmt: skip
