"""Where people would rather look than read: deliveries over time, the dashboard's latency, rejections by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import Response
from tablero.contract.windows import day_window
from tablero.outbox.reports import activity as activity_report
from tablero.outbox.reports import rejections as rejections_report
from tablero.outbox.reports.activity import Call
from tablero.outbox.reports.common import COUNT_LIMIT
from tablero.outbox.requeue import Filter
from tablero.web import charts
from tablero.web.charts import percentile
from tablero.web.page import PageDep

router = APIRouter()

_DAYS, _CALLS, _SLICES = 31, 2_000, 40


@router.get("/activity")
def show_activity(page: PageDep) -> Response:
    """The figures."""
    zone = page.settings.timezone
    days = [page.today - timedelta(days=back) for back in reversed(range(_DAYS))]
    with page.outbox() as connection:
        delivered = activity_report.delivered_in(connection, [day_window(day, zone) for day in days])
        calls = activity_report.last_calls(connection, limit=_CALLS)
        reasons = rejections_report.count_by_reason(connection, Filter())
    by_day: list[tuple[date, int]] = [(day, delivered.get(day.isoformat(), 0)) for day in days]
    best_day, best_rows = max(by_day, key=lambda pair: pair[1])
    slices = _slices(calls)
    seconds = sorted(call.seconds for call in calls)
    formats = page.formats
    return page.render(
        "activity.html",
        deliveries=charts.columns([formats.short_day(day) for day in days], [rows for _, rows in by_day], every=5),
        by_day=by_day,
        delivered=sum(rows for _, rows in by_day),
        best_rows=best_rows,
        best_day=formats.long_day(best_day),
        latency=charts.lines(
            [formats.short_instant(start) for start, _, _ in slices],
            {
                page.texts("activity.half"): [half for _, half, _ in slices],
                page.texts("activity.most"): [most for _, _, most in slices],
            },
            every=max(1, -(-len(slices) // 5)),
        )
        if slices
        else None,
        slices=slices,
        calls=len(calls),
        half=percentile(seconds, 0.5) if seconds else 0.0,
        most=percentile(seconds, 0.95) if seconds else 0.0,
        outcomes=dict(Counter(call.outcome for call in calls).most_common()),
        reasons=dict(sorted(reasons.items(), key=lambda item: -item[1])),
        most_rejected=max(reasons.values(), default=1),
        limit=COUNT_LIMIT,
    )


def _slices(calls: Sequence[Call]) -> list[tuple[datetime, float, float]]:
    """The calls in slices of equal number: when each began, and the time that half, and 95 %, of its calls did not exceed."""
    size = max(1, -(-len(calls) // _SLICES))
    found = []
    for start in range(0, len(calls), size):
        part = calls[start : start + size]
        seconds = sorted(call.seconds for call in part)
        found.append((part[0].started_at, percentile(seconds, 0.5), percentile(seconds, 0.95)))
    return found
