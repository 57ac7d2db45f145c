"""The evidence of a month: a page to print, and the same as JSON, as CSV, and row by row."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from tablero.contract.windows import Window, local_day, window_of
from tablero.outbox.reports import evidence as evidence_report
from tablero.web import evidence, safe_csv
from tablero.web.airflow_runs import Runs, RunsDep
from tablero.web.coverage.facts import gather
from tablero.web.coverage.survey import survey
from tablero.web.evidence import Delivered, Month
from tablero.web.page import DOCUMENT_SECONDS, Page, PageDep
from tablero.web.routes.coverage import by_year, explain
from tablero.web.routes.rejections import download

router = APIRouter()


@router.get("/evidence")
def list_months(page: PageDep, runs: RunsDep) -> Response:
    """The list of months."""
    running = {run.run_id for run in runs.at_work()}
    with page.outbox() as connection:
        found = survey(gather(connection, page.settings, page.now, running), page.settings, page.now)
    return page.render("evidence_list.html", years=by_year(found.months))


# Registered before the page, whose route would match "2022-03.json" as the name of a month.
@router.get("/evidence/{label}.json")
def as_json(page: PageDep, runs: RunsDep, label: str) -> Response:
    """The evidence as JSON; the monthly digest has the same attached."""
    month, delivered = _collect(page, runs, label)
    user_name = page.user.get_name() if page.user else None
    text = evidence.to_json(month, delivered, page.settings, now=page.now, made_by=user_name, language=page.texts.language)
    return download(iter([text]), f"{_name(page, label)}.json", "application/json")


@router.get("/evidence/{label}.csv")
def as_csv(page: PageDep, runs: RunsDep, label: str) -> Response:
    """The evidence as CSV: the counts, and on every line what identifies the document."""
    month, delivered = _collect(page, runs, label)
    headings = [page.texts(f"csv.{name}") for name in ("month", "service", "status", "status_name", "rows", "state")]
    headings += [page.texts("evidence.last"), page.texts("csv.digest"), page.texts("evidence.made")]
    last = page.formats.iso(month.acknowledged.last) if month.acknowledged.last else ""
    tail = [page.texts(f"state.{month.cell.state.value}"), last, delivered.digest, page.formats.iso(page.now)]
    # A month without deliveries has a line, too: its state and the checksum of no rows.
    table: list[tuple[object, ...]] = [*delivered.table()] or [(None, None, None, 0)]
    rows = ([label, *cells, *tail] for cells in table)
    return download(safe_csv.write(headings, rows), f"{_name(page, label)}.csv", "text/csv; charset=utf-8")


@router.get("/evidence/{label}/rows.jsonl")
def as_rows(page: PageDep, label: str) -> Response:
    """The delivered rows; the checksum of the document is that of this file."""
    window = _month(page, label)
    rows = evidence_report.delivered_rows(partial(page.outbox, seconds=DOCUMENT_SECONDS), window)
    return download(evidence.lines(rows), f"{_name(page, label)}.jsonl", "application/jsonl")


@router.get("/evidence/{label}")
def show_evidence(page: PageDep, runs: RunsDep, label: str) -> Response:
    """The page to read and print."""
    month, delivered = _collect(page, runs, label)
    return page.render(
        "evidence.html",
        month=month,
        cell=month.cell,
        why=lambda shown: explain(page, shown),
        delivered=delivered,
        file=_name(page, label),
        user_name=page.user.get_name() if page.user else "",
    )


def _collect(page: Page, runs: Runs, label: str) -> tuple[Month, Delivered]:
    window = _month(page, label)
    running = {run.run_id for run in runs.at_work()}
    connect = partial(page.outbox, seconds=DOCUMENT_SECONDS)
    with connect() as connection:
        month = evidence.month_of(connection, page.settings, window, now=page.now, running=running)
    return month, page.site.evidence.collect(connect, month)


def _month(page: Page, label: str) -> Window:
    """The whole month; 404 if there is none with this label."""
    try:
        window = window_of(label, page.settings.timezone)
    except ValueError:
        raise HTTPException(404) from None
    first = local_day(window.start, page.settings.timezone)
    if window.label != label or window.kind != "month" or not page.settings.earliest.replace(day=1) <= first <= page.today:
        raise HTTPException(404)
    return window


def _name(page: Page, label: str) -> str:
    return evidence.file_name(label, page.texts.language)
