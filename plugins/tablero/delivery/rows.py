"""The rows of a window as the source returns them: judged, counted, in order, and compared with the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain

from sqlalchemy.engine import Engine
from tablero.contract.chunks import chunk_validator, inside
from tablero.contract.merging import Difference, differences
from tablero.contract.rules import Excluded
from tablero.contract.sorting import in_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, first_instant, local_day
from tablero.delivery.brake import FEWEST, Change
from tablero.outbox.engine import reading
from tablero.outbox.intake import RejectedRow
from tablero.outbox.record import Record
from tablero.outbox.reports import nights
from tablero.settings import Settings
from tablero.source.reader import Source


@dataclass
class Tally:
    """What a reading of a window found.

    :ivar read: rows of the source that lie in the window.
    :ivar valid: different status changes among them.
    :ivar new: those that were not on record before.
    :ivar gone: rows on record that the source does not give any more.
    :ivar withdrawn: those of them that were pending, and will not be sent.
    :ivar batches: made of the new ones.
    :ivar bytes: of their wire form; only counted by a dry run.
    :ivar samples: some of the rejected rows; only taken by a dry run.
    """

    window: Window
    read: int = 0
    valid: int = 0
    new: int = 0
    gone: int = 0
    withdrawn: int = 0
    duplicates: int = 0
    excluded: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    bytes: int = 0
    samples: list[RejectedRow] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Valid rows that were in the outbox before, or that another worker staged in the meantime."""
        return self.valid - self.new

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.rejected.items())) or "none"
        return (
            f"{self.window.label}: {self.read} rows read, {self.new} new in {self.batches} batches, {self.known} known,"
            f" {self.gone} gone ({self.withdrawn} withdrawn), {self.duplicates} duplicate, {self.excluded} excluded,"
            f" rejected: {reasons}"
        )


def read_changes(
    source: Source,
    settings: Settings,
    now: datetime,
    tally: Tally,
    reject: Callable[[RejectedRow], None] = lambda _: None,
) -> Iterator[StatusChange]:
    """The distinct valid status changes of a window, in order.

    :param tally: of the window; all rows are counted in it. Complete at the end.
    :param reject: called with each rejected row.
    """
    return chain.from_iterable(_distinct(_valid(source, settings, now, tally, reject), tally))


def _valid(
    source: Source, settings: Settings, now: datetime, tally: Tally, reject: Callable[[RejectedRow], None]
) -> Iterator[list[StatusChange]]:
    """The valid status changes in chunks, as they are read."""
    window = tally.window
    judge = chunk_validator(
        zone=settings.source_zone, earliest=settings.earliest_instant, now=now, extra_statuses=settings.extra_statuses
    )
    for rows in source.chunks(window):
        judged = judge(rows)
        changes = inside(judged.changes, window)
        tally.read += len(changes)
        yield changes
        for verdict in judged.others:
            changed = verdict.row[-1]
            if not source.holds(window, changed):
                continue
            tally.read += 1
            if isinstance(verdict, Excluded):
                tally.excluded += 1
            else:
                tally.rejected[verdict.reason.value] += 1
                reject(RejectedRow.of(verdict, source.place(changed)))


def _distinct(chunks: Iterable[list[StatusChange]], tally: Tally) -> Iterator[list[StatusChange]]:
    found = 0

    def counted() -> Iterator[list[StatusChange]]:
        nonlocal found
        for chunk in chunks:
            found += len(chunk)
            yield chunk

    for rows in in_order(chain.from_iterable(counted())):
        tally.valid += len(rows)
        yield rows
    tally.duplicates = found - tally.valid


def changes_nearby(engine: Engine, source: Source, settings: Settings, now: datetime, window: Window) -> Iterator[Change]:
    """How the source differs from the outbox just before and just after a window, over as many days as it takes to find
    :data:`~tablero.delivery.brake.FEWEST` delivered rows on that side. Nothing is staged.
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
    return total_change(differences(read_changes(source, settings, now, Tally(window)), record), record)


def total_change(pieces: Iterable[Difference], record: Record, keep: Callable[[Difference], object] = lambda _: None) -> Change:
    """The sum of these differences.

    :param record: of the window that was read.
    :param keep: called with each of them.
    """
    new = gone = 0
    for piece in pieces:
        keep(piece)
        new += len(piece.new)
        gone += record.count_delivered(piece.gone) if piece.gone else 0
    return Change(record.delivered, gone, new)
