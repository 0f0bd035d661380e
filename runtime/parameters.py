"""The parameters of a network, as copies in SI units."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import finite_array
from .library import Library
from .manifest import Manifest, Parameter


class SynapseValues(NDArray[np.float64] if TYPE_CHECKING else np.ndarray):  # type: ignore[misc]
    """One number per synapse, sorted by source, then target, or one for all; `pre` and `post`: their flat indices."""

    _indices: Callable[[], tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None

    def __array_finalize__(self, source: Any) -> None:
        """Views of the whole keep the indices; parts have none."""
        if getattr(source, "shape", None) == self.shape:
            self._indices = getattr(source, "_indices", None)

    @property
    def pre(self) -> NDArray[np.int64]:
        """Flat index of each synapse's source neuron, (synapses,)."""
        return self._pairs()[0]

    @property
    def post(self) -> NDArray[np.int64]:
        """Flat index of each synapse's target neuron, (synapses,)."""
        return self._pairs()[1]

    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if self._indices is None:
            raise AttributeError("only the whole array of a parameter has `pre` and `post`")
        return self._indices()


class Parameters(Mapping[str, NDArray[np.float64]]):
    """A mapping from keys such as `hidden_output.weight` to arrays.

    Getting gives a fresh read-only array, setting copies in. Only stored parameters can be set.
    """

    def __init__(self, library: Library, manifest: Manifest) -> None:
        """The parameters of a loaded network."""
        self._library = library
        self._all = {p.key: p for p in manifest.parameters}
        self._connections = {c.name: c.index for c in manifest.connections}
        self._common = {f"{c.name}.weight": c.name for c in manifest.connections if c.sparse}  # one number, many pairs
        self._delays = {f"{c.name}.delay" for c in manifest.connections}
        self._rewired = {c.name for c in manifest.connections if c.rewired}
        self._owners = {f"{c.name}.weight": f"{c.shares}.weight" for c in manifest.connections if c.shares}

    def __len__(self) -> int:
        """The number of parameters."""
        return len(self._all)

    def __iter__(self) -> Iterator[str]:
        """The keys, in the network's order."""
        return iter(self._all)

    def __getitem__(self, key: str) -> NDArray[np.float64]:
        """A copy of the values, in SI units; 0-dimensional where there is one number. Raises KeyError."""
        parameter = self._find(key)
        values = self._library.get("get_parameter", parameter.shape, parameter.index)
        connection = parameter.connection or (None if parameter.shape else self._common.get(parameter.key))
        if connection is not None:
            index = self._connections[connection]
            per_synapse: Any = values.view(SynapseValues)
            per_synapse._indices = lambda: self._library.synapses(index)
            if connection in self._rewired:  # the synapses of these values, wherever training moves them
                pairs = self._library.synapses(index)
                per_synapse._indices = lambda: pairs
            values = per_synapse
        values.flags.writeable = False
        return values

    def __setitem__(self, key: str, value: ArrayLike) -> None:
        """Copies values in, of exactly the parameter's shape, in SI units.

        Raises ValueError for a parameter that is compiled in or stored nowhere, another shape, numbers that are not
        finite or out of bounds, or a 0 by which an equation divides; KeyError for an unknown key. Warns of a time
        constant below zero.
        """
        parameter = self._find(key)
        if parameter.storage == "compiled":
            raise ValueError(_compiled(parameter, key in self._delays))
        if parameter.storage == "made":
            raise ValueError(_made(parameter))
        values = finite_array(f"`{key}`", value, parameter.largest)
        if values.shape != parameter.shape:
            raise ValueError(f"`{key}` has the shape {parameter.shape}, not {values.shape}; nothing is broadcast")
        if key in self._delays and values.min(initial=0) < 0:
            raise ValueError(f"`{key}`: a delay cannot be negative")
        check_numbers(parameter, values)
        self._library.set("set_parameter", values, parameter.index)

    def describe(self, key: str) -> Parameter:
        """Shape, unit, storage, bounds and documentation of a parameter. Raises KeyError."""
        return self._find(key)

    def __repr__(self) -> str:
        """Keys with their shapes."""
        return "Parameters(" + ", ".join(f"{p.key} {p.shape}" for p in self._all.values()) + ")"

    def _find(self, key: str) -> Parameter:
        try:
            return self._all[key]
        except (KeyError, TypeError):
            if owner := self._owners.get(str(key)):
                raise KeyError(f"no parameter `{key}`: these weights are shared, and kept as `{owner}`") from None
            close = get_close_matches(str(key), self._all, 1)
            hint = f"; did you mean `{close[0]}`?" if close else f"; there are {', '.join(self._all)}"
            raise KeyError(f"no parameter `{key}`{hint}") from None


def check_numbers(parameter: Parameter, values: NDArray[np.float64]) -> None:
    """Raises ValueError where values leave the bounds, roundings of single precision aside,
    or an equation divides by zero.

    Warns of time constants below zero, which turn decay into growth.
    """
    if parameter.divisor and np.any(values == 0):
        raise ValueError(f"`{parameter.key}` cannot be 0{_first(values == 0)}: an equation divides by it")
    if parameter.bounds is not None and values.size:
        _check_bounds(parameter, values, *parameter.bounds)
    if parameter.divisor == "time" and np.any(values < 0):
        message = f"`{parameter.key}` is below zero{_first(values < 0)}: what would decay with this time constant grows"
        warnings.warn(message, stacklevel=3)


def _check_bounds(parameter: Parameter, values: NDArray[np.float64], low: float, high: float) -> None:
    slack = [1e-6 * abs(b) if np.isfinite(b) else 0.0 for b in (low, high)]
    if parameter.bounds == (0.0, np.inf) and values.min() < 0:
        raise ValueError(f"`{parameter.key}` cannot be negative{_first(values < 0)}")
    if values.min() < low - slack[0] or values.max() > high + slack[1]:
        raise ValueError(
            f"`{parameter.key}` is bound in [{low:g}, {high:g}], values are from {values.min():g} to {values.max():g}"
        )


def _first(where: NDArray[np.bool_]) -> str:
    """The first place among several numbers."""
    return f", as it is at {', '.join(map(str, np.argwhere(where)[0]))}" if where.ndim else ""


def _compiled(parameter: Parameter, is_delay: bool) -> str:
    owner, _, name = parameter.key.rpartition(".")
    if is_delay:
        remedy = "give it as `delay = each(…)`, or name it in `learn`"
    elif name == "initial":
        remedy = f"give it as `{owner.rpartition('.')[2]} = each(…)`, or name it in `learn`"
    else:
        remedy = f"declare `param {name} = … adjustable`, name it in `learn`, or give it as `each(…)`"
    return f"`{parameter.key}` is a number compiled into the library, so it cannot be set; to have it stored, {remedy}, and build again"


def _made(parameter: Parameter) -> str:
    return (
        f"`{parameter.key}` is stored nowhere but drawn again whenever a source spikes (`stored = false`), so it cannot "
        f"be set; leave `stored = false` out of the connection `{parameter.connection}`, and build again"
    )
