"""Sparse connectivity: pairs handed over to the library, and how many synapses it has built."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import c_int64
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import check_mapping, neuron_indices
from .library import Library, pointer
from .manifest import Manifest

Pairs = tuple[ArrayLike, ArrayLike]


def connect(library: Library, manifest: Manifest, given: Mapping[str, Pairs] | None) -> None:
    """Hands over the pairs of every `sparse` connection.

    Raises ValueError where some are missing, for connections that take none, and for indices out of range.
    """
    wanted = {c.name: c for c in manifest.connections if c.pairs}
    given = check_mapping("connections", given, "{'events_hidden': (pre, post)}")
    for name in given:
        if name not in wanted:
            raise ValueError(f"`{name}` is no `sparse` connection; there are {', '.join(wanted) or 'none'}")
    if missing := [name for name in wanted if name not in given]:
        raise ValueError(
            f"the connection `{missing[0]}` is `sparse`: load(…, connections={{'{missing[0]}': (pre, post)}}) hands it over"
        )
    sizes = {s.name: s.size for s in manifest.sources} | {p.name: p.size for p in manifest.populations}
    for name, pairs in given.items():
        c = wanted[name]
        if not isinstance(pairs, (tuple, list)) or len(pairs) != 2:
            raise ValueError(f"`{name}`: a pair (pre, post) of index arrays is needed")
        pre = _indices(f"`{name}`: pre", pairs[0], sizes[c.pre])
        post = _indices(f"`{name}`: post", pairs[1], sizes[c.post])
        if len(pre) != len(post):
            raise ValueError(f"`{name}`: {len(pre)} sources and {len(post)} targets")
        library.call("connect", c.index, pointer(pre, c_int64), pointer(post, c_int64), len(pre))


def with_sizes(library: Library, manifest: Manifest) -> Manifest:
    """Builds the network, and tells how many synapses each parameter, and each state of synapses, has a number for."""
    library.call("build")
    parameters = tuple(
        p if -1 not in p.shape else replace(p, shape=(library.get_count("parameter_size", p.index),))
        for p in manifest.parameters
    )
    connections = []
    for c in manifest.connections:
        counts = {s.counted: library.get_count("synapse_count", s.counted) for s in c.states if s.size < 0}
        states = tuple(s if s.size >= 0 else replace(s, size=counts[s.counted]) for s in c.states)
        connections.append(replace(c, states=states))
    return replace(manifest, parameters=parameters, connections=tuple(connections))


def _indices(what: str, given: ArrayLike, size: int) -> NDArray[np.int64]:
    return np.ascontiguousarray(neuron_indices(what, given, size), np.int64)
