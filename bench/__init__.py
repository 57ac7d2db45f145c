"""``make bench``: the package beside what an institution would otherwise run, on the same data, sink and machine.

Every contender is a process of its own, ``bench.contenders.<name>``, which is told where the source and the sink are, sends
every row of the view, and prints one line of JSON (:mod:`bench.measure`). ``__main__`` lets them take turns.
"""
