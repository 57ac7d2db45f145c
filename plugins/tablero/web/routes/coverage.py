"""The first page: coverage of all months and of the last days, totals, and active runs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.engine import Connection
from tablero.outbox.reports import activity as activity_report
from tablero.outbox.reports import batches as batches_report
from tablero.outbox.reports import coverage as coverage_report
from tablero.outbox.reports import findings as findings_report
from tablero.web.access import HISTORY
from tablero.web.airflow_runs import Run, Runs, RunsDep, link_to
from tablero.web.coverage.facts import gather
from tablero.web.coverage.judging import State
from tablero.web.coverage.survey import Cell, Coverage, stretches, survey
from tablero.web.page import Page, PageDep
from tablero.web.progress import LATELY, pace

router = APIRouter()

#: Seconds between two updates of the active runs.
_LIVE_SECONDS = 3

#: Age and number of the degradations on the first page; the number also limits unconfirmed batches.
_RECENT, _LISTED = timedelta(days=2), 5

#: States in which a month is incomplete, and those listed on the first page: also months that someone should look at.
_MISSING = (State.MISMATCH, State.PENDING, State.NEVER)
_NOTEWORTHY = (*_MISSING, State.REJECTIONS)


@router.get("/")
def show_coverage(page: PageDep, runs: RunsDep) -> Response:
    """All months and the last days."""
    at_work = runs.at_work()
    running = {run.run_id for run in at_work}
    with page.outbox() as connection:
        facts = gather(connection, page.settings, page.now, running, calendar=True)
        found = survey(facts, page.settings, page.now)
        live = _live(connection, at_work, runs, page)
        unusual = findings_report.last_found(connection, since=page.now - _RECENT, limit=_LISTED)
        unconfirmed = batches_report.of_kind(connection, "unconfirmed", page.now, skip=0, limit=_LISTED + 1)
        whole = coverage_report.last_view_count(connection)
    daily = runs.daily()
    missing = found.having(*_MISSING)
    return page.render(
        "coverage.html",
        coverage=found,
        first_month=page.settings.earliest,
        headline=_headline(page, found, missing),
        missing=stretches(found.having(*_NOTEWORTHY)) if found.ever_read else [],
        why=lambda cell: explain(page, cell),
        years=by_year(found.months),
        calendars=[(month, weeks_of(month, found.days)) for month in calendar_months(found.days)],
        daily=daily,
        daily_link=link_to(daily.last.dag_id, daily.last.run_id) if daily.last else None,
        whole=whole,
        whole_link=link_to(HISTORY, whole.run_id) if whole else None,
        at_work=live,
        unusual=unusual,
        unconfirmed=unconfirmed[:_LISTED],
        more_unconfirmed=len(unconfirmed) > _LISTED,
        live_seconds=_LIVE_SECONDS,
    )


@router.get("/live")
def show_work(page: PageDep, runs: RunsDep) -> Response:
    """The active runs, as a fragment of the first page."""
    with page.outbox() as connection:
        live = _live(connection, runs.at_work(), runs, page)
    response = page.render("live_only.html", at_work=live)
    response.headers["X-Tablero-At-Work"] = str(len(live))
    return response


def explain(page: Page, cell: Cell) -> str:
    """The state of a day or a month as a sentence."""
    if cell.state is State.PENDING:
        return page.texts(f"why.{cell.judgement.why.value}", n=cell.rows.pending)
    return page.texts(f"state.{cell.state.value}.means")


def by_year(months: list[Cell]) -> list[tuple[int, list[Cell | None]]]:
    """The months in rows of twelve."""
    years: dict[int, list[Cell | None]] = {}
    for cell in months:
        years.setdefault(cell.first.year, [None] * 12)[cell.first.month - 1] = cell
    return list(years.items())


def calendar_months(days: dict[date, Cell]) -> list[date]:
    """The months of these days, latest first."""
    return sorted({day.replace(day=1) for day in days}, reverse=True)


def weeks_of(month: date, days: dict[date, Cell]) -> list[list[Cell | None]]:
    """The days of a month in weeks from Monday to Sunday."""
    cells: list[Cell | None] = [None] * month.weekday()
    day = month
    while day.month == month.month:
        cells.append(days.get(day))
        day += timedelta(days=1)
    cells += [None] * (-len(cells) % 7)
    return [cells[start : start + 7] for start in range(0, len(cells), 7)]


def _headline(page: Page, found: Coverage, missing: list[Cell]) -> str:
    if not found.ever_read:
        return page.texts("answer.nothing")
    if missing:
        return page.texts("answer.missing", n=len(missing))
    if found.having(State.IN_PROGRESS):
        return page.texts("answer.progress", n=len(found.having(State.IN_PROGRESS)))
    if found.totals.outside.pending:
        return page.texts("answer.outside")
    settled = [day for day, cell in found.days.items() if cell.state in (State.SETTLED, State.REJECTIONS)]
    return page.texts("answer.settled", day=page.formats.long_day(max(settled))) if settled else page.texts("answer.all")


def _live(connection: Connection, at_work: list[Run], runs: Runs, page: Page) -> list[dict[str, Any]]:
    if not at_work:
        return []
    pending = activity_report.pending_rows(connection)
    live = []
    for run in at_work:
        seconds = min(LATELY, (page.now - run.start).total_seconds()) if run.start else 0.0
        progress = activity_report.progress_of(connection, run.run_id, since=page.now - timedelta(seconds=seconds))
        speed = pace(progress, pending=pending, windows_left=runs.months_left(run), seconds=seconds, now=page.now)
        live.append({"run": run, "progress": progress, "pace": speed, "link": link_to(run.dag_id, run.run_id)})
    return live
