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
    """200 with the answer; 503 with the state ``unknown`` where it cannot be told: no run yet, or no outbox that answers."""
    try:
        with page.outbox() as connection:
            found = status.status(connection, page.settings, page.now)
    except TableroError:
        found = status.unknown()
    return JSONResponse(found.to_json(), 503 if found.state is Health.UNKNOWN else 200)
