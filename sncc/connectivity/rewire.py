"""Which synapses take the place of dormant ones: the reference of every engine.

Deep R: Bellec, Kappel, Maass and Legenstein 2018.

After step k of the optimiser (k from 1) dormant synapse d = 0, 1, ... of a connection, in the order of its synapses,
moves to another pair of neurons. Attempt a = 0, 1, ... takes words 0 and 1 of the Philox counter (stream, d, a, k) with
the stream of the connection's name and "rewiring": source number (U0 · ns) div 2^32 of the source's part, target number
(U1 · nt) div 2^32 of the target's. `random(fan_in = …)` keeps the target, `random(fan_out = …)` the source. An attempt
fails where it meets a neuron with itself under `self = false`, and, unless the pattern `repeats`, where that pair has a
synapse: one that stays, or one that has moved already. So the pairs of dormant synapses are free again, and there
always is one. Afterwards synapses are sorted by source, then target; of equal pairs those that stayed stand first.
"""

from __future__ import annotations

import numpy as np

from sncc.connectivity.build import indices
from sncc.connectivity.patterns import Part, Pattern, Random
from sncc.connectivity.philox import philox


def rewire(
    pattern: Pattern, source: Part, target: Part, pre: np.ndarray, post: np.ndarray,
    dormant: np.ndarray, stream: int, seed: int, step: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """The synapses after a step: source and target of each (flat indices),
    and which of the former it is, all (synapses,).

    `pre`, `post`: those before, sorted; `dormant`: whether each gives way, (synapses,). Raises ValueError where a pair
    stands twice and the pattern does not repeat pairs.
    """
    keeps = pattern.kind if isinstance(pattern, Random) else ""
    repeats = isinstance(pattern, Random) and pattern.repeats
    apart = not getattr(pattern, "self_connections", True)
    sources, targets = indices(source), indices(target)
    pre, post = np.array(pre), np.array(post)
    if not repeats and len(np.unique(np.stack([pre, post]), axis=1).T) < len(pre):
        raise ValueError("a connection that is rewired has each pair once")
    taken = set() if repeats else set(zip(pre[~dormant].tolist(), post[~dormant].tolist(), strict=True))
    for d, k in enumerate(np.flatnonzero(dormant)):
        attempt = 0
        while True:
            words = philox(seed, stream, d, attempt, step)
            i = int(pre[k]) if keeps == "fan_out" else int(sources[int(words[0]) * len(sources) >> 32])
            j = int(post[k]) if keeps == "fan_in" else int(targets[int(words[1]) * len(targets) >> 32])
            if not (apart and i == j) and (i, j) not in taken:
                break
            attempt += 1
        pre[k], post[k] = i, j
        if not repeats:
            taken.add((i, j))
    order = np.lexsort((dormant, post, pre))
    return pre[order], post[order], order
