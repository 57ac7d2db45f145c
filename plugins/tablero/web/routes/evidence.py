"""The evidence of a month: a page to print, and the same as JSON, as CSV, and row by row."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException
from fastapi.responses import Response
from tablero.contract.windows import Window, local_day
from tablero.outbox.reports import evidence as evidence_report
from tablero.outbox.reports import windows as windows_report
from tablero.outbox.reports.common import Proof
from tablero.web import coverage, evidence, spreadsheet
from tablero.web.airflow_runs import Runs, RunsDep
from tablero.web.coverage import Cell, window_of
from tablero.web.evidence import Evidence
from tablero.web.page import DOCUMENT_SECONDS, Page, PageDep
from tablero.web.routes.coverage import by_year, explain
from tablero.web.routes.rejections import download

router = APIRouter()


@router.get("/evidence")
def list_months(page: PageDep, runs: RunsDep) -> Response:
    """The months, to choose one."""
    running = {run.run_id for run in runs.at_work()}
    with page.outbox() as connection:
        found = coverage.survey(coverage.gather(connection, page.settings, page.now, running), page.settings, page.now)
    return page.render("months.html", years=by_year(found.months))


# Before the page: it would take "2022-03.json" for the name of a month.
@router.get("/evidence/{label}.json")
def as_json(page: PageDep, runs: RunsDep, label: str) -> Response:
    """For machines."""
    cell, proof, found = _collect(page, runs, label)
    text = orjson.dumps(_document(page, cell, proof, found), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return download(iter([text]), f"{_name(page, label)}.json", "application/json")


@router.get("/evidence/{label}.csv")
def as_csv(page: PageDep, runs: RunsDep, label: str) -> Response:
    """For spreadsheets: the counts, and all that identifies the document on every line."""
    cell, _, found = _collect(page, runs, label)
    headings = [page.texts(f"csv.{name}") for name in ("month", "service", "status", "status_name", "rows", "state")]
    headings += [page.texts("evidence.last"), page.texts("csv.digest"), page.texts("evidence.made")]
    last = page.formats.iso(found.acknowledged.last) if found.acknowledged.last else ""
    tail = [page.texts(f"state.{cell.state.value}"), last, found.digest, page.formats.iso(page.now)]
    rows = ([label, service, status, name, count, *tail] for service, status, name, count in found.table())
    return download(spreadsheet.write(headings, rows), f"{_name(page, label)}.csv", "text/csv; charset=utf-8")


@router.get("/evidence/{label}/rows.jsonl")
def as_rows(page: PageDep, label: str) -> Response:
    """The delivered rows themselves: the digest of the document is that of this file."""
    window = _month(page, label)
    rows = evidence_report.delivered_rows(partial(page.outbox, seconds=DOCUMENT_SECONDS), window)
    return download(evidence.lines(rows), f"{_name(page, label)}.jsonl", "application/jsonl")


@router.get("/evidence/{label}")
def show_evidence(page: PageDep, runs: RunsDep, label: str) -> Response:
    """To read and to print."""
    cell, proof, found = _collect(page, runs, label)
    return page.render(
        "evidence.html",
        cell=cell,
        why=lambda shown: explain(page, shown),
        proof=proof,
        evidence=found,
        file=_name(page, label),
        user_name=page.user.get_name() if page.user else "",
    )


def _collect(page: Page, runs: Runs, label: str) -> tuple[Cell, Proof | None, Evidence]:
    window = _month(page, label)
    first = date.fromisoformat(f"{label}-01")
    running = {run.run_id for run in runs.at_work()}
    with page.outbox(seconds=DOCUMENT_SECONDS) as connection:
        facts = coverage.gather(connection, page.settings, page.now, running)
        cells = coverage.survey(facts, page.settings, page.now).months
        proof = windows_report.last_proof(connection, window)
        acknowledged = evidence_report.acknowledged(connection, window)
    found = page.site.shelf.fetch(partial(page.outbox, seconds=DOCUMENT_SECONDS), window, acknowledged)
    return next(cell for cell in cells if cell.first == first), proof, found


def _month(page: Page, label: str) -> Window:
    """The whole month; 404 if there is none of that name to show."""
    try:
        window = window_of(label, page.settings.timezone)
    except ValueError:
        raise HTTPException(404) from None
    first = local_day(window.start, page.settings.timezone)
    if window.label != label or window.kind != "month" or not page.settings.earliest.replace(day=1) <= first <= page.today:
        raise HTTPException(404)
    return window


def _name(page: Page, label: str) -> str:
    return f"tablero-{page.texts('file.evidence')}-{label}"


def _document(page: Page, cell: Cell, proof: Proof | None, found: Evidence) -> dict[str, Any]:
    formats = page.formats
    return {
        "month": cell.label,
        "from": formats.iso(found.window.start),
        "to": formats.iso(found.window.end),
        "time_zone": page.settings.timezone.name,
        "institution": page.settings.xroad_client,
        "target": page.settings.api_path,
        "made_at": formats.iso(page.now),
        "made_by": page.user.get_name() if page.user else None,
        "version": page.version,
        "state": cell.state.value,
        "delivered": found.rows,
        "pending": cell.rows.pending,
        "rejected": cell.rejected,
        "batches": found.acknowledged.batches,
        "adopted_batches": found.acknowledged.adopted,
        "recognised_batches": found.acknowledged.recognised,
        "first_acknowledgement": formats.iso(found.acknowledged.first) if found.acknowledged.first else None,
        "last_acknowledgement": formats.iso(found.acknowledged.last) if found.acknowledged.last else None,
        "last_proof": None
        if proof is None
        else {
            "window": proof.label,
            "counted_at": formats.iso(proof.counted_at),
            "rows_in_source": proof.recount,
            "settled": proof.settled,
        },
        "digest": {"algorithm": "sha256", "of": f"{_name(page, cell.label)}.jsonl", "value": found.digest},
        "counts": [
            {"service_id": service, "status_id": status, "status": name, "rows": rows}
            for service, status, name, rows in found.table()
        ],
    }
