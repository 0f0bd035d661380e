"""What an editor asks about a text: names and where they are defined, documentation, completion. No protocol here."""
