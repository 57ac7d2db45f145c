"""The brake: if most delivered rows seem to have changed at once, the reading is probably wrong.

A different ``source_timezone``, padding or id in the view makes every row look deleted, and a new one would be sent in its
place. A window is judged by itself; one that holds only a few delivered rows, together with the days around it, or an
institution with few rows a day would send all of them again, one day after another.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.merging import Difference, differences
from tablero.contract.windows import Window, first_instant, local_day
from tablero.delivery.rows import Tally, read_changes
from tablero.errors import ImplausibleReading
from tablero.outbox.engine import reading
from tablero.outbox.record import Record
from tablero.outbox.reports import nights
from tablero.settings import Settings
from tablero.source.reader import Source
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


def plausible(
    pieces: Iterable[Difference],
    record: Record,
    window: Window,
    nearby: Callable[[Window], Iterable[Change]],
) -> Iterator[Difference]:
    """The same differences, after the whole window was compared and found plausible; they are kept on disk until then.

    :param record: of the window.
    :param nearby: as :func:`changes_nearby`.
    :raises ImplausibleReading: before anything is yielded.
    """
    with tempfile.TemporaryFile(prefix="tablero-") as file:
        found = _change(pieces, record, keep=lambda piece: pickle.dump(piece, file, pickle.HIGHEST_PROTOCOL))
        require_plausible(window, found, partial(nearby, window))
        end = file.tell()
        file.seek(0)
        while file.tell() < end:
            yield pickle.load(file)


def changes_nearby(engine: Engine, source: Source, settings: Settings, now: datetime, window: Window) -> Iterator[Change]:
    """How the source differs from the outbox just before and just after a window, over as many days as it takes to find
    :data:`FEWEST` delivered rows on that side. Nothing is staged.
    """
    zone = settings.timezone
    with reading(engine) as connection:
        before = nights.days_delivered_before(connection, local_day(window.start, zone), FEWEST)
        after = nights.days_delivered_from(connection, local_day(window.end, zone), FEWEST)
    if before:
        yield _compared(engine, source, settings, now, replace(window, start=first_instant(before[-1], zone), end=window.start))
    if after:
        end = first_instant(after[-1] + timedelta(days=1), zone)
        yield _compared(engine, source, settings, now, replace(window, start=window.end, end=end))


def _compared(engine: Engine, source: Source, settings: Settings, now: datetime, window: Window) -> Change:
    record = Record(partial(reading, engine), window)
    return _change(differences(read_changes(source, settings, now, Tally(window)), record), record)


def _change(pieces: Iterable[Difference], record: Record, keep: Callable[[Difference], object] = lambda _: None) -> Change:
    new = gone = 0
    for piece in pieces:
        keep(piece)
        new += len(piece.new)
        gone += record.count_delivered(piece.gone) if piece.gone else 0
    return Change(record.delivered, gone, new)
