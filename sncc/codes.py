"""Every code of a diagnostic with what it means and how it is done right: the source of `docs/errors.md`.

A wrong program for each stands in `tests/invalid/<code>.snn`. `right` is a piece of a file; a test puts it into the
frame named by `frame` and checks that nothing is wrong with it. A new code needs an entry here and a wrong program
there; then `python docs/errors.py > docs/errors.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_NETWORK = """network N:
    step = 1 ms
    population x: input[4]
    population y: LI[3]
    connect x -> y: dense, weight = 1
"""
FRAMES: dict[str, tuple[str, str]] = {  # what stands before and behind a piece
    "file": ("", ""),
    "definition": ("", "\n" + _NETWORK),
    "neuron": ("neuron A:\n", "\n" + _NETWORK.replace("y: LI", "y: A")),
    "network": (_NETWORK, ""),
    "train": (_NETWORK + "\ntrain:\n", ""),
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code means; `right` is a piece of a file in its frame, or a command."""

    meaning: str
    right: str
    frame: Literal["file", "definition", "neuron", "network", "train", "command"] = "file"


def _(
    meaning: str, right: str, frame: Literal["file", "definition", "neuron", "network", "train", "command"]
) -> Explanation:
    return Explanation(" ".join(meaning.split()), right.strip("\n"), frame)


