"""Questions about maps and types, one module each."""
