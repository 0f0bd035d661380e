"""Program → files: a folder per backend, found by its name."""
