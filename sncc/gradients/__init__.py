"""Program → Program with reverse and gradient phases: one transposition; a rule is a choice of edges."""
