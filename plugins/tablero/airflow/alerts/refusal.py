"""How a notifier says that it is the message that was refused, and not the channel that is out of order."""


class Refused(Exception):
    """A channel answered that it does not take this message; it may take others."""
