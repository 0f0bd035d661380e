"""The Model: what the user meant, with every name, unit and shape resolved."""
