"""Use case: stage a window. Read the source, store rejections, commit new rows in batches, and withdraw rows that are gone."""

from __future__ import annotations

import gc
import logging
import pickle
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import chain, islice

from sqlalchemy.engine import Engine
from tablero.contract.chunks import chunk_validator, inside
from tablero.contract.merging import Difference, differences
from tablero.contract.packing import Packed, Packing, pack
from tablero.contract.rules import Excluded
from tablero.contract.sorting import in_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, first_instant, local_day
from tablero.contract.wire import encode
from tablero.delivery.brake import FEWEST, Change, require_plausible
from tablero.outbox import intake, requeue
from tablero.outbox.batches import Lease, LeasedBatch
from tablero.outbox.engine import reading
from tablero.outbox.intake import RejectedRow
from tablero.outbox.record import Record
from tablero.outbox.reports import nights
from tablero.settings import Settings
from tablero.source.reader import Source

log = logging.getLogger(__name__)

#: Batches, and rejections, committed in one transaction.
_STEP_BATCHES = 10
_STEP_REJECTIONS = 1_000

#: Rejected rows of a window that a dry run shows.
_SAMPLES = 20

#: New objects after which Python looks for garbage; its own default is 700. More than the rows that are read at a time have.
_OBJECTS = 500_000

Clock = Callable[[], datetime]


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


def stage(
    engine: Engine,
    source: Source,
    settings: Settings,
    window: Window,
    *,
    run_id: str,
    clock: Clock,
    resend: bool = False,
    accept_changes: bool = False,
) -> Tally:
    """Read ``window``, compare it with the outbox, and commit the difference. May be interrupted and repeated at any point.

    It is also the proof of a window: a reading without a difference has compared all five values of every row.

    :param engine: of the outbox.
    :param resend: make the delivered rows that the source still has pending again, once per run.
    :param accept_changes: stage even if most of what was delivered seems to have changed (see :mod:`tablero.delivery.brake`).
    :raises ImplausibleReading: if most of it seems to have changed and this is not accepted. Nothing is staged,
        or sent again.
    :raises SourceUnavailable, OutboxUnavailable: a retry may help.
    :raises SetupError: if the source or the outbox is not set up correctly.
    """
    tally = Tally(window)
    steps = stage_in_steps(
        engine, source, settings, tally, run_id=run_id, clock=clock, resend=resend, accept_changes=accept_changes
    )
    with rare_collections():
        for _ in steps:
            pass
    return tally


