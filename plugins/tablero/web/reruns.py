"""Which runs pick up a corrected row: those that read and send its day or month again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import NamedTuple

#: Up to this number of days, each is sent by a run of its own; more are sent by month.
MAX_DAYS = 3

#: Up to this number of sequences of months, each gets a run; more get one run over all of them.
MAX_STRETCHES = 4


class Rerun(NamedTuple):
    """A run to be triggered.

    :ivar conf: its parameters.
    """

    dag_id: str
    conf: dict[str, str]


def plan_days(days: Iterable[date], *, earliest: date, today: date) -> list[Rerun]:
    """The runs that read and send these days again: with few rows and few runs.

    Reading more than requested does no harm, since only what is missing is sent.

    :param earliest: days before its month belong to no month. Every historical load reads the undated rows, so the shortest
        one, for the month of ``today``, is enough for them.
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
    """First and last month of each sequence of consecutive ones."""
    found: list[tuple[date, date]] = []
    for month in months:
        if found and (month - timedelta(days=1)).replace(day=1) == found[-1][1]:
            found[-1] = found[-1][0], month
        else:
            found.append((month, month))
    return found
