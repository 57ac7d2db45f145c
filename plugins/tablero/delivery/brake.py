"""The brake: when all rows of a window seem to have changed at once, it is more likely that the reading has.

Another ``source_timezone``, other padding or other ids in the view: each row would be gone, and sent again as a new one.
"""

from __future__ import annotations

from typing import NamedTuple

from tablero.contract.windows import Window
from tablero.errors import ImplausibleReading
from tablero.texts import delivery as texts

#: Fewer delivered rows than this may all be corrected in one day.
FEWEST = 10


class Change(NamedTuple):
    """How a reading of a window differs from what is on record of it.

    :ivar delivered: rows of the window that the dashboard has.
    :ivar gone: those of them that the source does not give any more.
    :ivar new: rows which the source gives, and which are not on record.
    """

    delivered: int
    gone: int
    new: int


def is_plausible(found: Change) -> bool:
    """Whether rows were corrected, deleted and added as people do it: not most of what was delivered, and as much anew."""
    return found.delivered < FEWEST or 2 * found.gone <= found.delivered or 2 * found.new <= found.gone


def require_plausible(window: Window, found: Change) -> None:
    """Stop before anything of the window is sent, if the reading is not plausible.

    :raises ImplausibleReading: says what was seen, and how to go on.
    """
    if not is_plausible(found):
        raise ImplausibleReading(texts.BRAKE(window=window.label, **found._asdict()))