@contextmanager
def rare_collections() -> Iterator[None]:
    """Have Python's garbage collector run rarely, and not over what exists already.

    Rows set it off every 700 objects, though they are no garbage: it took a quarter of the time of a load to traverse all that
    Airflow and SQLAlchemy have loaded, and a fifth of the rest to traverse the rows.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def stage_in_steps(
    engine: Engine,
    source: Source,
    settings: Settings,
    tally: Tally,
    *,
    run_id: str,
    clock: Clock,
    lease: Callable[[], Lease | None] = lambda: None,
    resend: bool = False,
    accept_changes: bool = False,
) -> Iterator[list[LeasedBatch]]:
    """:func:`stage` in steps: each yields batches that are committed and may be posted while the next step is prepared.

    If nothing of the window was delivered yet, the first step is ready as soon as its rows are read; otherwise the whole window
    is compared first.

    :param tally: of the window; complete at the end.
    :param lease: called at each step for the lease of its batches; without a lease none are yielded.
    """
    packing = _packing(settings)
    extraction = intake.begin(engine, tally.window, run_id=run_id, zone=settings.timezone, packing=packing, now=clock())
    rejections = _Rejections(extraction)
    found = _distinct(_classified(source, settings, tally.window, clock(), tally, rejections.add), tally)
    pieces = differences(chain.from_iterable(found), extraction.record)
    if extraction.record.may_hold_delivered and not accept_changes:
        pieces = _plausible(pieces, extraction.record, tally.window, partial(_nearby, engine, source, settings, clock()))
    if resend:
        pieces = _with_resending(pieces, partial(_resend, engine, settings, tally.window, run_id))
    new_ones = chain.from_iterable(_new(pieces, extraction.withdraw, tally))
    for step in _steps(packing(new_ones)):
        new, leased = extraction.stage(step, lease())
        tally.new += new
        tally.batches += len(step)
        yield leased
    rejections.flush()
    extraction.finish(
        read=tally.read,
        new=tally.new,
        known=tally.known,
        duplicates=tally.duplicates,
        excluded=tally.excluded,
        rejected=tally.rejected,
        now=clock(),
    )
    log.info("%s", tally)


def preview(
    engine: Engine | None, source: Source, settings: Settings, window: Window, *, clock: Clock, accept_changes: bool = False
) -> Tally:
    """Read ``window`` and report what would be staged and sent; writes nothing.

    :param engine: of the outbox; ``None`` if there is none yet.
    :raises ImplausibleReading: as :func:`stage`.
    """
    tally = Tally(window)
    record = Record(partial(reading, engine), window) if engine is not None else None

    def sample(rejected: RejectedRow) -> None:
        if len(tally.samples) < _SAMPLES:
            tally.samples.append(rejected)

    found = _distinct(_classified(source, settings, window, clock(), tally, sample), tally)
    pieces = differences(chain.from_iterable(found), record or ())
    if engine is not None and record is not None and record.may_hold_delivered and not accept_changes:
        pieces = _plausible(pieces, record, window, partial(_nearby, engine, source, settings, clock()))
    new_ones = chain.from_iterable(_new(pieces, record.count_unsent if record is not None else None, tally))
    for packed in _packing(settings)(new_ones):
        tally.batches += 1
        tally.new += len(packed.changes)
        tally.bytes += len(encode(packed.changes))
    log.info("dry run, %s, %d bytes", tally, tally.bytes)
    return tally


def _new(
    pieces: Iterable[Difference], withdraw: Callable[[list[StatusChange]], int] | None, tally: Tally
) -> Iterator[list[StatusChange]]:
    """The rows to be staged, in order.

    :param withdraw: what is done on the way with rows that are gone; returns how many of them will not be sent.
    """
    for new, gone in pieces:
        tally.gone += len(gone)
        if gone and withdraw is not None:
            tally.withdrawn += withdraw(gone)
        yield new


def _plausible(
    pieces: Iterable[Difference],
    record: Record,
    window: Window,
    nearby: Callable[[Window], Iterable[Change]],
) -> Iterator[Difference]:
    """The same differences, after the whole window was compared and found plausible; they are kept on disk until then.

    :raises ImplausibleReading: before anything is yielded.
    """
    with tempfile.TemporaryFile(prefix="tablero-") as file:
        found = _change(pieces, record, keep=lambda piece: pickle.dump(piece, file, pickle.HIGHEST_PROTOCOL))
        require_plausible(window, found, partial(nearby, window))
        end = file.tell()
        file.seek(0)
        while file.tell() < end:
            yield pickle.load(file)


def _change(pieces: Iterable[Difference], record: Record, keep: Callable[[Difference], object] = lambda _: None) -> Change:
    new = gone = 0
    for piece in pieces:
        keep(piece)
        new += len(piece.new)
        gone += record.count_delivered(piece.gone) if piece.gone else 0
    return Change(record.delivered, gone, new)


def _nearby(engine: Engine, source: Source, settings: Settings, now: datetime, window: Window) -> Iterator[Change]:
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
    record, tally = Record(partial(reading, engine), window), Tally(window)
    found = _distinct(_classified(source, settings, window, now, tally, lambda _: None), tally)
    return _change(differences(chain.from_iterable(found), record), record)


def _with_resending(pieces: Iterable[Difference], requeue_delivered: Callable[[], None]) -> Iterator[Difference]:
    """The same differences, with the delivered rows of the window requeued before the first: after the brake, and before the
    rows that are gone are withdrawn.
    """
    remaining = iter(pieces)
    first = list(islice(remaining, 1))
    requeue_delivered()
    yield from chain(first, remaining)


def _resend(engine: Engine, settings: Settings, window: Window, run_id: str) -> None:
    rows = requeue.resend(engine, window, run_id=run_id, zone=settings.timezone)
    log.info("%s: %d delivered rows are to be posted again, unless they are gone from the source", window.label, rows)


class _Rejections:
    """Stores rejected rows in steps, so that memory stays flat."""

    def __init__(self, extraction: intake.Extraction) -> None:
        self._extraction = extraction
        self._rows: list[RejectedRow] = []

    def add(self, row: RejectedRow) -> None:
        self._rows.append(row)
        if len(self._rows) == _STEP_REJECTIONS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._extraction.reject(self._rows)
            self._rows.clear()


def _classified(
    source: Source,
    settings: Settings,
    window: Window,
    now: datetime,
    tally: Tally,
    reject: Callable[[RejectedRow], None],
) -> Iterator[list[StatusChange]]:
    """The valid status changes of the window in chunks; other rows are counted, and rejected ones passed to ``reject``."""
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
    """The distinct status changes, in order."""
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


def _packing(settings: Settings) -> Packing:
    return partial(pack, size=settings.batch_size, by_service=settings.group_by_service)


def _steps(packs: Iterator[Packed]) -> Iterator[list[Packed]]:
    while step := list(islice(packs, _STEP_BATCHES)):
        yield step
