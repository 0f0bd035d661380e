"""The CUDA backend: a block runs a sample through the whole sequence; at most four launches a batch."""
