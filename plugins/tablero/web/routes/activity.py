"""Charts: deliveries over time, the dashboard's response times, rejections by reason; and batches, degradations, dry runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import chain, islice

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import day_window
from tablero.outbox.findings import DryRunResult, nights
from tablero.outbox.reports import activity as activity_report
from tablero.outbox.reports import batches as batches_report
from tablero.outbox.reports import findings as findings_report
from tablero.outbox.reports import rejections as rejections_report
from tablero.outbox.reports.activity import Call
from tablero.outbox.requeue import Filter
from tablero.settings import Settings
from tablero.web import charts
from tablero.web.airflow_runs import link_to
from tablero.web.charts import percentile
from tablero.web.page import PageDep, as_run_id

router = APIRouter()

_DAYS, _CALLS, _SLICES = 31, 2_000, 40

#: Age and number of the degradations that are shown.
_FINDINGS_SINCE, _FINDINGS = timedelta(days=90), 30

_DRY_RUNS, _SAMPLES = 10, 50

#: Counts of a dry run, in the order in which they are shown: the first is the sum of the next five.
_COLUMNS = ("read", "new", "known", "rejected", "excluded", "duplicates", "gone", "withdrawn", "resent", "batches")


@router.get("/activity")
def show_activity(page: PageDep) -> Response:
    """The page of charts."""
    zone = page.settings.timezone
    days = [page.today - timedelta(days=back) for back in reversed(range(_DAYS))]
    with page.outbox() as connection:
        delivered = activity_report.delivered_in(connection, [day_window(day, zone) for day in days])
        calls = activity_report.last_calls(connection, limit=_CALLS)
        unusual = findings_report.last_found(connection, since=page.now - _FINDINGS_SINCE, limit=_FINDINGS)
        dry_runs = findings_report.dry_runs(connection, limit=_DRY_RUNS)
        reasons = rejections_report.count_some_by_reason(connection, Filter())
        batches = batches_report.count_by_kind(connection, page.now)
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
        reasons=dict(sorted(reasons.items(), key=lambda item: -item[1].counted)),
        most_rejected=max((count.counted for count in reasons.values()), default=1),
        unusual=[(found, link_to(found.dag_id, found.run_id)) for found in unusual],
        dry_runs=dry_runs,
        batches=batches,
    )


@router.get("/dry-run")
def show_dry_run(page: PageDep, run: str = "") -> Response:
    """The result of a dry run, window by window."""
    with page.outbox() as connection:
        windows = findings_report.windows_of_dry_run(connection, as_run_id(run) or "")
    if not windows:
        raise HTTPException(404)
    results = [window.result for window in windows]
    seconds = _seconds(results, page.settings)
    return page.render(
        "dry_run.html",
        run=link_to(windows[0].dag_id, windows[0].run_id),
        done_at=max(window.done_at for window in windows),
        windows=windows,
        columns=_COLUMNS,
        sums={name: sum(_count(result, name) for result in results) for name in _COLUMNS},
        count=_count,
        seconds=seconds,
        nights=nights(seconds, page.settings.send_hours),
        rejected=_rejected(results),
        samples=list(islice(chain.from_iterable(result.samples for result in results), _SAMPLES)),
        fields=FIELDS,
    )


def _count(result: DryRunResult, column: str) -> int:
    return sum(result.rejected.values()) if column == "rejected" else int(getattr(result, column))


def _seconds(results: Sequence[DryRunResult], settings: Settings) -> float | None:
    """How long all windows take, ``parallel_months`` of them at a time; ``None`` if that is unknown for one of them."""
    known = [result.seconds for result in results if result.seconds is not None]
    if len(known) < len(results):
        return None
    return max(*known, sum(known) / settings.parallel_months) if len(known) > 1 else sum(known)


def _rejected(results: Sequence[DryRunResult]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for result in results:
        counts.update(result.rejected)
    return dict(counts.most_common())


def _slices(calls: Sequence[Call]) -> list[tuple[datetime, float, float]]:
    """Slices with equal numbers of calls: start of each, and the response times that 50 % and 95 % of its calls did not
    exceed.
    """
    size = max(1, -(-len(calls) // _SLICES))
    found = []
    for start in range(0, len(calls), size):
        part = calls[start : start + size]
        seconds = sorted(call.seconds for call in part)
        found.append((part[0].started_at, percentile(seconds, 0.5), percentile(seconds, 0.95)))
    return found
