"""What each kind of database has of its own; a module for each, ``base`` for what they have in common, ``registry`` to choose.

Never here: what is read. To read another kind of database, a module beside these and a line in ``registry`` are enough.
"""
