"""Data sets by a short description, as in `sncc train FILE --data digits:coding=latency,steps=50`."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from sncc.data.splits import DataSet

__all__ = ["ADAPTERS", "DataSet", "check_description", "load_data"]

# by name: the module with the function of that name, and whether the description says where the data are
ADAPTERS = {
    "digits": ("sncc.data.digits", False),
    "yin_yang": ("sncc.data.yin_yang", False),
    "npz": ("sncc.data.npz", True),
    "nmnist": ("sncc.data.tonic", True),
    "shd": ("sncc.data.tonic", True),
    "dvsgesture": ("sncc.data.tonic", True),
}

_OPTIONS = re.compile(r"[A-Za-z]\w*=[^,:]*(,[A-Za-z]\w*=[^,:]*)*")


def load_data(spec: str, step: float, target: tuple[int, ...] | None = None) -> DataSet:
    """The data set of a description NAME[:PATH][:OPTION=VALUE,…], in steps of `step` seconds.

    Names: digits, yin_yang, npz, nmnist, shd, dvsgesture; the options are the arguments of the functions of that name.
    `target`: the shape of the network's source, which an event camera's images are reduced to where the options say
    nothing else. Raises ValueError for an unknown name, option or value, FileNotFoundError for missing files.
    """
    function, path, arguments = _parsed(spec)
    if "target" in inspect.signature(function).parameters:
        arguments["target"] = target
    return function(path, step, **arguments) if path is not None else function(step, **arguments)


def check_description(spec: str) -> str | None:
    """The path of a description, looked at before a network is built for the data. Raises as `load_data`."""
    function, path, arguments = _parsed(spec)
    if path is not None and not os.path.exists(path):
        function(path, 1.0, **arguments)  # which says what belongs there
    return path


def _parsed(spec: str) -> tuple[Callable[..., DataSet], str | None, dict[str, Any]]:
    """The function, the path where it takes one, and the options."""
    name, _, rest = spec.partition(":")
    if name not in ADAPTERS:
        close = get_close_matches(name, ADAPTERS, 1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(ADAPTERS)}"
        if name.endswith(".npz"):
            hint = f"a file of arrays is `npz:{spec}`"
        raise ValueError(f"no data set `{name}`; {hint}")
    module, has_path = ADAPTERS[name]
    path, options = _split(rest) if has_path else ("", rest)
    if has_path and not path:
        raise ValueError(f"`{name}` needs a path: {name}:PATH")
    function = getattr(import_module(module), name)
    arguments = _arguments(name, function, options)
    return function, path if has_path else None, arguments


def _split(rest: str) -> tuple[str, str]:
    """Path and options; a colon in a path is kept. Raises ValueError where what stands behind a path are no options."""
    if os.path.exists(rest):
        return rest, ""
    path, colon, options = rest.rpartition(":")
    if colon and _OPTIONS.fullmatch(options) and (os.path.exists(path) or ":" not in path):
        return path, options
    for place in (k for k, letter in enumerate(rest) if letter == ":" and os.path.exists(rest[:k])):
        raise ValueError(
            f"`{rest[place + 1 :]}`: options behind a path are NAME=VALUE, joined by commas, such as `{rest[:place]}:steps=100`"
        )
    return (path, options) if colon and _OPTIONS.fullmatch(options) else (rest, "")


def _arguments(name: str, function: Callable[..., DataSet], options: str) -> dict[str, Any]:
    """The options' values, of the types of the function's defaults."""
    given = (p for p in inspect.signature(function).parameters.values() if p.kind is not p.KEYWORD_ONLY)
    defaults = {p.name: p.default for p in given if p.default is not p.empty}
    arguments: dict[str, Any] = {}
    for option in options.split(",") if options else ():
        key, equals, text = option.partition("=")
        if not equals or key not in defaults:
            raise ValueError(f"`{name}` has no option `{option}`; it has {', '.join(f'{k}=…' for k in defaults)}")
        if key in arguments:
            raise ValueError(f"`{key}` is given twice: {options}")
        kind = type(defaults[key])
        try:
            arguments[key] = kind(text)
        except ValueError:
            raise ValueError(
                f"`{key}` of `{name}` is {'a whole number' if kind is int else 'a number'}, not `{text}`"
            ) from None
    return arguments
