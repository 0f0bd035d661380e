"""Text → syntax tree."""
