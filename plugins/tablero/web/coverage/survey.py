"""All months and days with their states, and the totals of all rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from tablero.contract.windows import DATED, UNDATED, days_between, first_instant, last_day, local_day, months_between
from tablero.delivery.health.degraded import Cause, is_low_volume
from tablero.outbox.findings import Degradation
from tablero.outbox.reports import findings as findings_report
from tablero.outbox.reports.coverage import Proven, Read
from tablero.outbox.reports.snapshot import Count, Rows
from tablero.settings import Settings
from tablero.web.coverage.facts import Facts
from tablero.web.coverage.judging import WORST, Judgement, State, Why, fold, judge_days, too_many_rejected

_DAY = timedelta(days=1)

#: A civil day on which the clocks are put back.
_LONGEST_DAY = timedelta(hours=25)

_NONE = Count(0)


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


def survey(facts: Facts, settings: Settings, now: datetime) -> Coverage:
    """Judge every month from ``earliest`` to now, and the days of ``facts.span``."""
    start, today = settings.earliest.replace(day=1), local_day(now, settings.timezone)
    judged = _Judged(facts, settings, today, judge_days(facts, settings, start, today, now))
    return Coverage(
        judged.months(start, today),
        judged.days(),
        _totals(facts),
        ever_read=bool(facts.readings or facts.months or facts.outside.staged),
        late_outside=sorted({f"{day:%Y-%m}" for day, rows in facts.days.items() if rows.pending and day < start}),
    )


def survey_window(facts: Facts, settings: Settings, now: datetime) -> tuple[Cell, dict[date, Cell]]:
    """Judge the days of ``facts.span``, and the month or the day that they form."""
    first, last = facts.span
    today = local_day(now, settings.timezone)
    judged = _Judged(facts, settings, today, judge_days(facts, settings, first, min(last, today), now))
    days = judged.days()
    return days[first] if first == last else judged.months(first, first)[0], days


class _Judged(NamedTuple):
    """The facts, and the judgement of each day."""

    facts: Facts
    settings: Settings
    today: date
    judgements: Mapping[date, Judgement]

    def days(self) -> dict[date, Cell]:
        """The days of ``facts.span``."""
        facts, nothing = self.facts, Rows()
        first, last = facts.span
        cells = {}
        for day in days_between(first, min(last, self.today)):
            rows, broken = facts.days.get(day, nothing), facts.broken_by_day.get(day, _NONE)
            degraded = tuple(_still_degraded(facts.degraded.get(day, ()), rows.staged + broken.counted, self.settings))
            cells[day] = Cell(day.isoformat(), day, self.judgements[day], rows, broken, degraded=degraded)
        return cells

    def months(self, first: date, last: date) -> list[Cell]:
        """The months from that of ``first`` to that of ``last``."""
        proved, began = _whole_proofs(self.facts.proofs), _first_read(self.facts, self.settings)
        return [
            self._month(month, began, proved.get(first_instant(month, self.settings.timezone)))
            for month in months_between(first, last)
        ]

    def _month(self, month: date, began: date | None, proved_at: datetime | None) -> Cell:
        label = f"{month:%Y-%m}"
        rows, broken = self.facts.months.get(label, Rows()), self.facts.broken.get(label, _NONE)
        days = days_between(_first_judged(month, began, self.settings), min(last_day(month), self.today))
        found = fold({self.judgements[day] for day in days}, rows)
        if found.state is State.SETTLED and too_many_rejected(broken, rows, self.settings.alert_rejected_percent):
            found = Judgement(State.REJECTIONS)
        return Cell(label, month, found, rows, broken, proved_at)


def _still_degraded(found: Iterable[Degradation], rows: int, settings: Settings) -> Iterator[Degradation]:
    """The degradations of a day that still hold, now that it has ``rows``: more may have arrived since."""
    for one in found:
        if one.cause == Cause.ALL_EXCLUDED.value and rows:
            continue
        if one.cause not in findings_report.LOW_VOLUME:
            yield one
        elif is_low_volume(rows, one.of_rows or None, settings.alert_low_volume_percent):
            yield one._replace(rows=rows)


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
    return sorted(runs, key=lambda run: (WORST.index(run[0].state), run[0].first))


def _continues(before: Cell, cell: Cell) -> bool:
    adjacent = last_day(before.first) + _DAY == cell.first
    return adjacent and before.judgement == cell.judgement and cell.judgement.why is not Why.ROWS


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
