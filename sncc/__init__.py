"""sncc: compiles spiking neural networks, written as equations, to standalone C++ and CUDA projects.

`build` compiles, `load` loads what was built, `check` and `explain` report; `Events` are the data. All of it is
imported on first use: loading a network needs no compiler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sncc.compiler import build, check, explain
    from sncc.runtime import Events, Network, load

__version__ = "0.1.0"
__all__ = ["Events", "Network", "__version__", "build", "check", "explain", "load"]

_HOMES = {
    "build": "sncc.compiler",
    "check": "sncc.compiler",
    "explain": "sncc.compiler",
    "Events": "sncc.runtime",
    "Network": "sncc.runtime",
    "load": "sncc.runtime",
}


def __getattr__(name: str) -> Any:
    """Imports a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module `sncc` has no attribute `{name}`")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
