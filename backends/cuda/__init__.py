"""The CUDA backend: a block runs a sample through the whole sequence; at most three launches a batch."""
