"""What is specific to each kind of database: one module each, ``base`` for what they share, and ``registry``.

Another kind of database takes a module here and a line in ``registry``. Never here: which rows are read.
"""
