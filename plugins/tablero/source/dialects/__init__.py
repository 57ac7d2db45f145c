"""What is particular to each kind of database: one module each, ``base`` for what they share, ``registry`` to choose.

Never here: what is read. To read another kind of database, a module beside these and a line in ``registry`` are enough.
"""