EXPLANATIONS: dict[str, Explanation] = {
    "ambiguous-input": _(
        "The neuron names several inputs, so a connection must say which one it delivers to: behind the population, after a dot.",
        """
neuron A:
    state v = 0
    input excitation
    input inhibition
    dv/dt = -v / (20 ms) + excitation - inhibition

network N:
    step = 1 ms
    population x: input[2]
    population a: A[2]
    connect up = x -> a.excitation: dense, weight = 1
    connect down = x -> a.inhibition: dense, weight = 1
""", "file"),
    "cannot-learn": _(
        "A warning: something is to be learnt, but nothing leads from it to what the loss reads, so its gradient is always zero. "
        "Connect it, or leave it out of `learn`. An error where it is the rate of a `poisson` population, by which spikes are drawn: "
        "a draw is a constant for the gradient.",
        """
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = adam(learning_rate = 1e-3)
    learn = x_y.weight
""", "train"),
    "cycle-without-delay": _(
        "A spike would have to reach its own neuron within the step in which it is emitted. One connection of every cycle of "
        "several populations states a delay; a population's connection to itself has one step by default.",
        """
    population a: LIF[2]
    population b: LIF[2]
    connect x -> a: dense, weight = 1
    connect a -> b: dense, weight = 1
    connect b -> a: dense, weight = 1, delay = 1 ms
""", "network"),
    "delay-too-short": _(
        "The delay rounds to fewer steps than the connection needs: one, where it closes a cycle.",
        """
    population a: LIF[2]
    connect x -> a: dense, weight = 1
    connect a -> a: dense, weight = 1, delay = 1 ms
""", "network"),
    "duplicate": _(
        "A name is defined twice, or a statement that a block may hold once stands there again. Two connections between the same "
        "populations need names: `connect NAME = a -> b: …`.",
        """
    connect second = x -> y: dense, weight = 0.5
""", "network"),
    "empty-file": _(
        "There is nothing to compile: the file is empty or holds comments alone.",
        """
network N:
    step = 1 ms
    population x: input[4]
    population y: LI[3]
    connect x -> y: dense, weight = 1
""", "file"),
    "fixed-threshold": _(
        "A threshold that no state can reach, or that a spike's own jumps leave crossed, is most likely a slip.",
        """
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1: reset v = 0
""", "neuron"),
    "folder-in-use": _(
        "`sncc build --out` writes only into an empty folder, a new one, or one that holds a project of sncc.",
        "sncc build network.snn --out build/network", "command"),
    "impulse": _(
        "A spike without a synapse is an impulse: it jumps the state whose equation holds the input, by the weight. That has a "
        "meaning only where the input is added in the equation, with a factor free of states. Else give the neuron a state that "
        "takes the impulse up.",
        """
    state v = 0
    state g = 0
    input I
    dg/dt = -g / (5 ms) + I
    dv/dt = -v / (20 ms) + v * g / (1 ms)
""", "neuron"),
    "misplaced": _(
        "The statement or word is right, but not here; the message says where it belongs.",
        """
    param a = 0.5 adjustable
    state v = 0
    input I
    dv/dt = -a * v / (20 ms) + I
""", "neuron"),
    "missing-deliver": _(
        "A synapse with states says what its target receives of them: `deliver`, all the time.",
        """
synapse decaying:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight
    deliver g / (1 ms)
""", "definition"),
    "missing-network": _(
        "A file that is compiled has a `network`. Files with models alone are for `import`.",
        """
network N:
    step = 1 ms
    population x: input[4]
    population y: LI[3]
    connect x -> y: dense, weight = 1
""", "file"),
    "missing-setting": _(
        "A `train` block needs `rule`, `loss` and `optimiser`, a `simulate` block `duration`.",
        """
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = adam(learning_rate = 1e-3)
""", "train"),
    "missing-spike": _(
        "`surrogate` is the derivative of a spike and `refractory` counts from one: both need a `spike when`.",
        """
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        reset v -= 1
    surrogate triangle(width = 1, height = 0.3)
""", "neuron"),
    "missing-step": _(
        "A network states the length of its time step.",
        """
network N:
    step = 1 ms
    population x: input[4]
    population y: LI[3]
    connect x -> y: dense, weight = 1
""", "file"),
    "missing-surrogate": _(
        "`eprop` and `bptt` differentiate spikes by a surrogate, so every neuron through which they send gradients has one.",
        """
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > 1:
        reset v -= 1
    surrogate triangle(width = 1, height = 0.3)
""", "neuron"),
    "missing-weight": _(
        "A connection states its weight: a number, a distribution, or `each(VALUE)`.",
        """
    connect other = x -> y: dense, weight = normal(0, 1 / sqrt(fan_in))
""", "network"),
    "native-build-failed": _(
        "The C++ or CUDA compiler, or CMake, ended with an error. The message holds what it said, and where the whole of it is.",
        "sncc doctor", "command"),
    "negative-time-constant": _(
        "A warning: an equation divides by a time below zero, or by one that may be drawn so; what would decay with it grows without "
        "bound. A time constant of 0 is an error.",
        """
    population a: LIF[3](tau_m = normal(20 ms, 5 ms, clip = [5 ms, 50 ms]))
    connect x -> a: dense, weight = 1
""", "network"),
    "no-cmake": _("The library is built by CMake, 3.20 or newer.", "pip install cmake", "command"),
    "no-compiler": _("The library is built by a C++17 compiler; `CXX` may name one.", "sudo apt install g++", "command"),
    "no-event-times": _(
        "`eventprop` differentiates the times at which equations cross a threshold. A map each step and random numbers have no such "
        "times, and a modulator that follows spikes is there for no time; and the other rules, which differentiate whether a neuron fires, cannot learn from when it does.",
        """
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = adam(learning_rate = 1e-3)
""", "train"),
    "no-learning-signal": _(
        "`eprop(feedback = symmetric)` sends an error back through the weights of the connection that leads straight to the loss's "
        "population. A population without such a connection needs one, or `rule = bptt`.",
        """
    rule = bptt
    loss = cross_entropy(mean(y.v))
    optimiser = adam(learning_rate = 1e-3)
""", "train"),
    "no-nvcc": _(
        "The backend `cuda` is built by nvcc, of the CUDA toolkit; `CUDACXX` may name it. `cpu` needs none, and `--emit-only` "
        "writes the sources without building them.",
        "sncc build network.snn --backend cpu", "command"),
    "not-a-folder": _("`--out` names a file that is there already.", "sncc build network.snn --out build/network", "command"),
    "not-a-number": _(
        "A constant has no finite value: a division by zero, the root of a negative number, a product out of range. Or an equation "
        "divides by a parameter, such as a time constant, that is 0.",
        """
param a = 1 / 2
param b = sqrt(2)
""", "definition"),
    "not-constant": _(
        "A `param` is a number that is known when the file is compiled. What depends on states or other parameters of the neuron is "
        "a `let`.",
        """
    param theta = 1
    let width = 2 * theta
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
    spike when v > width
""", "neuron"),
    "not-supported-yet": _(
        "The language has this construct, this version of sncc does not compile it yet. The message names it.",
        """
network N:
    step = 1 ms
    population exc: LIF[1000]
    connect exc -> exc: random(p = 0.1), weight = 0.1, delay = 1 ms, synapse = saturating()

synapse saturating:
    state g = 0
    dg/dt = -g / (5 ms)
    on pre: g += weight * (1 - g)
    deliver g / (1 ms)
""", "file"),
    "not-text": _(
        "The file is not UTF-8, or holds control characters, or invisible ones outside strings and comments. Save it as UTF-8 text.",
        """
network N:
    "Größe, α, Ω: any letters will do."
    step = 1 ms
    population x: input[4]
    population y: LI[3]
    connect x -> y: dense, weight = 1
""", "file"),
    "recursion": _(
        "A function calls itself, straight or through others; or a file imports itself. Functions are substituted where they are "
        "called, so neither ends.",
        """
function g(x) = 2 * x
function f(x) = g(x) + 1
param a = f(1)
""", "definition"),
    "reserved": _(
        "The name means something in the language (`t`, `dt`, `pi`, `step`, `weight`, `pre`, `post`, `label`, `reset`, `noise`, "
        "functions, sources) and cannot be that of a model, population, connection, parameter or state.",
        """
param my_pi = 3
""", "definition"),
    "several-networks": _(
        "A file may hold several networks, but one is compiled.",
        """
network N:
    step = 1 ms
    population x: input[4]
    population y: LI[3]
    connect x -> y: dense, weight = 1
""", "file"),
    "shape-mismatch": _(
        "`one_to_one` connects the k-th neuron with the k-th one, so both populations have equally many.",
        """
    population z: LI[4]
    connect x -> z: one_to_one, weight = 1
""", "network"),
    "step-too-long": _(
        "A warning: the explicit method that the neuron chose is unstable or inexact with so long a step, or a state decays within less "
        "than a step. Leave `method` out where the equations are linear, take several steps in one, or shorten `step`.",
        """
    param tau_s = 0.2 ms
    state v = 0
    state s = 0
    input I
    dv/dt = (s - v) / (20 ms)
    ds/dt = -s / tau_s + I
    method = rk4(substeps = 10)
""", "neuron"),
    "syntax": _(
        "The text cannot be read; the caret stands where it went wrong. Several mistakes are reported in one run.",
        """
param x = (1 + 2) * 3
""", "definition"),
    "tab": _(
        "Blocks are indented with blanks, four a level; `sncc fmt` keeps to that.",
        """
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
""", "neuron"),
    "too-complex": _(
        "An expression is nested deeper than anything a person writes, or gets larger when functions and `let`s are put in. Name its parts.",
        """
    state v = 0
    input I
    let drive = 2 * (I + 3 / (1 ms))
    dv/dt = -v / (20 ms) + drive
""", "neuron"),
    "unconnected-input": _(
        "A warning: no connection leads to this population, so its input is always zero.",
        """
    population a: LIF[2]
    connect x -> a: dense, weight = 1
""", "network"),
    "unit-or-name": _(
        "A warning: a word behind a number is a unit, also where a state or parameter has that name. Multiply where the name is meant.",
        """
    state m = 0
    input I
    dm/dt = -(2 * m) / (20 ms) + I
""", "neuron"),
    "unknown-backend": _("There are `auto`, `cpu` and `cuda`.", "sncc build network.snn --backend auto", "command"),
    "unknown-model": _(
        "A population's model is a neuron of this file, of an imported one or of the standard library (`sncc models` lists it), or "
        "a source such as `input` and `signal`.",
        """
    population a: LIF[3]
    connect x -> a: dense, weight = 1
""", "network"),
    "unknown-name": _(
        "Nothing of this name is in scope: no state, parameter, `let` or input of the block, no `param` or function of the file.",
        """
    param tau_m = 20 ms
    state v = 0
    input I
    dv/dt = -v / tau_m + I
""", "neuron"),
    "unknown-setting": _(
        "`--set` names a `param` of the file, or a key of one of its blocks.",
        "sncc check network.snn --set hidden_size=64 --set train.rule=bptt", "command"),
    "unknown-statement": _(
        "The line begins with a word that begins no statement of its block.",
        """
neuron A:
    state v = 0
    input I
    dv/dt = -v / (20 ms) + I
""", "definition"),
    "unknown-unit": _(
        "The word behind a number is no unit. Units are those of the SI with their prefixes, `Hz`, `Ohm`, `mol/…`, and products, "
        "quotients and whole powers of them without blanks: `20 mV/s`, `1 uF/cm^2`.",
        """
param a = 20 ms
""", "definition"),
    "unreadable-file": _(
        "The file is not there or may not be read; an imported file is looked for beside the one that imports it.",
        "sncc check network.snn", "command"),
    "unused-state": _(
        "A warning: the state has an equation or jumps, but nothing depends on it.",
        """
    state v = 0
    state trace = 0
    input I
    dv/dt = -v / (20 ms) + I
    dtrace/dt = -trace / (20 ms)
    spike when v > 1 + trace:
        v = 0
        trace += 1
""", "neuron"),
    "wrong-argument": _(
        "A function, model, pattern or setting does not take this argument, takes another number of them, or wants another value. "
        "The message says what it takes.",
        """
    population a: LIF[3](tau_m = 10 ms)
    connect x -> a: dense, weight = normal(0, 1)
""", "network"),
    "wrong-shape": _(
        "A population's shape is one or several whole numbers above zero.",
        """
    population image: input[8, 8]
    connect image -> y: dense, weight = 1
""", "network"),
    "wrong-unit": _(
        "Units do not fit: a sum of different dimensions, a weight or an equation with another unit than its input or state has. The "
        "label says which part has which unit. Networks without units are fine; mixing is not.",
        """
neuron B:
    param R = 100 MOhm
    param E = -65 mV
    param drive = 0.1 nA
    state v = -65 mV
    input I
    dv/dt = (E - v + R * drive) / (20 ms) + I

network N:
    step = 1 ms
    population x: input[4]
    population b: B[3]
    connect x -> b: dense, weight = 2 mV
""", "file"),
    "zero-gradient": _(
        "A warning: `eventprop` follows spike times, and here they do not move, or only numbers of spikes are read, so the exact "
        "gradient is zero. An impulse fires a leaky neuron when it comes or never; a synaptic current makes the time depend on weights.",
        """
network N:
    step = 0.1 ms
    population x: input[4]
    population hidden: CubaLIF[8]
    population y: CubaLIF[3]
    connect x -> hidden: dense, weight = normal(2, 1)
    connect hidden -> y: dense, weight = normal(2, 1)

train:
    rule = eventprop
    loss = cross_entropy(-first_spike(y) / (5 ms))
    optimiser = adam(learning_rate = 1e-3)
""", "file"),
    "zero-over-zero": _(
        "A warning: a quotient such as x / (exp(x) - 1), the form of a channel's rates, is 0 / 0 where x is 0: a state that comes to just "
        "that value is no number afterwards, and near by the difference has few digits. `bernoulli(x)` is the quotient with its limit: "
        "c (v - E) / (1 - exp(-(v - E) / k)) is c k bernoulli(-(v - E) / k). `exprel(x)` is (exp(x) - 1) / x.",
        """
    state v = -65 mV
    state n = 0
    input I
    let opening = 0.1/ms * bernoulli(-(v + 55 mV) / (10 mV))
    let closing = 0.125/ms * exp(-(v + 65 mV) / (80 mV))
    dv/dt = (-65 mV + n * 20 mV - v) / (10 ms) + I * 1 mV
    dn/dt = opening * (1 - n) - closing * n
""", "neuron"),
}  # fmt: skip
