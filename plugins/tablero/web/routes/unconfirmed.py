"""Unconfirmed batches: the dashboard may have them, but answers every repeat with an error.

Only a person can find out whether it has them. If so, they are recorded as delivered on that person's word; if not, a run posts
them again. Both actions have a preview.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import uuid4

from fastapi import APIRouter, HTTPException
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData
from tablero.contract.windows import local_day
from tablero.errors import ParameterError, WindowBusy
from tablero.outbox import requeue
from tablero.outbox.adoption import adopt_parts
from tablero.outbox.reports import windows as windows_report
from tablero.outbox.reports.windows import Batch
from tablero.texts.page import TEXTS
from tablero.texts.text import Text
from tablero.web.access import WRITE, FormDep
from tablero.web.airflow_runs import RunsDep
from tablero.web.page import Page, PageDep
from tablero.web.reruns import Rerun, plan_days
from tablero.web.routes.requeue import start_runs

router = APIRouter()

Way = Literal["adopt", "retry"]


class _Choice(NamedTuple):
    """The selection in a form.

    :ivar parts: the unconfirmed parts of the batch.
    """

    batch: int
    way: Way
    parts: list[Batch]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


@router.post("/unconfirmed/review", dependencies=WRITE)
def review_way(page: PageDep, runs: RunsDep, form: FormDep) -> Response:
    """Preview of what would happen; changes nothing."""
    choice = _read(page, form)
    reruns = _plan(page, choice)
    return page.render(
        "unconfirmed.html",
        choice=choice,
        reruns=reruns,
        paused=runs.paused(reruns),
        user_name=page.user.get_name() if page.user else "",
    )


@router.post("/unconfirmed", dependencies=WRITE)
def take_way(page: PageDep, runs: RunsDep, form: FormDep) -> Response:
    """Carry it out, and record who asked for it."""
    assert page.user is not None  # guaranteed by WRITE
    choice = _read(page, form)
    if not choice.parts:
        return page.problem(409, "settled", again=page.link(f"batch/{choice.batch}"))
    user, engine = page.user.get_name(), page.site.outbox()
    if choice.way == "adopt":
        words = TEXTS["unconfirmed.record"]
        assert isinstance(words, Text)
        try:
            shown = [part.id for part in choice.parts]
            adopt_parts(engine, shown, run_id=f"page__{uuid4()}", words=str(words(user=user)), now=page.now)
        except WindowBusy as error:
            return page.problem(
                409, "busy", words=error.text.within(page.texts.language), again=page.link(f"batch/{choice.batch}")
            )
        except ParameterError:  # someone else was faster
            return page.problem(409, "settled", again=page.link(f"batch/{choice.batch}"))
    identity = requeue.keep_action(
        engine,
        user=user,
        reason=f"{choice.way}_batch",
        selection={"batch": choice.batch},
        rows=choice.rows,
        now=page.now,
    )
    started, problem = start_runs(runs, _plan(page, choice), page)
    requeue.keep_runs(engine, identity, started, problem)
    return RedirectResponse(page.link(f"actions/{identity}"), status_code=303)


def _read(page: Page, form: FormData) -> _Choice:
    """The selection in a form; 400 if it is invalid."""
    batch, way = form.get("batch"), form.get("way")
    if not isinstance(batch, str) or not batch.isascii() or not batch.isdigit() or len(batch) > 18:
        raise HTTPException(400, "no batch")
    if way not in ("adopt", "retry"):
        raise HTTPException(400, "no way")
    with page.outbox() as connection:
        parts = windows_report.unconfirmed_parts(connection, int(batch))
    return _Choice(int(batch), "adopt" if way == "adopt" else "retry", parts)


def _plan(page: Page, choice: _Choice) -> list[Rerun]:
    """The runs that post the batch again; none if it is adopted."""
    if choice.way == "adopt":
        return []
    settings = page.settings
    days = [local_day(part.first_change, settings.timezone) for part in choice.parts]
    return plan_days(days, earliest=settings.earliest, today=page.today)
