"""Every sentence that an operator reads, Spanish and English side by side, by name.

A catalogue for each room: ``texts.source`` has what ``source`` says, and so on; a module imports its own as ``texts``.
Never here: a decision, or a value that is not handed in.
"""
