"""Every sentence that an operator reads, in Spanish and English side by side, by name.

One catalogue per folder: ``texts.source`` contains the sentences of ``source``, and so on; a module imports its own as
``texts``. Never here: a decision, or a value that is not passed in.
"""
