"""What the bodies of several tasks share: the preflight, results that are passed on, sending, and the proof."""
