"""The CPU backend: loops, memory and threads around the shared dynamics."""
