"""The brake: if most delivered rows seem to have changed at once, the reading is probably wrong.

A different ``source_timezone``, padding or id in the view makes every row look deleted, and a new one would be sent in its
place. A window is judged by itself; one that holds only a few delivered rows, together with the days around it, or an
institution with few rows a day would send all of them again, one day after another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tablero.contract.windows import Window
from tablero.errors import ImplausibleReading
from tablero.texts import delivery as texts
from tablero.texts.text import verbatim

#: Below this number, all delivered rows may plausibly be corrected at once.
FEWEST = 10


class Change(NamedTuple):
    """How a reading of a window differs from the outbox.

    :ivar delivered: rows of the window that the dashboard has.
    :ivar gone: those among them that the source no longer returns.
    :ivar new: rows of the source that are not in the outbox.
    """

    delivered: int
    gone: int
    new: int

    def plus(self, other: Change) -> Change:
        """Both together."""
        return Change(self.delivered + other.delivered, self.gone + other.gone, self.new + other.new)


def is_replacement(found: Change) -> bool:
    """Whether most delivered rows are gone, with more than half as many new ones in their place."""
    return 2 * found.gone > found.delivered and 2 * found.new > found.gone


def is_plausible(found: Change) -> bool:
    """Whether the changes may be corrections: no replacement, or one of only a few rows."""
    return found.delivered < FEWEST or not is_replacement(found)


def require_plausible(window: Window, found: Change, nearby: Callable[[], Iterable[Change]] = tuple) -> None:
    """Stop before anything of the window is sent if its reading is implausible.

    :param nearby: the changes before and after the window, each of enough rows to judge by; called only if the window holds
        few, and most of them seem to be replaced.
    :raises ImplausibleReading: says what was found and how to continue.
    """
    name = verbatim(window.label)
    if is_replacement(found) and found.delivered < FEWEST:
        around = (found.plus(other) for other in nearby())
        implausible = next((together for together in around if not is_plausible(together)), None)
        if implausible is not None:
            found, name = implausible, texts.WITH_DAYS_AROUND(window=window.label)
    if not is_plausible(found):
        run = texts.RUN_OF[window.kind](window=window.label)
        raise ImplausibleReading(texts.BRAKE(window=name, run=run, **found._asdict()))
