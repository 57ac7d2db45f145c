"""One window: its counts, proofs, readings and batches, and the runs concerned."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from tablero.contract.windows import Window, local_day, window_of
from tablero.outbox.reports import activity as activity_report
from tablero.outbox.reports import findings as findings_report
from tablero.outbox.reports import windows as windows_report
from tablero.outbox.reports.activity import Progress
from tablero.web.airflow_runs import RunsDep, link_to
from tablero.web.coverage.facts import gather_window
from tablero.web.coverage.judging import State
from tablero.web.coverage.survey import survey_window
from tablero.web.page import PageDep
from tablero.web.progress import LATELY, pace
from tablero.web.routes.coverage import explain, weeks_of

router = APIRouter()

_BATCHES, _ATTEMPTS_EACH, _LISTED = 25, 5, 20

_STATES = ("pending", "delivered", "refused", "withdrawn", "split")


@router.get("/window/{label}")
def show_window(
    page: PageDep,
    runs: RunsDep,
    label: str,
    state: str = "",
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> Response:
    """A month or a day."""
    settings, today = page.settings, page.today
    window, first, last = _window(label, page)
    chosen = state if state in _STATES else None
    running = {run.run_id for run in runs.at_work()}
    with page.outbox() as connection:
        facts = gather_window(connection, settings, page.now, running, first, last)
        readings = windows_report.readings_of(connection, window, limit=_LISTED)
        proofs = windows_report.proofs_of(connection, window, limit=_LISTED)
        proof = windows_report.last_proof(connection, window)
        recently = activity_report.delivered_since(connection, window, page.now - timedelta(seconds=LATELY))
        unusual = findings_report.found_in(connection, window, limit=_LISTED)
        batches = windows_report.batches_of(connection, window, state=chosen, after=after, limit=_BATCHES + 1)
        more = len(batches) > _BATCHES
        batches = batches[:_BATCHES]
        attempts = windows_report.last_attempts(connection, [batch.id for batch in batches], each=_ATTEMPTS_EACH)
    links = runs.links([*((shown.run_id, None) for shown in proofs), *((shown.run_id, shown.label) for shown in readings)])
    month = window.kind == "month"
    cell, days = survey_window(facts, settings, page.now)
    so_far = Progress(cell.rows.delivered, recently, windows_read=0, rows_new=0, last_attempt=None)
    before, following = _neighbours(first, month=month)
    formats = page.formats
    return page.render(
        "window.html",
        name=formats.month(first) if month else formats.long_day(first),
        cell=cell,
        why=lambda shown: explain(page, shown),
        upper=None if month else first.replace(day=1),
        weeks=weeks_of(first, days) if month else [],
        whole_month=month,
        is_loading=cell.state is State.IN_PROGRESS,
        progress=so_far,
        pace=pace(so_far, pending=cell.rows.pending, windows_left=0, seconds=LATELY, now=page.now),
        before=before[0] if before[1] >= settings.earliest.replace(day=1) else None,
        before_name=formats.month(before[1]) if month else formats.day(before[1]),
        after=following[0] if following[1] <= today else None,
        after_name=formats.month(following[1]) if month else formats.day(following[1]),
        now={"delivered": cell.rows.delivered, "rejected": cell.rejected, "pending": cell.rows.pending},
        rejected=cell.rejected,
        rejected_link=page.link("rejections", month=label),
        proof=proof,
        unusual=[(found, link_to(found.dag_id, found.run_id)) for found in unusual],
        proofs=list(zip(proofs, links[: len(proofs)], strict=True)),
        readings=list(zip(readings, links[len(proofs) :], strict=True)),
        states=_STATES,
        chosen_state=chosen,
        batches=batches,
        attempts=attempts,
        more=more,
    )


def _window(label: str, page: PageDep) -> tuple[Window, date, date]:
    """The window of a label, its first and its last day; 404 if the page does not show it."""
    try:
        window = window_of(label, page.settings.timezone)
    except ValueError:
        raise HTTPException(404) from None
    first = local_day(window.start, page.settings.timezone)
    last = local_day(window.end - timedelta(microseconds=1), page.settings.timezone)
    if window.label != label or last < page.settings.earliest or first > page.today:
        raise HTTPException(404)
    return window, first, last


def _neighbours(first: date, *, month: bool) -> tuple[tuple[str, date], tuple[str, date]]:
    """The windows before and after, each with its first day."""
    if not month:
        days = first - timedelta(days=1), first + timedelta(days=1)
        return (days[0].isoformat(), days[0]), (days[1].isoformat(), days[1])
    months = (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=31)).replace(day=1)
    return (f"{months[0]:%Y-%m}", months[0]), (f"{months[1]:%Y-%m}", months[1])
