"""The parts of a text that are never removed."""
