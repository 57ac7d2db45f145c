"""Rejected rows: grouped by reason, filtered, listed, downloaded."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response, StreamingResponse
from tablero.contract.reasons import Reason
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import UNDATED, Window, undated_window, window_of
from tablero.outbox.engine import from_microseconds, to_microseconds
from tablero.outbox.reports import rejections as rejections_report
from tablero.outbox.reports.rejections import Rejection
from tablero.outbox.requeue import Filter
from tablero.web import safe_csv
from tablero.web.access import may_write
from tablero.web.page import DOCUMENT_SECONDS, Page, PageDep

router = APIRouter()

_ROWS = 100

#: The limit of spreadsheets.
_MOST_LINES = 1_000_000


@router.get("/rejections")
def show_rejections(page: PageDep, reason: str = "", service: str = "", month: str = "", before: str = "") -> Response:
    """Rejected rows by reason; with a reason chosen, or if there is only one, the rows themselves."""
    chosen = read_filter(page, reason, service, month)
    rows: list[Rejection] = []
    with page.outbox() as connection:
        counts = rejections_report.count_some_by_reason(connection, chosen)
        if len(counts) == 1:
            chosen = chosen._replace(reason=next(iter(counts)))
        if chosen.reason is not None:
            rows = rejections_report.page_of(connection, chosen, before=_place(before, chosen.reason), limit=_ROWS + 1)
    more = len(rows) > _ROWS
    rows = rows[:_ROWS]
    return page.render(
        "rejections.html",
        chosen=chosen,
        month=month,
        counts=dict(sorted(counts.items(), key=lambda item: -item[1].counted)),
        reasons=[reason.value for reason in Reason],
        rows=rows,
        more=f"{to_microseconds(rows[-1].changed_at)}-{rows[-1].key}" if more else "",
        fields=FIELDS,
        refused=chosen.reason == Reason.REFUSED_BY_DASHBOARD.value,
        may_write=may_write(page.user),
    )


@router.get("/rejections.csv")
def download_rejections(page: PageDep, reason: str = "", service: str = "", month: str = "") -> Response:
    """The same as a CSV file."""
    chosen = read_filter(page, reason, service, month)
    page.require_outbox()

    def lines() -> Any:
        found = rejections_report.all_of(partial(page.outbox, seconds=DOCUMENT_SECONDS), chosen, limit=_MOST_LINES)
        yield from safe_csv.write(_headings(page), (_cells(page, row) for row in found))

    name = "-".join(filter(None, ("tablero", page.texts("file.rejections"), month, chosen.reason)))
    return download(lines(), f"{name}.csv", "text/csv; charset=utf-8")


def read_filter(page: Page, reason: str, service: str, month: str) -> Filter:
    """The filter in the parameters of an address or a form; an unknown reason is ignored.

    :raises HTTPException: 400 if there is no such month or day, since without it the filter would mean all of them.
    """
    known = {reason.value for reason in Reason}
    window = _window(page, month)
    return Filter(
        reason=reason if reason in known else None,
        service_id=service.replace("\x00", "").strip() or None,
        start=window.start if window else None,
        end=window.end if window else None,
    )


def download(pieces: Any, name: str, kind: str) -> Response:
    """A file, sent in pieces."""
    return StreamingResponse(pieces, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _window(page: Page, month: str) -> Window | None:
    """A month, a day, or the window of undated rows."""
    if not month:
        return None
    if month == UNDATED:
        return undated_window(page.settings.earliest, page.settings.timezone)
    try:
        window = window_of(month, page.settings.timezone)
    except ValueError:
        raise HTTPException(400, "no such month") from None
    if window.label != month:
        raise HTTPException(400, "no such month")
    return window


def _place(text: str, reason: str) -> tuple[datetime, str] | None:
    """Where the previous page of rows ended."""
    moment, _, key = text.partition("-")
    if not re.fullmatch("[0-9]{1,17}", moment) or not rejections_report.is_key(reason, key):
        return None
    return from_microseconds(int(moment)), key


def _headings(page: Page) -> list[str]:
    return [*FIELDS, page.texts("csv.code"), page.texts("csv.reason"), page.texts("csv.fix"), page.texts("csv.words")]


def _cells(page: Page, row: Rejection) -> list[Any]:
    values = [page.formats.iso(value) if isinstance(value, datetime) else value for value in row.values]
    say = page.wording
    return [*values, row.reason, say.reason(row.reason), say.fix(row.reason), row.words]
