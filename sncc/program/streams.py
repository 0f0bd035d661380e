"""Streams of random numbers: a hash of the user's name and the purpose, so that no pass changes a number."""

from __future__ import annotations


def stream(name: str, purpose: str) -> int:
    """32-bit FNV-1a of `name:purpose`, the first word of a Philox counter."""
    value = 0x811C9DC5
    for byte in f"{name}:{purpose}".encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value
