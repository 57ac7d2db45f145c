"""``make bench``: the package compared with what an institution would otherwise run, on the same data, sink and machine.

Every contender is a process of its own, ``bench.contenders.<name>``, which gets the addresses of source and sink, sends
every row of the view, and prints one line of JSON (:mod:`bench.measure`). ``__main__`` runs them in turn.
"""
