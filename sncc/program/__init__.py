"""The Program: what the machine does, as few operations with one meaning each."""
