"""How an oracle's states flow over a step: the methods of integration, of anything that tells slopes."""

import autograd.numpy as np


def flowed(method, before, h, slopes):
    """States after a step of `h`; `slopes(states, later)` are their derivatives by time."""
    if method == "exact":  # a series in h A, of which the first term is h (A x + b)
        term = {k: h * f for k, f in slopes(before, 0.0).items()}
        rest = slopes({k: 0.0 * x for k, x in before.items()}, 0.0)
        result = before
        for k in range(2, 15):
            result = {name: result[name] + term[name] for name in result}
            term = {name: h / k * (f - rest[name]) for name, f in slopes(term, 0.0).items()}
        return result
    if method == "exponential_euler":
        f, result = slopes(before, 0.0), {}
        for k in before:
            rate = slopes(before | {k: before[k] + 1.0}, 0.0)[k] - f[k]
            small = np.abs(rate) < 1e-12
            safe = np.where(small, 1.0, rate)
            result[k] = before[k] + f[k] * np.where(small, h, (np.exp(safe * h) - 1) / safe)
        return result

    def moved(f, by):
        return {k: before[k] + by * f[k] for k in before}

    k1 = slopes(before, 0.0)
    k2 = slopes(moved(k1, h / 2), h / 2)
    k3 = slopes(moved(k2, h / 2), h / 2)
    k4 = slopes(moved(k3, h), h)
    return {k: before[k] + h / 6 * (k1[k] + 2 * k2[k] + 2 * k3[k] + k4[k]) for k in before}
