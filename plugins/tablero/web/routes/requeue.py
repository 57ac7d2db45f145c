"""Requeueing rows after a fix: first a preview of what would happen, then the action, which is recorded."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

from fastapi import APIRouter, HTTPException
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.engine import Connection
from starlette.datastructures import FormData
from tablero.contract.reasons import Reason
from tablero.contract.windows import local_day, months_between, undated_window, window_of
from tablero.outbox import requeue
from tablero.outbox.reports import actions as actions_report
from tablero.outbox.reports import rejections as rejections_report
from tablero.outbox.reports.actions import Action
from tablero.outbox.reports.rejections import Rejection
from tablero.outbox.requeue import Filter
from tablero.web.access import WRITE, FormDep
from tablero.web.airflow_runs import CannotStart, Runs, RunsDep, link_to
from tablero.web.page import Page, PageDep
from tablero.web.reruns import Rerun, plan_days, plan_months
from tablero.web.routes.rejections import read_filter

router = APIRouter()

#: Rows that can be chosen at once: more than a page shows.
_MOST_CHOSEN = 500

_SAMPLES, _LISTED = 10, 100

_REFUSED = Reason.REFUSED_BY_DASHBOARD.value


class _Choice(NamedTuple):
    """The selection in a form.

    :ivar keys: the chosen rows; ``None`` selects all that match the filter.
    """

    chosen: Filter
    keys: list[str] | None
    month: str
    service: str

    @property
    def refused(self) -> bool:
        return self.chosen.reason == _REFUSED

    def fields(self) -> list[tuple[str, str]]:
        """The selection as form fields."""
        fields = [("reason", self.chosen.reason or ""), ("month", self.month), ("service", self.service)]
        return fields + ([("whole", "yes")] if self.keys is None else [("key", key) for key in self.keys])

    def selection(self) -> dict[str, object]:
        """The selection as it is recorded."""
        return {"month": self.month, "service": self.service, "chosen": self.keys}


@router.post("/requeue/review", dependencies=WRITE)
def review(page: PageDep, runs: RunsDep, form: FormDep) -> Response:
    """Preview of what would happen; changes nothing."""
    choice = _read(page, form)
    with page.outbox() as connection:
        rows, count = _rows(connection, choice)
        reruns = _plan(connection, page, choice, rows)
    return page.render(
        "review.html",
        reason=choice.chosen.reason,
        refused=choice.refused,
        count=count,
        cap=requeue.MAX_ROWS,
        capped=choice.refused and count > requeue.MAX_ROWS,
        samples=rows[:_SAMPLES],
        reruns=reruns,
        is_possible=bool(reruns) or choice.refused,
        paused=runs.paused(reruns),
        fields=choice.fields(),
        user_name=page.user.get_name() if page.user else "",
        back=page.link("rejections", reason=choice.chosen.reason, service=choice.service, month=choice.month),
    )


@router.post("/requeue", dependencies=WRITE)
def requeue_chosen(page: PageDep, runs: RunsDep, form: FormDep) -> Response:
    """Carry out what the preview showed."""
    assert page.user is not None  # guaranteed by WRITE
    choice = _read(page, form)
    engine = page.site.outbox()
    kept: dict[str, Any] = {"user": page.user.get_name(), "reason": choice.chosen.reason or "", "selection": choice.selection()}
    if choice.refused:
        keys = None if choice.keys is None else [int(key) for key in choice.keys if rejections_report.is_key(_REFUSED, key)]
        identity, instants = requeue.requeue_refused(engine, chosen=keys, within=choice.chosen, now=page.now, **kept)
        reruns = _plan_days(page, instants)
    else:
        with page.outbox() as connection:
            rows, count = _rows(connection, choice)
            reruns = _plan(connection, page, choice, rows)
        identity = requeue.keep_action(engine, rows=count, now=page.now, **kept)
    started, problem = start_runs(runs, reruns, page)
    requeue.keep_runs(engine, identity, started, problem)
    return RedirectResponse(page.link(f"actions/{identity}"), status_code=303)


@router.get("/actions")
def show_actions(page: PageDep) -> Response:
    """The log of actions: who did what, and when."""
    with page.outbox() as connection:
        return page.render("actions.html", actions=actions_report.actions(connection, limit=_LISTED))


@router.get("/actions/{identity}")
def show_action(page: PageDep, identity: int) -> Response:
    """One action, and the runs triggered for it."""
    with page.outbox() as connection:
        action = actions_report.action_of(connection, identity) if 0 < identity < 2**62 else None
    if action is None:
        raise HTTPException(404)
    started = [link_to(run["dag_id"], run["run_id"]) for run in action.runs]
    return page.render("action.html", action=action, kind=_kind(action), runs=started)


def _kind(action: Action) -> str:
    """The kind of action, as named in texts."""
    if action.is_of_a_batch:
        return action.reason
    return "refused" if action.reason == _REFUSED else "broken"


def _read(page: Page, form: FormData) -> _Choice:
    """The selection in a form; 400 if it has no reason."""
    texts = {name: value for name in ("reason", "service", "month", "whole") if isinstance(value := form.get(name), str)}
    month, service = texts.get("month", ""), texts.get("service", "")
    chosen = read_filter(page, texts.get("reason", ""), service, month)
    if chosen.reason is None:
        raise HTTPException(400, "no reason")
    keys = [key for key in form.getlist("key") if isinstance(key, str)][:_MOST_CHOSEN]
    return _Choice(chosen, None if texts.get("whole") else keys, month if chosen.start else "", chosen.service_id or "")


def _rows(connection: Connection, choice: _Choice) -> tuple[list[Rejection], int]:
    """The selected rows, or the first of them, and their number."""
    assert choice.chosen.reason is not None
    if choice.keys is not None:
        rows = rejections_report.named(connection, choice.chosen.reason, choice.keys)
        return rows, len(rows)
    count = rejections_report.count_by_reason(connection, choice.chosen).get(choice.chosen.reason, 0)
    return rejections_report.page_of(connection, choice.chosen, before=None, limit=_SAMPLES), count


def _plan(connection: Connection, page: Page, choice: _Choice, rows: list[Rejection]) -> list[Rerun]:
    """The runs that read the rows again: those of the days of chosen rows, or of all months that contain such a row."""
    settings = page.settings
    if choice.keys is not None:
        return _plan_days(page, [row.changed_at for row in rows])
    months = [window_of(f"{month:%Y-%m}", settings.timezone) for month in months_between(settings.earliest, page.today)]
    undated = undated_window(settings.earliest, settings.timezone)
    found = rejections_report.windows_with(connection, choice.chosen, [*months, undated])
    # Every historical load reads the undated rows as well.
    is_undated = undated.label in found
    reruns = plan_months(date.fromisoformat(f"{label}-01") for label in found - {undated.label})
    return reruns or (plan_months([page.today]) if is_undated else [])


def _plan_days(page: Page, instants: list[datetime]) -> list[Rerun]:
    days = [local_day(instant, page.settings.timezone) for instant in instants]
    return plan_days(days, earliest=page.settings.earliest, today=page.today)


def start_runs(runs: Runs, reruns: list[Rerun], page: Page) -> tuple[list[dict[str, str]], str | None]:
    """Trigger runs on behalf of the user; returns those that were triggered, and the problems with the others."""
    started, problems = [], []
    for rerun in reruns:
        try:
            started.append({"dag_id": rerun.dag_id, "run_id": runs.start(rerun, page.user)})
        except CannotStart as error:
            problems.append(str(error))
    return started, "\n".join(problems) or None
