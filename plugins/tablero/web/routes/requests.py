"""One request: was it reported?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from tablero.contract.status_change import MAX_ID_LENGTH
from tablero.outbox.reports import rejections as rejections_report
from tablero.outbox.reports import requests as requests_report
from tablero.web.page import PageDep

router = APIRouter()

_CHANGES, _REJECTIONS = 200, 50


@router.get("/request")
def show_request(
    page: PageDep,
    id: Annotated[str, Query()] = "",
    skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """All status changes of a request, each with what became of it."""
    # As the contract reads ids: blanks around them do not count.
    asked = id.replace("\x00", "").strip()[:MAX_ID_LENGTH]
    if not asked:
        return page.render("request.html", asked="")
    with page.outbox() as connection:
        changes = requests_report.changes_of_request(connection, asked, skip=skip, limit=_CHANGES + 1)
        rejections = rejections_report.of_request(connection, asked, limit=_REJECTIONS)
    shown = changes[:_CHANGES]
    return page.render(
        "request.html",
        asked=asked,
        changes=shown,
        more=len(changes) > _CHANGES,
        skip=skip,
        delivered=sum(found.state == "delivered" for found in shown),
        # What the source no longer has is not owed to the dashboard.
        owed=sum(found.state != "withdrawn" for found in shown),
        rejections=rejections,
    )
