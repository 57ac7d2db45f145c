"""The brake: if most delivered rows of a window seem to have changed at once, the reading is probably wrong.

A different ``source_timezone``, padding or id in the view makes every row look deleted, and a new one would be sent in its
place.
"""

from __future__ import annotations

from typing import NamedTuple

from tablero.contract.windows import Window
from tablero.errors import ImplausibleReading
from tablero.texts import delivery as texts

#: Below this number, all delivered rows of a window may plausibly be corrected at once.
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


def is_plausible(found: Change) -> bool:
    """Whether the changes may be corrections: not most delivered rows gone and at least half as many new ones instead."""
    return found.delivered < FEWEST or 2 * found.gone <= found.delivered or 2 * found.new <= found.gone


def require_plausible(window: Window, found: Change) -> None:
    """Stop before anything of the window is sent if the reading is implausible.

    :raises ImplausibleReading: says what was found and how to continue.
    """
    if not is_plausible(found):
        run = texts.RUN_OF[window.kind](window=window.label)
        raise ImplausibleReading(texts.BRAKE(window=window.label, run=run, **found._asdict()))
