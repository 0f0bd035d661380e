"""What the C++ and the CUDA backend share: expressions, dynamics, the host side and the project around them."""
