"""The reference backend: interprets a Program in NumPy float64. The other backends are tested against it."""
