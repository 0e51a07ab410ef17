"""Functions as C libraries that need no Python."""
