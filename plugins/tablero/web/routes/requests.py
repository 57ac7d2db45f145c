"""One request: was it reported, and does the source still return the same?"""

from __future__ import annotations

import logging
from typing import Annotated, NamedTuple

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import RedirectResponse, Response
from tablero.contract.rules import validator
from tablero.contract.status_change import MAX_ID_LENGTH, spellings
from tablero.errors import TableroError
from tablero.outbox.reports import rejections as rejections_report
from tablero.outbox.reports import requests as requests_report
from tablero.outbox.reports.requests import Change, Comparison, compare
from tablero.texts.text import Text
from tablero.web.access import FormDep, unseal
from tablero.web.page import Page, PageDep

log = logging.getLogger(__name__)

router = APIRouter()

_CHANGES, _REJECTIONS = 200, 50

#: Seconds to wait for the source: first, so that the outbox's answer is not held up, and when the user asks to wait.
_SECONDS, _PATIENT_SECONDS = 2.0, 12.0


class Now(NamedTuple):
    """The rows of the request in the source now.

    :ivar found: ``None`` if the source was not asked, or has not answered.
    :ivar problem: why it has not answered.
    """

    found: Comparison | None = None
    problem: Text | None = None


@router.post("/request")
def find_request(page: PageDep, form: FormDep) -> Response:
    """Look for a request. The id is sent as a form, and the address of the answer has it sealed: addresses stand in logs."""
    given = form.get("id")
    asked = _as_sent(given) if isinstance(given, str) else ""
    return RedirectResponse(page.request_link(asked) if asked else page.link("request"), status_code=303)


@router.get("/request")
def show_request(
    page: PageDep,
    of: Annotated[str, Query()] = "",
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    wait: Annotated[bool, Query()] = False,
) -> Response:
    """All status changes of a request with their states, and the rows in the source if it can be queried."""
    # A link from a rejection has the id as the source writes it.
    given = unseal(of)
    asked = _as_sent(given or "")
    if given is None or not asked:
        return page.render("request.html", asked="", is_unreadable=bool(of) and given is None)
    with page.outbox() as connection:
        changes = requests_report.changes_of_request(connection, asked, skip=skip, limit=_CHANGES + 1)
        rejections = rejections_report.of_request(connection, {given, *spellings(asked)}, limit=_REJECTIONS)
    if skip and not changes:
        raise HTTPException(404)
    shown, more = changes[:_CHANGES], len(changes) > _CHANGES
    # The comparison needs all of them.
    now = Now() if skip or more else _ask_source(page, asked, shown, _PATIENT_SECONDS if wait else _SECONDS)
    return page.render(
        "request.html",
        asked=asked,
        given=given,
        is_unreadable=False,
        changes=shown,
        more=more,
        skip=skip,
        delivered=sum(found.state == "delivered" for found in shown),
        # Withdrawn changes are no longer expected at the dashboard.
        owed=sum(found.state != "withdrawn" for found in shown),
        rejections=rejections,
        now=now,
        waited=wait,
    )


def _as_sent(request_id: str) -> str:
    """As in the contract, surrounding blanks are not part of an id."""
    return request_id.replace("\x00", "").strip()[:MAX_ID_LENGTH]


def _ask_source(page: Page, request_id: str, changes: list[Change], seconds: float) -> Now:
    if page.site.ask_source is None:
        return Now()
    settings = page.settings
    try:
        rows = page.site.ask_source(request_id, seconds)
    except TableroError as error:
        log.info("The source could not be asked about a request: %s", error)
        return Now(problem=error.text)
    if rows is None:
        return Now()
    validate = validator(
        zone=settings.source_zone,
        earliest=settings.earliest_instant,
        now=page.now,
        extra_statuses=settings.extra_statuses,
    )
    return Now(compare(rows, map(validate, rows), changes))
