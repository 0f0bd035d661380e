"""Which neurons of two images the patterns `conv2d` and `pool2d` join; by the rules in `sncc/connectivity/build.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sncc.connectivity.patterns import Convolution, Part, Pooling


def _image(part: Part) -> tuple[int, int, int]:
    """(height, width, channels) of a part."""
    lengths = part.lengths
    if len(lengths) == 2:
        return lengths[0], lengths[1], 1
    if len(lengths) != 3:
        raise ValueError(f"{list(lengths)} is no image [y, x, channel]")
    return lengths[0], lengths[1], lengths[2]


def _reached(
    before: int, inputs: int, outputs: int, kernel: int, stride: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along one axis: (input position, output position, kernel position), sorted by input, then output."""
    y, out = (a.reshape(-1) for a in np.indices((inputs, outputs)))
    k = y + before - out * stride
    inside = (k >= 0) & (k < kernel)
    return y[inside], out[inside], k[inside]


def _windows(
    along_y: tuple[np.ndarray, ...], along_x: tuple[np.ndarray, ...], combine: Callable[..., tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...]:
    """Every pair of a row triple and a column triple, combined, sorted by source, then target."""
    a, b = (i.reshape(-1) for i in np.indices((len(along_y[0]), len(along_x[0]))))
    columns = combine(*(v[a] for v in along_y), *(v[b] for v in along_x))
    order = np.lexsort((columns[1], columns[0]))
    return tuple(column[order] for column in columns)


def convolution(pattern: Convolution, source: Part, target: Part) -> tuple[np.ndarray, ...]:
    """Source, target and element of the kernel of each synapse, each (synapses,), sorted by source, then target.

    Numbers count within the parts. Raises ValueError where a part is no image, or the target of another shape.
    """
    height, width, inputs = _image(source)
    rows, columns, outputs = _image(target)
    (kh, kw), (sy, sx), (py, px) = pattern.kernel, pattern.stride, pattern.padding
    expected = ((height + sum(py) - kh) // sy + 1, (width + sum(px) - kw) // sx + 1, pattern.channels)
    if (rows, columns, outputs) != expected:
        raise ValueError(f"{pattern} makes {list(expected)}, not {[rows, columns, outputs]}")

    def combine(
        y: np.ndarray, out_y: np.ndarray, ky: np.ndarray, x: np.ndarray, out_x: np.ndarray, kx: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        c, o = np.arange(inputs)[:, None], np.arange(outputs)[None, :]
        pre = ((y * width + x) * inputs)[:, None, None] + c
        post = ((out_y * columns + out_x) * outputs)[:, None, None] + o
        kernel = (((ky * kw + kx)[:, None, None] * inputs) + c) * outputs + o
        return tuple(v.reshape(-1) for v in np.broadcast_arrays(pre, post, kernel))

    return _windows(_reached(py[0], height, rows, kh, sy), _reached(px[0], width, columns, kw, sx), combine)


def pooling(pattern: Pooling, source: Part, target: Part) -> tuple[np.ndarray, ...]:
    """Source and target of each synapse, each (synapses,), sorted by source, then target.

    Numbers count within the parts. Raises ValueError where a part is no image, or the target of another shape.
    """
    height, width, channels = _image(source)
    (sh, sw), (sy, sx) = pattern.size, pattern.stride
    expected = ((height - sh) // sy + 1, (width - sw) // sx + 1, channels)
    if _image(target) != expected:
        raise ValueError(f"{pattern} makes {list(expected)}, not {list(_image(target))}")

    def combine(
        y: np.ndarray, out_y: np.ndarray, ky: np.ndarray, x: np.ndarray, out_x: np.ndarray, kx: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        c = np.arange(channels)
        pre, post = (y * width + x)[:, None] * channels + c, (out_y * expected[1] + out_x)[:, None] * channels + c
        return pre.reshape(-1), post.reshape(-1)

    return _windows(_reached(0, height, expected[0], sh, sy), _reached(0, width, expected[1], sw, sx), combine)
