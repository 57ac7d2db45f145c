"""Use case: stage a window. Read the source, store rejections, commit new rows in batches, and withdraw rows that are gone."""

from __future__ import annotations

import gc
import logging
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice

from sqlalchemy.engine import Engine
from tablero.contract.merging import Difference, differences
from tablero.contract.packing import Packed, Packing, pack
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.delivery.brake import Change, require_plausible
from tablero.delivery.rows import Tally, changes_nearby, read_changes, total_change
from tablero.delivery.run import Run
from tablero.outbox import intake, requeue
from tablero.outbox.batches import Lease, LeasedBatch
from tablero.outbox.engine import reading
from tablero.outbox.intake import RejectedRow
from tablero.outbox.record import Record
from tablero.settings import Settings
from tablero.source.reader import Source

log = logging.getLogger(__name__)

#: Batches, and rejections, committed in one transaction.
_STEP_BATCHES = 20
_STEP_REJECTIONS = 1_000

#: Rejected rows of a window that a dry run shows.
_SAMPLES = 20

#: New objects after which Python looks for garbage; its own default is 700. More than the rows that are read at a time have.
_OBJECTS = 500_000


def stage(engine: Engine, source: Source, settings: Settings, window: Window, run: Run) -> Tally:
    """Read ``window``, compare it with the outbox, and commit the difference. May be interrupted and repeated at any point.

    It is also the proof of a window: a reading without a difference has compared all five values of every row.

    :param engine: of the outbox.
    :raises ImplausibleReading: if most of what was delivered seems to have changed and the run does not accept that. Nothing is
        staged, or sent again.
    :raises SourceUnavailable, OutboxUnavailable: a retry may help.
    :raises SetupError: if the source or the outbox is not set up correctly.
    """
    tally = Tally(window)
    with rare_collections():
        for _ in stage_in_steps(engine, source, settings, tally, run):
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
    run: Run,
    lease: Callable[[], Lease | None] = lambda: None,
) -> Iterator[list[LeasedBatch]]:
    """:func:`stage` in steps: each yields batches that are committed and may be posted while the next step is prepared.

    If nothing of the window was delivered yet, the first step is ready as soon as its rows are read; otherwise the whole window
    is compared first.

    :param tally: of the window; complete at the end.
    :param lease: called at each step for the lease of its batches; without a lease none are yielded.
    """
    packing = _packing(settings)
    now = run.clock()
    extraction = intake.begin(engine, tally.window, run_id=run.id, zone=settings.timezone, packing=packing, now=now)
    rejections = _Rejections(extraction)
    pieces = differences(read_changes(source, settings, now, tally, rejections.add), extraction.record)
    if extraction.record.may_hold_delivered and not run.accept_changes:
        pieces = _plausible(pieces, extraction.record, tally.window, partial(changes_nearby, engine, source, settings, now))
    if run.resend:
        pieces = _with_resending(pieces, partial(_resend, engine, settings, tally.window, run.id))
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
        now=run.clock(),
    )
    log.info("%s", tally)


def preview(engine: Engine | None, source: Source, settings: Settings, window: Window, run: Run) -> Tally:
    """Read ``window`` and report what would be staged and sent; writes nothing.

    :param engine: of the outbox; ``None`` if there is none yet.
    :raises ImplausibleReading: as :func:`stage`.
    """
    tally, now = Tally(window), run.clock()
    record = Record(partial(reading, engine), window) if engine is not None else None

    def sample(rejected: RejectedRow) -> None:
        if len(tally.samples) < _SAMPLES:
            tally.samples.append(rejected)

    pieces = differences(read_changes(source, settings, now, tally, sample), record or ())
    if engine is not None and record is not None and record.may_hold_delivered and not run.accept_changes:
        pieces = _plausible(pieces, record, window, partial(changes_nearby, engine, source, settings, now))
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
        found = total_change(pieces, record, keep=lambda piece: pickle.dump(piece, file, pickle.HIGHEST_PROTOCOL))
        require_plausible(window, found, partial(nearby, window))
        end = file.tell()
        file.seek(0)
        while file.tell() < end:
            yield pickle.load(file)


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


def _packing(settings: Settings) -> Packing:
    return partial(pack, size=settings.batch_size, by_service=settings.group_by_service)


def _steps(packs: Iterator[Packed]) -> Iterator[list[Packed]]:
    while step := list(islice(packs, _STEP_BATCHES)):
        yield step
