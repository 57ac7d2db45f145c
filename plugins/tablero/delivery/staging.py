"""Use case: stage a window. Read the source, set bad rows aside, make the new ones durable in batches."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from sqlalchemy.engine import Engine
from tablero.contract.packing import Packed, pack, sort_key, without
from tablero.contract.rules import Excluded, validator
from tablero.contract.sorting import in_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.contract.wire import encode
from tablero.errors import PermanentError
from tablero.outbox import intake
from tablero.outbox.batches import Fresh, Lease
from tablero.outbox.intake import SetAside
from tablero.settings import Settings
from tablero.source.reader import Source

log = logging.getLogger(__name__)

#: Batches, and rejections, that are made durable in one transaction.
_STEP_BATCHES = 10
_STEP_REJECTIONS = 1_000

Clock = Callable[[], datetime]


@dataclass
class Tally:
    """What a reading of a window found.

    :ivar read: rows of the source that lie in the window.
    :ivar valid: different status changes among them.
    :ivar new: those that were not staged before.
    :ivar batches: made of the new ones.
    :ivar bytes: of their wire form; only counted by a rehearsal.
    """

    window: Window
    read: int = 0
    valid: int = 0
    new: int = 0
    duplicates: int = 0
    excluded: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    bytes: int = 0

    @property
    def known(self) -> int:
        """Status changes that were staged before, or by another worker meanwhile."""
        return self.valid - self.new

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.rejected.items())) or "none"
        return (
            f"{self.window.label}: {self.read} rows read, {self.new} new in {self.batches} batches, {self.known} known,"
            f" {self.duplicates} duplicate, {self.excluded} excluded, rejected: {reasons}"
        )


def stage(engine: Engine, source: Source, settings: Settings, window: Window, *, run_id: str, clock: Clock) -> Tally:
    """Read ``window`` and make durable what is not staged yet. May be interrupted and repeated at any point.

    :param engine: of the outbox.
    :raises SourceUnavailable, OutboxUnavailable: try again.
    :raises SetupError: the source or the outbox is not as it should be.
    """
    tally = Tally(window)
    for _ in stage_in_steps(engine, source, settings, tally, run_id=run_id, clock=clock):
        pass
    return tally


def heal(
    engine: Engine, source: Source, settings: Settings, windows: Iterable[Window], *, run_id: str, clock: Clock
) -> Iterator[Tally]:
    """Stage windows that earlier runs left open. One that cannot be read at all is left out, with a line in the log: it must
    not hold up what the others hold. That it is still open, ``reconcile`` says.

    :raises SourceUnavailable, OutboxUnavailable: try again.
    """
    for window in windows:
        try:
            yield stage(engine, source, settings, window, run_id=run_id, clock=clock)
        except PermanentError as error:
            log.error("%s is left out: %s", window.label, error)


def stage_in_steps(
    engine: Engine,
    source: Source,
    settings: Settings,
    tally: Tally,
    *,
    run_id: str,
    clock: Clock,
    lease: Callable[[], Lease | None] = lambda: None,
) -> Iterator[list[Fresh]]:
    """The same as :func:`stage`, a step at a time: what a step gives is durable, and may be posted while the next is made.

    :param tally: of the window; whole at the end.
    :param lease: asked at each step for the lease under which its batches are given; without one, none are.
    """
    window = tally.window
    extraction = intake.begin(engine, window, run_id=run_id, zone=settings.timezone, now=clock())
    aside = _Aside(extraction)
    unknown = without(
        _distinct(_classified(source, settings, window, clock(), tally, aside.add), settings, tally),
        extraction.known(by_service=settings.group_by_service),
        sort_key(settings.group_by_service),
        extraction.miss,
    )
    packs = pack(unknown, settings.batch_size, by_service=settings.group_by_service)
    for step in _steps(packs):
        new, fresh = extraction.stage(step, lease())
        tally.new += new
        tally.batches += len(step)
        yield fresh
    aside.flush()
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


def rehearse(source: Source, settings: Settings, window: Window, *, clock: Clock) -> Tally:
    """Read ``window`` and say what would be staged and sent; writes nothing, anywhere."""
    tally = Tally(window)
    changes = _distinct(_classified(source, settings, window, clock(), tally, lambda _: None), settings, tally)
    for packed in pack(changes, settings.batch_size, by_service=settings.group_by_service):
        tally.batches += 1
        tally.bytes += len(encode(packed.changes))
    tally.new = tally.valid
    log.info("dry run, %s, %d bytes", tally, tally.bytes)
    return tally


class _Aside:
    """Keeps rejected rows step by step, however many there are."""

    def __init__(self, extraction: intake.Extraction) -> None:
        self._extraction = extraction
        self._rows: list[SetAside] = []

    def add(self, row: SetAside) -> None:
        self._rows.append(row)
        if len(self._rows) == _STEP_REJECTIONS:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._extraction.set_aside(self._rows)
            self._rows.clear()


def _classified(
    source: Source,
    settings: Settings,
    window: Window,
    now: datetime,
    tally: Tally,
    set_aside: Callable[[SetAside], None],
) -> Iterator[StatusChange]:
    """The valid status changes of the window; the others are counted, and rejected ones set aside."""
    validate = validator(zone=settings.source_zone, earliest=settings.earliest_instant, now=now)
    start, end = window.start, window.end
    for row in source.read(window):
        found = validate(row)
        if isinstance(found, StatusChange):
            if start <= found.last_modified_date < end:
                tally.read += 1
                yield found
        elif source.holds(window, row[-1]):
            tally.read += 1
            if isinstance(found, Excluded):
                tally.excluded += 1
            else:
                tally.rejected[found.reason.value] += 1
                set_aside(SetAside.of(found, source.place(row[-1])))


def _distinct(changes: Iterable[StatusChange], settings: Settings, tally: Tally) -> Iterator[StatusChange]:
    before = None
    for change in in_order(changes, sort_key(settings.group_by_service)):
        if change == before:
            tally.duplicates += 1
        else:
            tally.valid += 1
            before = change
            yield change


def _steps(packs: Iterator[Packed]) -> Iterator[list[Packed]]:
    while step := list(islice(packs, _STEP_BATCHES)):
        yield step
