"""Diagrams of a network: populations as boxes, connections as arrows, as SVG or Mermaid."""
