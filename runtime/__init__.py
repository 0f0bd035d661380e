"""The binding of a compiled network: loads the library through ctypes; needs NumPy and nothing of the compiler.

`load` gives a `Network`; `Events` are its data. This package is copied into every emitted project as it is.
"""

from .callbacks import Checkpoint, EarlyStopping
from .events import Events
from .network import Network, load
from .recording import Run, Spikes

__all__ = ["Checkpoint", "EarlyStopping", "Events", "Network", "Run", "Spikes", "load"]
