"""`python -m sncc.cli`."""

from sncc.cli import main

main()
