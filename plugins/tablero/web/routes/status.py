"""Is all well? The answer of ``tablero status --json``, for monitors that log in to Airflow."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from tablero.errors import TableroError
from tablero.web import status
from tablero.web.page import PageDep
from tablero.web.status import Health

router = APIRouter()


@router.get("/status.json")
def show_status(page: PageDep) -> Response:
    """200 with the state; 503 with the state ``unknown`` if nothing has run yet, or the outbox does not answer."""
    try:
        with page.outbox() as connection:
            found = status.status(connection, page.settings, page.now)
    except TableroError as error:
        found = status.unknown(error.text)
    return JSONResponse(found.to_json(), 503 if found.state is Health.UNKNOWN else 200)
