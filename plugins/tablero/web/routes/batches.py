"""Batches: those that someone may have to look at, and one with its attempts and rows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response
from tablero.contract.windows import local_day
from tablero.outbox.reports import actions as actions_report
from tablero.outbox.reports import batches as batches_report
from tablero.outbox.reports import windows as windows_report
from tablero.outbox.reports.batches import KINDS, Kind
from tablero.web.access import may_write
from tablero.web.airflow_runs import RunsDep
from tablero.web.page import PageDep, as_run_id

router = APIRouter()

_BATCHES, _ATTEMPTS_EACH, _ATTEMPTS, _ROWS, _LISTED = 25, 5, 50, 200, 20


@router.get("/batches")
def show_batches(
    page: PageDep,
    runs: RunsDep,
    show: Kind = "unknown",
    run: str = "",
    skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
) -> Response:
    """The batches of a kind, of all windows; with ``run``, only those that this run has posted."""
    run_id = as_run_id(run)
    with page.outbox() as connection:
        counts = batches_report.count_by_kind(connection, page.now)
        found = batches_report.of_kind(connection, show, page.now, run_id=run_id, skip=skip, limit=_BATCHES + 1)
        more = len(found) > _BATCHES
        found = found[:_BATCHES]
        attempts = windows_report.last_attempts(connection, [batch.id for batch in found], each=_ATTEMPTS_EACH)
    if skip and not found:
        raise HTTPException(404)
    return page.render(
        "batches.html",
        kinds=KINDS,
        counts=counts,
        show=show,
        run=next(iter(runs.links([(run_id, None)]))) if run_id else None,
        batches=found,
        attempts=attempts,
        more=more,
        skip=skip,
        may_write=may_write(page.user),
    )


@router.get("/batch/{identity}")
def show_batch(
    page: PageDep,
    runs: RunsDep,
    identity: int,
    skip: Annotated[int, Query(ge=0, le=100_000)] = 0,
    before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
) -> Response:
    """A batch with its attempts and rows."""
    if not 0 < identity < 2**62:
        raise HTTPException(404)
    zone = page.settings.timezone
    with page.outbox() as connection:
        found = windows_report.batch_of(connection, identity)
        if found is None:
            raise HTTPException(404)
        attempts = windows_report.attempts_of(connection, identity, before=before, limit=_ATTEMPTS + 1)
        rows = windows_report.rows_of(connection, identity, skip=skip, limit=_ROWS + 1)
        parts = windows_report.parts_of(connection, identity, limit=_LISTED)
        unconfirmed = windows_report.unconfirmed_parts(connection, identity)
        requeues = actions_report.requeues_of(connection, identity, limit=_LISTED)
    return page.render(
        "batch.html",
        batch=found,
        day=local_day(found.first_change, zone),
        run=next(iter(runs.links([(found.run_id, found.label)]))) if found.run_id else None,
        attempts=attempts[:_ATTEMPTS],
        more_attempts=len(attempts) > _ATTEMPTS,
        rows=rows[:_ROWS],
        more_rows=len(rows) > _ROWS,
        skip=skip,
        parts=parts,
        unconfirmed=unconfirmed,
        unconfirmed_rows=sum(part.rows for part in unconfirmed),
        may_write=may_write(page.user),
        requeues=requeues,
    )
