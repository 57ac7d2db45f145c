"""``make bench``: the package beside what an institution would otherwise run, on the same data, sink and machine."""
