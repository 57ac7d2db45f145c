"""The body of each Airflow task: get the objects from ``configuration``, call one use case, report the result.

DAG files import this module within their tasks, so that parsing them is cheap.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tablero.airflow import configuration, history, lineage, metrics
from tablero.airflow.configuration import clock
from tablero.airflow.runs.checks import inspect_all, require_ready
from tablero.airflow.runs.proving import prove
from tablero.airflow.runs.results import Day, Json, counts_of, report_dry_run, sent
from tablero.airflow.runs.sending import connector, send
from tablero.contract.windows import Window, undated_window
from tablero.delivery import dry_run, loading, nightly
from tablero.delivery.health.survey import Scope
from tablero.delivery.planning import EVERYTHING, Night, plan_history, plan_night, plan_run
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.errors import NotSettledError, ParameterError, PermanentError
from tablero.settings import Settings
from tablero.texts import airflow as texts
from tablero.texts import delivery as delivery_texts
from tablero.texts import forms as form_texts

if TYPE_CHECKING:
    from tablero.source.reader import Source

log = logging.getLogger(__name__)


def check(params: Json, given: Json | None, known: Collection[str]) -> None:
    """Preflight of a historical load: check all that it needs before anything is read or sent.

    :param params: the run's parameters, including defaults.
    :param given: the parameters that were set when the run was triggered.
    :param known: the parameters of the DAG; Airflow lets others through.
    :raises PermanentError, TransientError: lists all checks that failed, each with its remedy.
    """
    settings = _checked_settings(params, given, known)
    plan_history(settings, start_month=params["start_month"], end_month=params["end_month"], now=clock())
    require_ready(inspect_all(settings, dry_run=params["dry_run"]))
    if not params["dry_run"]:
        with configuration.outbox() as engine:
            history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])


def check_day(params: Json, run: Any, known: Collection[str]) -> None:
    """Preflight of a day, which takes a second or two. Transient failures are left to the task concerned, which is retried.

    :param run: Airflow's ``dag_run``.
    :raises PermanentError: lists all checks that failed, each with its remedy.
    """
    settings = _checked_settings(params, run.conf, known)
    _own_day(settings, params, run)
    require_ready(inspect_all(settings, dry_run=params["dry_run"], nightly=True), only=PermanentError)
    if not params["dry_run"]:
        with configuration.outbox() as engine:
            history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])


def _checked_settings(params: Json, given: Json | None, known: Collection[str]) -> Settings:
    configuration.refuse_unknown(given, known)
    if params["dry_run"] and params["resend"]:
        raise ParameterError(delivery_texts.DRY_AND_RESEND)
    return configuration.read_settings()


def _own_day(settings: Settings, params: Json, run: Any) -> Window:
    has_interval = run.data_interval_start is not None and run.data_interval_end is not None
    return plan_run(
        settings,
        day=params["day"],
        interval=(run.data_interval_start, run.data_interval_end) if has_interval else None,
        owns_interval=run.run_type in ("scheduled", "backfill"),
        now=clock(),
    )


def plan_months(params: Json) -> list[Json]:
    """The months of the run up to now, and last the undated rows; each with the name that the grid shows."""
    settings = configuration.read_settings()
    months = plan_history(settings, start_month=params["start_month"], end_month=params["end_month"], now=clock())
    log.info("%d months: %s to %s", len(months), months[0].label, months[-1].label)
    undated = undated_window(settings.earliest, settings.timezone)
    return [
        *(month.to_json() | {"name": month.label} for month in months),
        undated.to_json() | {"name": str(form_texts.UNDATED)},
    ]


def extract(params: Json, run: Any, known: Collection[str]) -> Json:
    """Stage the day of the run and, in a scheduled run, what earlier nights left; a dry run only reads.

    A window that cannot be read holds up no other one, and nothing that is pending: it is left to ``reconcile``, which reads
    each of them again. So this task succeeds although the source is down: ``post`` sends what earlier nights left, and
    ``reconcile`` has the tries that wait for the source.

    :param run: Airflow's ``dag_run``.
    :returns: for ``post`` and ``reconcile``.
    """
    settings = _checked_settings(params, run.conf, known)
    own = _own_day(settings, params, run)
    with configuration.source(settings) as source:
        _report_input(source, settings)
        if params["dry_run"]:
            results = [_dry_run(source, settings, own, params, "daily_send", run.run_id)]
            return Day([own], [], results, everything=False).to_json()
        with configuration.outbox() as engine:
            history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])
            scheduled = run.run_type == "scheduled"
            night = plan_night(engine, settings, own) if scheduled else Night([own], [])
            log.info("windows: %s", ", ".join(window.label for window in night.windows))
            found = nightly.read(engine, source, settings, night.windows, _run_of(params, run.run_id))
            tallies = [counts_of(tally) for tally in found.tallies]
            return Day(found.windows, night.audits, tallies, everything=scheduled).to_json()


def _dry_run(source: Source, settings: Settings, window: Window, params: Json, dag_id: str, run_id: str) -> Json:
    """Dry run of one window, compared with the outbox if there is one; it does not create an outbox."""
    run = _run_of(params, run_id)
    if not configuration.has_outbox():
        return dry_run.run(None, source, settings, window, run, dag_id=dag_id)
    with configuration.outbox() as engine:
        return dry_run.run(engine, source, settings, window, run, dag_id=dag_id)


def post(extracted: Json | None, params: Json, run: Any) -> Json:
    """Send what is pending: all of it, oldest first, in a scheduled run; otherwise that of the run's day. With ``resend``, send
    again what was delivered of it before this run, which needs a reading that passes the brake.

    :param extracted: ``None`` if nothing was read, which does not hold up what is pending.
    """
    day = Day.from_json(extracted) if extracted else None
    everything = day.everything if day else run.run_type == "scheduled"
    windows = day.windows if day else []
    if params["dry_run"] or not (windows or everything):
        return {"delivered": 0}
    settings = configuration.read_settings()
    with configuration.outbox() as engine:
        history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])
        connect = connector(engine, settings)
        this_run = _run_of(params, run.run_id)
        if params["resend"]:
            connect()
            with configuration.source(settings) as source:
                for window in windows:
                    stage(engine, source, settings, window, replace(this_run, resend=True))
        else:
            nightly.refresh_stale(engine, lambda: configuration.source(settings), settings, windows, this_run)
        delivery = send(engine, connect, settings, [EVERYTHING] if everything else windows, this_run)
    return sent(delivery)


def load(window: Json, params: Json, run_id: str) -> Json:
    """Stage one month and send it meanwhile; a dry run only reads."""
    settings = configuration.read_settings()
    chosen = Window.from_json(window)
    with configuration.source(settings) as source:
        _report_input(source, settings)
        if params["dry_run"]:
            return _dry_run(source, settings, chosen, params, "historical_load", run_id) | {"delivered": 0}
        with configuration.outbox() as engine:
            history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])
            connect = connector(engine, settings)
            if params["resend"]:
                connect()
            run = replace(_run_of(params, run_id), resend=params["resend"])
            with history.remembering(metrics.attempted, run_id) as observe:
                tallies, delivery = loading.load(engine, source, connect, settings, [chosen], run, observe)
    return counts_of(tallies[0]) | sent(delivery)


def prove_months(windows: Sequence[Json] | None, tallies: Sequence[Any] | None, params: Json, run_id: str, events: Any) -> None:
    """Reconcile the months of a load: log the table, and fail unless each is settled. A dry run logs what would be sent.

    :param windows: the plan; ``None`` if the run failed before it was made.
    :param tallies: the results of the mapped tasks.
    :param events: Airflow's ``outlet_events``.
    """
    if windows is None:
        raise NotSettledError(texts.NOTHING_PLANNED)
    if params["dry_run"]:
        report_dry_run(list((tallies or ())[:]), len(windows))
        return
    months = [Window.from_json(data) for data in windows]
    loaded = {tally.get("window") for tally in (tallies or ())[:] if tally}
    prove(
        months,
        Scope(own=None),
        _run_of(params, run_id),
        "historical_load",
        events,
        failed_tasks={f"load_month_{index}": month for index, month in enumerate(months)},
        unsent=[month for month in months if month.label not in loaded],
    )


def prove_day(extracted: Json | None, posted: Json | None, params: Json, run: Any, events: Any) -> None:
    """Reconcile the windows of a day's run, audit old months, and fail unless each is settled.

    :param extracted: the result of ``extract``; ``None`` if nothing was read.
    :param posted: the result of ``post``; ``None`` if it failed.
    :param events: Airflow's ``outlet_events``.
    """
    if extracted is None:
        raise NotSettledError(texts.NOTHING_PLANNED)
    day = Day.from_json(extracted)
    if params["dry_run"]:
        report_dry_run(day.tallies, len(day.windows))
        return
    own, windows = day.windows[0], [*day.windows, *day.audits]
    prove(
        windows,
        Scope(own, day.audits, is_night=day.everything),
        _run_of(params, run.run_id),
        "daily_send",
        events,
        failed_tasks={"extract": own, "post": own},
        unsent=windows if posted is None else [],
    )


def _report_input(source: Source, settings: Settings) -> None:
    lineage.report_input(source.engine, None if settings.source_sql else settings.source_table)


def _run_of(params: Json, run_id: str) -> Run:
    return Run(run_id, clock, accept_changes=params["accept_changes"])
