"""The state of every day and every month, derived from the counts of the outbox.

A month can have been read as a month, by ``historical_load``, day by day, by ``daily_send``, or both. So each day is judged by
itself, from the newest reading and the newest proof that concern it, and the state of a month follows from those of its days.

A state says whether a person is needed. A few rejected rows are normal, and their window is settled; only a large share, by the
setting ``alert_rejected_percent``, is a state of its own, for a day and for a month, each by its own rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from sqlalchemy.engine import Connection
from tablero.contract.intervals import Covered, DayGrid
from tablero.contract.windows import (
    DATED,
    UNDATED,
    day_window,
    days_between,
    first_instant,
    last_day,
    local_day,
    months_between,
    undated_window,
    window_of,
)
from tablero.delivery.health.degraded import Cause, is_low_volume
from tablero.outbox.findings import Degradation
from tablero.outbox.reports import coverage as coverage_report
from tablero.outbox.reports import findings as findings_report
from tablero.outbox.reports.coverage import Proven, Read
from tablero.outbox.reports.snapshot import Count, Rows
from tablero.settings import Settings

_DAY = timedelta(days=1)

#: A civil day on which the clocks are put back.
_LONGEST_DAY = timedelta(hours=25)

_NONE, _NO_ROWS = Count(0), Rows()

T = TypeVar("T")

#: Number of months whose days are shown.
CALENDAR_MONTHS = 12


class State(Enum):
    """The state of a day or a month. The value is used in texts and styles."""

    IN_PROGRESS = "progress"
    """It is being read or sent now."""

    MISMATCH = "mismatch"
    """A recount of the source differs from what was read."""

    PENDING = "pending"
    """Something is missing: not fully read, not delivered, or not proved."""

    REJECTIONS = "rejections"
    """All rows are accounted for, but too many of them are rejected."""

    SETTLED = "settled"
    """All rows are accounted for, and a second reading of the source agrees."""

    NEVER = "never"
    """It was never read."""

    NOT_DUE = "future"
    """It has not ended yet, or its daily send is not due."""


class Why(Enum):
    """What is missing. The value is used in texts."""

    NOTHING = "nothing"
    ROWS = "rows"
    UNREAD = "unread"
    UNPROVEN = "unproven"


class Judgement(NamedTuple):
    """A state and, if something is missing, what."""

    state: State
    why: Why = Why.NOTHING


@dataclass(frozen=True)
class Cell:
    """A day or a month as the page shows it.

    :ivar label: of its window.
    :ivar first: its first day.
    :ivar rows: staged rows by state.
    :ivar broken: rows that violate the contract.
    :ivar proved_at: when it was last proved as a month, or as much of it as there was; ``None`` if that proof did not close;
        months only.
    :ivar degraded: its degradations that still hold; days only.
    """

    label: str
    first: date
    judgement: Judgement
    rows: Rows
    broken: Count = _NONE
    proved_at: datetime | None = None
    degraded: tuple[Degradation, ...] = ()

    @property
    def state(self) -> State:
        """Its state."""
        return self.judgement.state

    @property
    def rejected(self) -> Count:
        """Rows to be corrected, whether the contract or the dashboard rejected them."""
        return self.broken + Count(self.rows.refused)

    @property
    def share_delivered(self) -> float:
        """Delivered rows as a share of all valid rows read so far that are not refused."""
        rows = self.rows.delivered + self.rows.pending
        return self.rows.delivered / rows if rows else 0.0

    @property
    def share_rejected(self) -> float | None:
        """Rejected rows as a share of all rows that could be sent; ``None`` if they were not all counted."""
        if not self.broken.is_exact:
            return None
        rows = self.broken.counted + self.rows.staged
        return self.rejected.counted / rows if rows else 0.0


@dataclass(frozen=True)
class Facts:
    """The state of the outbox from which coverage is derived.

    :ivar span: first and last of the days that are shown as days.
    :ivar months: staged rows by label of the month.
    :ivar outside: staged rows that lie in none of the months since ``earliest``.
    :ivar adopted: rows among all of these that a person recorded as delivered.
    :ivar days: staged rows by civil day; where only states are shown, only of days with pending or rejected rows.
    :ivar moving: days with a batch that is being posted.
    :ivar readings: the last finished reading of each window.
    :ivar began: the first instant ever read, where ``readings`` are only those of one month.
    :ivar unfinished: start and end of the windows that active runs are reading.
    :ivar proofs: the last proof of each window.
    :ivar running: ids of the active runs.
    :ivar broken: rows that violate the contract, by label of the month, and of the window ``undated``.
    :ivar broken_by_day: the same by day, for the days of ``span`` that have any.
    :ivar degraded: the degradations of the days of ``span`` that have any.
    """

    span: tuple[date, date]
    months: Mapping[str, Rows] = field(default_factory=dict)
    outside: Rows = _NO_ROWS
    adopted: int = 0
    days: Mapping[date, Rows] = field(default_factory=dict)
    moving: Collection[date] = ()
    readings: Sequence[Read] = ()
    began: datetime | None = None
    unfinished: Sequence[tuple[datetime, datetime]] = ()
    proofs: Sequence[Proven] = ()
    running: Collection[str] = ()
    broken: Mapping[str, Count] = field(default_factory=dict)
    broken_by_day: Mapping[date, Count] = field(default_factory=dict)
    degraded: Mapping[date, Sequence[Degradation]] = field(default_factory=dict)


@dataclass(frozen=True)
class Totals:
    """What became of all rows ever read: ``read`` is the sum of the five counts.

    :ivar undated: rejected rows that are in no month; included in ``rejected``.
    :ivar adopted: rows that a person recorded as delivered; included in ``delivered``.
    :ivar outside: rows of months before ``earliest``, which are not shown; included in the others.
    """

    delivered: int
    rejected: Count
    excluded: int
    duplicates: int
    pending: int
    undated: Count
    adopted: int
    outside: Rows

    @property
    def read(self) -> Count:
        """Rows of the source that are accounted for."""
        return self.rejected + Count(self.delivered + self.excluded + self.duplicates + self.pending)


@dataclass(frozen=True)
class Coverage:
    """All months, the days of the last ones, and the totals.

    :ivar ever_read: whether anything was ever read to its end, or staged.
    :ivar late_outside: labels of the months before ``earliest`` in which rows are pending.
    """

    months: list[Cell]
    days: dict[date, Cell]
    totals: Totals
    ever_read: bool
    late_outside: Sequence[str] = ()

    def having(self, *states: State) -> list[Cell]:
        """The months in one of these states."""
        return [month for month in self.months if month.state in states]

    @property
    def proved_since(self) -> datetime | None:
        """The oldest of the last proofs of all complete months; ``None`` if there is none."""
        proofs = [month.proved_at for month in self.having(State.SETTLED, State.REJECTIONS)]
        return min((proof for proof in proofs if proof is not None), default=None)


def gather(
    connection: Connection, settings: Settings, now: datetime, running: Collection[str], *, calendar: bool = False
) -> Facts:
    """Collect the facts about all months from the outbox.

    :param running: ids of the active runs.
    :param calendar: also count the rejected rows and the degradations of the days of the last :data:`CALENDAR_MONTHS`. Without
        them a day with many rejected rows is settled; the states of months are the same.
    """
    zone, today = settings.timezone, local_day(now, settings.timezone)
    span = max(calendar_start(today), settings.earliest), today
    months = [window_of(f"{month:%Y-%m}", zone) for month in months_between(settings.earliest, today)]
    staged = coverage_report.staged_rows(connection, months)
    pending = coverage_report.pending_by_day(connection)
    days = _DayFacts({day: Rows(0, rows) for day, rows in pending.items()})
    if calendar:
        days = _count_days(connection, settings, span, pending)
        known = {*days.rows, *days.broken, *days.degraded}
        days = days._replace(rows=_with_delivered(connection, days.rows, known))
    return Facts(
        span=span,
        months=staged.months,
        outside=staged.outside,
        adopted=staged.adopted,
        days=days.rows,
        moving=coverage_report.days_on_their_way(connection, now),
        readings=coverage_report.last_readings(connection),
        unfinished=coverage_report.unfinished_windows(connection, running) if running else (),
        proofs=coverage_report.last_proofs(connection),
        running=running,
        broken=coverage_report.count_rejections(connection, [*months, undated_window(settings.earliest, zone)]),
        broken_by_day=days.broken,
        degraded=days.degraded,
    )


def gather_window(
    connection: Connection, settings: Settings, now: datetime, running: Collection[str], first: date, last: date
) -> Facts:
    """Collect the facts about one month, or one day, from the outbox.

    :param first, last: its days.
    """
    zone = settings.timezone
    month = window_of(f"{first:%Y-%m}", zone)
    days = _count_days(connection, settings, (first, last), coverage_report.pending_by_day(connection))
    return Facts(
        span=(first, last),
        months=coverage_report.rows_by_month(connection, [month]),
        days=_with_delivered(connection, days.rows, list(days_between(first, last))),
        moving=coverage_report.days_on_their_way(connection, now),
        readings=coverage_report.last_readings(connection, month),
        began=coverage_report.first_instant_read(connection),
        unfinished=coverage_report.unfinished_windows(connection, running) if running else (),
        proofs=coverage_report.last_proofs(connection, month),
        running=running,
        broken=coverage_report.count_rejections(connection, [month]),
        broken_by_day=days.broken,
        degraded=days.degraded,
    )


class _DayFacts(NamedTuple):
    """Facts by civil day."""

    rows: Mapping[date, Rows]
    broken: Mapping[date, Count] = MappingProxyType({})
    degraded: Mapping[date, Sequence[Degradation]] = MappingProxyType({})


def _count_days(connection: Connection, settings: Settings, span: tuple[date, date], pending: Mapping[date, int]) -> _DayFacts:
    """What determines the state of the days of ``span``; the delivered rows are not counted."""
    days = [day_window(day, settings.timezone) for day in days_between(*span)]
    refused = _by_day(coverage_report.refused_in(connection, days))
    return _DayFacts(
        {day: Rows(0, pending.get(day, 0), refused.get(day, 0)) for day in pending.keys() | refused.keys()},
        _by_day(coverage_report.count_rejections(connection, days)),
        _by_day(findings_report.degraded_days(connection, days)),
    )


def _with_delivered(connection: Connection, found: Mapping[date, Rows], days: Collection[date]) -> dict[date, Rows]:
    """Add the delivered rows of these days."""
    complete = dict(found)
    for day, rows in coverage_report.delivered_by_day(connection, days).items():
        complete[day] = found.get(day, Rows())._replace(delivered=rows)
    return complete


def _by_day(found: Mapping[str, T]) -> dict[date, T]:
    return {date.fromisoformat(label): value for label, value in found.items()}


def survey(facts: Facts, settings: Settings, now: datetime) -> Coverage:
    """Judge every month from ``earliest`` to now, and the days of ``facts.span``."""
    today = local_day(now, settings.timezone)
    start = settings.earliest.replace(day=1)
    judgements = _judge_days(facts, settings, start, today, now)
    proved = _whole_proofs(facts.proofs)
    began = _first_read(facts, settings)
    return Coverage(
        [_month(facts, judgements, settings, month, today, proved, began) for month in months_between(start, today)],
        _cells(facts, judgements, settings, today),
        _totals(facts),
        ever_read=bool(facts.readings or facts.months or facts.outside.staged),
        late_outside=sorted({f"{day:%Y-%m}" for day, rows in facts.days.items() if rows.pending and day < start}),
    )


def survey_window(facts: Facts, settings: Settings, now: datetime) -> tuple[Cell, dict[date, Cell]]:
    """Judge the days of ``facts.span``, and the month or the day that they form."""
    first, last = facts.span
    today = local_day(now, settings.timezone)
    judgements = _judge_days(facts, settings, first, min(last, today), now)
    days = _cells(facts, judgements, settings, today)
    if first == last:
        return days[first], days
    proved, began = _whole_proofs(facts.proofs), _first_read(facts, settings)
    return _month(facts, judgements, settings, first, today, proved, began), days


def _cells(facts: Facts, judgements: Mapping[date, Judgement], settings: Settings, today: date) -> dict[date, Cell]:
    first, last = facts.span
    nothing = Rows()
    cells = {}
    for day in days_between(first, min(last, today)):
        rows, broken = facts.days.get(day, nothing), facts.broken_by_day.get(day, Count(0))
        degraded = tuple(_still_degraded(facts.degraded.get(day, ()), rows.staged + broken.counted, settings))
        cells[day] = Cell(day.isoformat(), day, judgements[day], rows, broken, degraded=degraded)
    return cells


def _still_degraded(found: Iterable[Degradation], rows: int, settings: Settings) -> Iterator[Degradation]:
    """The degradations of a day that still hold, now that it has ``rows``: more may have arrived since."""
    for one in found:
        if one.cause == Cause.ALL_EXCLUDED.value and rows:
            continue
        if one.cause not in findings_report.LOW_VOLUME:
            yield one
        elif is_low_volume(rows, one.of_rows or None, settings.alert_low_volume_percent):
            yield one._replace(rows=rows)


def _month(
    facts: Facts,
    judgements: Mapping[date, Judgement],
    settings: Settings,
    month: date,
    today: date,
    proved: Mapping[datetime, datetime],
    began: date | None,
) -> Cell:
    label = f"{month:%Y-%m}"
    rows, broken = facts.months.get(label, Rows()), facts.broken.get(label, Count(0))
    days = days_between(_first_judged(month, began, settings), min(last_day(month), today))
    found = _fold({judgements[day] for day in days}, rows)
    if found.state is State.SETTLED and too_many_rejected(broken, rows, settings.alert_rejected_percent):
        found = Judgement(State.REJECTIONS)
    return Cell(label, month, found, rows, broken, proved.get(first_instant(month, settings.timezone)))


def _first_read(facts: Facts, settings: Settings) -> date | None:
    """The first day that was ever read to its end."""
    edges = (one.window_start for one in facts.readings if one.kind in DATED)
    start = facts.began or min(edges, default=None)
    return None if start is None else local_day(start, settings.timezone)


def _first_judged(month: date, began: date | None, settings: Settings) -> date:
    """The first day that counts for the state of a month. In the month in which the institution began it is the first day that
    was ever read: the days before it are no gap.
    """
    first = max(month, settings.earliest)
    return began if began is not None and first <= began <= last_day(month) else first


def _whole_proofs(proofs: Iterable[Proven]) -> dict[datetime, datetime]:
    """When each stretch that is longer than a day was last proved, by its first instant; only if its last proof closed."""
    last: dict[datetime, Proven] = {}
    for proof in sorted(proofs, key=lambda one: one.counted_at):
        if proof.window_end - proof.window_start > _LONGEST_DAY:
            last[proof.window_start] = proof
    return {start: proof.counted_at for start, proof in last.items() if proof.settled}


def calendar_start(today: date) -> date:
    """The first day of the calendar of days."""
    number = today.year * 12 + today.month - 1 - (CALENDAR_MONTHS - 1)
    return date(number // 12, number % 12 + 1, 1)


def stretches(months: Iterable[Cell]) -> list[tuple[Cell, Cell]]:
    """First and last month of each sequence of consecutive months with the same judgement.

    The most urgent ones come first. Months with pending rows are listed individually, since each has a number of its own.
    """
    runs: list[tuple[Cell, Cell]] = []
    for cell in months:
        if runs and _continues(runs[-1][1], cell):
            runs[-1] = runs[-1][0], cell
        else:
            runs.append((cell, cell))
    return sorted(runs, key=lambda run: (_WORST.index(run[0].state), run[0].first))


def _continues(before: Cell, cell: Cell) -> bool:
    adjacent = last_day(before.first) + _DAY == cell.first
    return adjacent and before.judgement == cell.judgement and cell.judgement.why is not Why.ROWS


def _judge_days(facts: Facts, settings: Settings, first: date, last: date, now: datetime) -> dict[date, Judgement]:
    grid = DayGrid(first, last, settings.timezone)
    readings = sorted(reading for reading in facts.readings if reading.kind in DATED)
    read = Covered((reading.window_start, reading.window_end) for reading in readings)
    newest: list[Read | None] = [None] * len(grid)
    for reading in readings:
        for index in grid.touched(reading.window_start, reading.window_end):
            newest[index] = reading
    proven: list[Proven | None] = [None] * len(grid)
    for proof in sorted(facts.proofs):
        for index in grid.within(proof.window_start, proof.window_end):
            proven[index] = proof
    moving = {index for start, end in facts.unfinished for index in grid.touched(start, end)}
    last_due = _last_due(settings, now)
    nothing = Rows()

    judgements = {}
    for index, day in enumerate(days_between(first, last)):
        known = _Day(
            facts.days.get(day, nothing),
            index in moving or day in facts.moving,
            read.contains(*grid.edges(index)),
            newest[index],
            proven[index],
            too_many_rejected(
                facts.broken_by_day.get(day, Count(0)), facts.days.get(day, nothing), settings.alert_rejected_percent
            ),
            day <= last_due,
        )
        judgements[day] = _judge(known, facts.running)
    return judgements


class _Day(NamedTuple):
    rows: Rows
    moving: bool
    read_whole: bool
    reading: Read | None
    proof: Proven | None
    too_many_rejected: bool
    due: bool


def _judge(day: _Day, running: Collection[str]) -> Judgement:
    proof, reading = day.proof, day.reading
    proven = proof is not None and (reading is None or proof.counted_at >= reading.finished_at)
    if day.moving or (reading is not None and reading.run_id in running and not proven):
        return Judgement(State.IN_PROGRESS)
    if day.rows.pending:
        return Judgement(State.PENDING, Why.ROWS)
    if not day.read_whole:
        if not day.due:
            return Judgement(State.NOT_DUE)
        if reading is None and not day.rows.staged:
            return Judgement(State.NEVER)
        return Judgement(State.PENDING, Why.UNREAD)
    if proof is None or not proven or proof.recount is None:
        return Judgement(State.PENDING, Why.UNPROVEN)
    if not proof.settled:
        # What was pending at the proof has been delivered since; only the next proof can confirm it.
        return Judgement(State.PENDING, Why.UNPROVEN) if proof.pending else Judgement(State.MISMATCH)
    return Judgement(State.REJECTIONS if day.too_many_rejected else State.SETTLED)


def too_many_rejected(broken: Count, rows: Rows, percent: float) -> bool:
    """Whether so many rows of a window are rejected that a person should look: all, or a larger share than ``percent``.

    :param broken: rows that violate the contract; if they were not all counted, they are too many.
    :param rows: valid rows, of which the dashboard may have refused some.
    :param percent: share of all these rows; 0 disables the check, except if all are rejected.
    """
    rejected, everything = broken.counted + rows.refused, broken.counted + rows.staged
    return not broken.is_exact or 0 < rejected == everything or (percent > 0 and rejected * 100 > everything * percent)


def _last_due(settings: Settings, now: datetime) -> date:
    """The last day whose daily send should have started by ``now``."""
    local = now.astimezone(settings.timezone)
    return local.date() - (_DAY if local.time() >= settings.daily_at else 2 * _DAY)


#: The state of a month is the first of these that one of its days has.
_WORST = (State.IN_PROGRESS, State.MISMATCH, State.PENDING, State.NEVER, State.REJECTIONS, State.SETTLED, State.NOT_DUE)


def _fold(found: Collection[Judgement], rows: Rows) -> Judgement:
    """The judgement of a month from those of its days; its share of rejected rows is judged separately."""
    states = {judgement.state for judgement in found}
    worst = next((state for state in _WORST if state in states), State.NOT_DUE)
    if worst is State.PENDING:
        return next(Judgement(worst, why) for why in Why if Judgement(worst, why) in found)
    if worst is State.NEVER and (rows.staged or states - {State.NEVER, State.NOT_DUE}):
        return Judgement(State.PENDING, Why.UNREAD)
    return Judgement(State.SETTLED if worst is State.REJECTIONS else worst)


def _totals(facts: Facts) -> Totals:
    staged = sum(facts.months.values(), facts.outside)
    counted = _side_by_side(facts.readings)
    return Totals(
        delivered=staged.delivered,
        rejected=sum(facts.broken.values(), Count(staged.refused)),
        excluded=sum(reading.excluded for reading in counted),
        duplicates=sum(reading.duplicates for reading in counted),
        pending=staged.pending,
        undated=facts.broken.get(UNDATED, Count(0)),
        adopted=facts.adopted,
        outside=facts.outside,
    )


def _side_by_side(readings: Iterable[Read]) -> list[Read]:
    """Readings of which none lies within another: the widest that begins at each instant, and days beyond its end.

    Two of them may still share part of a day: a month cut at the time of its run, and the day of that cut. Only excluded and
    duplicate rows of that day would be counted twice, which recent days hardly have.
    """
    widest: dict[datetime, Read] = {}
    for reading in readings:
        known = widest.get(reading.window_start)
        if known is None or (known.window_end, known.id) < (reading.window_end, reading.id):
            widest[reading.window_start] = reading
    chosen: list[Read] = []
    for reading in sorted(widest.values(), key=lambda one: one.window_start):
        if not chosen or reading.window_end > chosen[-1].window_end:
            chosen.append(reading)
    return chosen
