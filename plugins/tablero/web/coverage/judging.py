"""Judging days by their newest reading and proof, and months by their days."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from enum import Enum
from typing import NamedTuple

from tablero.contract.intervals import Covered, DayGrid
from tablero.contract.windows import DATED, days_between
from tablero.outbox.reports.coverage import Proven, Read
from tablero.outbox.reports.snapshot import Count, Rows
from tablero.settings import Settings
from tablero.web.coverage.facts import Facts

_DAY = timedelta(days=1)


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


#: The state of a month is the first of these that one of its days has.
WORST = (State.IN_PROGRESS, State.MISMATCH, State.PENDING, State.NEVER, State.REJECTIONS, State.SETTLED, State.NOT_DUE)


def judge_days(facts: Facts, settings: Settings, first: date, last: date, now: datetime) -> dict[date, Judgement]:
    """The judgement of each day.

    :param first, last: the first and the last of them.
    """
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


def fold(found: Collection[Judgement], rows: Rows) -> Judgement:
    """The judgement of a month from those of its days; its share of rejected rows is judged separately."""
    states = {judgement.state for judgement in found}
    worst = next((state for state in WORST if state in states), State.NOT_DUE)
    if worst is State.PENDING:
        return next(Judgement(worst, why) for why in Why if Judgement(worst, why) in found)
    if worst is State.NEVER and (rows.staged or states - {State.NEVER, State.NOT_DUE}):
        return Judgement(State.PENDING, Why.UNREAD)
    return Judgement(State.SETTLED if worst is State.REJECTIONS else worst)
