"""Scalar expressions: the one family of nodes that the Model and the Program share."""
