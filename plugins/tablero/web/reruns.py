"""Which runs pick up a corrected row: those that read and send its day or month again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from typing import NamedTuple

#: Up to so many days are sent each by a run of its own; more, month by month.
MAX_DAYS = 3

#: Up to so many stretches of months get a run each; more, one run over all of them.
MAX_STRETCHES = 4


class Rerun(NamedTuple):
    """A run to be started.

    :ivar conf: its parameters.
    """

    dag_id: str
    conf: dict[str, str]


def plan_days(days: Iterable[date], *, earliest: date, today: date) -> list[Rerun]:
    """The runs that read and send these days again: as few rows as can be, and never many runs.

    Reading more than was asked for does no harm, only what is missing is sent.

    :param earliest: days before its month are no window's. Every run of the historical load reads what lies in no month, so
        the shortest one will do for them: that of ``today``.
    """
    everything = set(days)
    chosen = sorted(day for day in everything if day >= earliest.replace(day=1))
    undated = plan_months([today]) if len(chosen) < len(everything) else []
    if len(chosen) <= MAX_DAYS:
        return [Rerun("daily_send", {"day": day.isoformat()}) for day in chosen] + undated
    return plan_months(chosen) or undated


def plan_months(days: Iterable[date]) -> list[Rerun]:
    """The runs that read and send the months of these days again."""
    months = sorted({day.replace(day=1) for day in days})
    if not months:
        return []
    stretches = _stretches(months)
    if len(stretches) > MAX_STRETCHES:
        stretches = [(months[0], months[-1])]
    return [
        Rerun("historical_load", {"start_month": f"{first:%Y-%m}", "end_month": f"{last:%Y-%m}"}) for first, last in stretches
    ]


def _stretches(months: list[date]) -> list[tuple[date, date]]:
    starts = [months[0], *(later for earlier, later in pairwise(months) if _number(later) != _number(earlier) + 1)]
    ends = [*(earlier for earlier, later in pairwise(months) if _number(later) != _number(earlier) + 1), months[-1]]
    return list(zip(starts, ends, strict=True))


def _number(month: date) -> int:
    return month.year * 12 + month.month
