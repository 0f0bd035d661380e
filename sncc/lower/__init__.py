"""Model → forward Program."""
