"""Who takes part: one module each."""
