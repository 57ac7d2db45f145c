"""What Airflow calls when tasks and runs end: record what happened, decide whether to alert, send what waits to be sent.

Task callbacks run in the task's process, run callbacks in the dag-processor, the deadline's in the triggerer. None of them may
fail because the outbox does not answer, or cannot even be addressed: the alert is then sent without what it knows.

An alert is queued in the outbox together with the decision, and sent afterwards: what no channel takes now, the next callback
sends. Alerts go first, then the digest, and last the heartbeat; each has only a share of the time that Airflow allows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from tablero.airflow.operators import is_dry_run
from tablero.errors import TableroError
from tablero.texts import airflow as texts
from tablero.texts.text import Text, verbatim

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.deadline import DeadlineAlert
    from sqlalchemy.engine import Connection, Engine
    from tablero.airflow.alerts.budget import Budget
    from tablero.airflow.alerts.content import Alert
    from tablero.outbox.alerts.incidents import EndedRun
    from tablero.outbox.alerts.troubles import Situation
    from tablero.outbox.findings import Degradation
    from tablero.settings import Settings

log = logging.getLogger(__name__)


class Killed(Exception):
    """Airflow has ended the task, which could not raise anything itself."""


def task_failed(context: Context) -> None:
    """Record why a task failed for good, and end its log with it; ``on_failure_callback`` of every task."""
    from tablero.outbox.alerts import troubles

    error = _error(context)
    _record(context, error, troubles.record_trouble)
    _log_last(error, retried=False)


def task_retried(context: Context) -> None:
    """Record why a task will be retried, for the alert of a late day, and end its log with it; ``on_retry_callback`` of every
    task."""
    from tablero.outbox.alerts import troubles

    error = _error(context)
    _record(context, error, troubles.record_wait)
    _log_last(error, retried=True)


def _record(context: Any, error: BaseException, record: Callable[..., None]) -> None:
    from tablero.airflow.operators import record_state

    try:
        record_state(context, error, explanation(error), record)
    except Exception as trouble:
        _warn(texts.NOT_RECORDED, trouble)


def _error(context: Any) -> BaseException:
    """The exception that ended the task."""
    from tablero.airflow.retries import reason_of

    error = context.get("exception")
    if isinstance(error, BaseException):
        return reason_of(error)
    return Killed(error or "-")  # of a task that was killed, Airflow passes a text


def explanation(error: BaseException) -> Text:
    """What the operator is told about the end of a task: why, and what to do."""
    from airflow.sdk.exceptions import AirflowTaskTimeout
    from tablero.airflow.operators import Stopped

    match error:
        case TableroError():
            return error.text
        case Stopped():
            return texts.STOPPED
        case AirflowTaskTimeout():
            return texts.TIME_IS_OVER
        case Killed():
            return texts.KILLED(words=verbatim(str(error)))
        case _:
            # Its words may quote a row, and go into alerts. Airflow's traceback in the log has them.
            return texts.UNEXPECTED(kind=type(error).__name__)


def _log_last(error: BaseException, *, retried: bool) -> None:
    """Write the sentence for the operator as the last line of the log, outside the group of lines that Airflow's log view
    folds."""
    said = explanation(error)
    log.info("::endgroup::")
    if retried:
        log.warning("%s", texts.WILL_RETRY(words=said))
    else:
        log.error("%s", said)


def _warn(sentence: Text, trouble: Exception) -> None:
    # Of an error that is not ours, the traceback is needed as well.
    log.warning("%s", sentence(words=explanation(trouble)), exc_info=None if isinstance(trouble, TableroError) else trouble)


def run_failed(context: Context) -> None:
    """Alert about a failed run, each cause once per incident; ``on_failure_callback`` of the DAG."""
    from tablero.airflow import configuration

    run = context["dag_run"]
    if is_dry_run(run):
        return
    settings, budget = configuration.read_settings(), configuration.callback_budget()
    try:
        with configuration.outbox() as engine:
            _record_failure(engine, settings, run)
    except Exception as trouble:
        _warn(texts.NOT_RECORDED, trouble)
        _alert_without_outbox(settings, run, explanation(trouble), budget)
    else:
        _send(settings, run, budget)


def _record_failure(engine: Engine, settings: Settings, run: Any) -> None:
    """Record a failed run, and queue the alert if there is to be one."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import content, sending
    from tablero.outbox.alerts import incidents, troubles
    from tablero.outbox.engine import writing

    ended, now, base_url = _ended(run), configuration.clock(), configuration.base_url()
    found = troubles.situation(engine, run.dag_id, run.run_id, since=run.start_date)
    # A manual run has no next run to wait for: its first failure is reported.
    threshold = settings.alert_after_failures if ended.scheduled else 1
    with writing(engine) as connection:
        opened = incidents.run_failed(
            connection,
            ended,
            causes=_causes(found),
            threshold=threshold if _is_anyone_alerted(settings) else None,
            now=now,
            # Where the preflight fails, nothing else is tried; otherwise everything is, whatever fails before it. Of a run
            # without any failure on record, such as one that was killed, it is not known how far it came.
            is_complete=bool(found.troubles) and all(one.task_id not in (None, "preflight") for one in found.troubles),
        )
        degraded = _new_degradations(connection, settings, ended, is_complete=False, now=now)[0]
        if opened.causes:
            since = opened.since.astimezone(settings.timezone) if opened.since else None
            alert = content.failure(run.dag_id, run.run_id, found, base_url=base_url, since=since, degraded=degraded)
            sending.enqueue(connection, settings, alert, now=now)
        elif degraded:
            alert = content.degraded(run.dag_id, run.run_id, degraded, base_url=base_url)
            sending.enqueue(connection, settings, alert, now=now)


def _alert_without_outbox(settings: Settings, run: Any, why: Text, budget: Budget) -> None:
    """Alert once that a run failed and that the outbox, which would remember the alert, is the cause or fails as well."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import content, sending, unrecorded

    home = configuration.airflow_home()
    if unrecorded.is_noted(home, run.dag_id):
        return
    alert = content.failure(run.dag_id, run.run_id, None, base_url=configuration.base_url(), silent=why)
    if sending.send_at_once(settings, alert, seconds=budget.half):
        unrecorded.note(home, run.dag_id)


def run_succeeded(context: Context) -> None:
    """Alert about incidents that are over and about degraded windows, and send the heartbeat; ``on_success_callback`` of the
    DAG."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import channels, unrecorded

    run = context["dag_run"]
    if is_dry_run(run):
        return
    settings, budget = configuration.read_settings(), configuration.callback_budget()
    try:
        with configuration.outbox() as engine:
            _record_success(engine, settings, run)
    except Exception as trouble:
        # Whether an incident is open is not known now; the next run that ends will notice that it is over.
        _warn(texts.END_NOT_RECORDED, trouble)
    else:
        unrecorded.forget(configuration.airflow_home(), run.dag_id)
        _send(settings, run, budget)
    if settings.heartbeat_conn_id and _ended(run).scheduled:
        channels.beat(settings.heartbeat_conn_id, seconds=budget.left)


def _record_success(engine: Engine, settings: Settings, run: Any) -> None:
    """Record a run that succeeded, and queue what there is to tell: that something is over, or not as usual."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import content, sending, unrecorded
    from tablero.outbox.alerts import incidents
    from tablero.outbox.engine import writing

    ended, now, base_url = _ended(run), configuration.clock(), configuration.base_url()
    alerts: list[Alert] = []
    with writing(engine) as connection:
        is_over = incidents.run_succeeded(connection, ended, now=now)
        if is_over or unrecorded.is_noted(configuration.airflow_home(), run.dag_id):
            alerts.append(content.recovery(run.dag_id, run.run_id, base_url=base_url))
        new, over = _new_degradations(connection, settings, ended, is_complete=True, now=now)
        if new:
            alerts.append(content.degraded(run.dag_id, run.run_id, new, base_url=base_url))
        if over:
            alerts.append(content.normal(run.dag_id, run.run_id, over, base_url=base_url))
        for alert in alerts:
            sending.enqueue(connection, settings, alert, now=now)


def _new_degradations(
    connection: Connection, settings: Settings, run: EndedRun, *, is_complete: bool, now: datetime
) -> tuple[list[Degradation], list[str]]:
    """The degradations of a run that were not reported yet, and the causes that are over.

    :param is_complete: whether the run judged all its windows.
    """
    from tablero.delivery.health.degraded import CONDITIONS, EVENTS
    from tablero.outbox import findings
    from tablero.outbox.alerts import incidents

    if not _is_anyone_alerted(settings):
        return [], []
    found = findings.degradations_of(connection, run.dag_id, run.run_id)
    causes = list(dict.fromkeys(one.cause for one in found))
    new, over = incidents.run_degraded(connection, run, causes, events=EVENTS, is_complete=is_complete, now=now)
    return [one for one in found if one.cause in new], [one for one in over if one in {kind.value for kind in CONDITIONS}]


def _send(settings: Settings, run: Any, budget: Budget) -> None:
    """Send the alerts that wait, and the digest if it is due. Never raises: the next callback sends what is left."""
    from tablero.airflow import configuration, digests
    from tablero.airflow.alerts import sending

    try:
        with configuration.outbox() as engine:
            sending.send_queued(engine, settings, now=configuration.clock(), seconds=budget.half)
            digests.send(engine, settings, run, budget)
    except Exception as trouble:
        _warn(texts.ALERTS_WAIT, trouble)


def _is_anyone_alerted(settings: Settings) -> bool:
    """Whether alerts go anywhere. If not, incidents are stored but not marked as alerted: ``status`` reads them, and whoever is
    named later is alerted of those that are still open."""
    return bool(settings.alert_emails or settings.alert_webhook_conn_id)


def _ended(run: Any) -> EndedRun:
    from tablero.outbox.alerts.incidents import EndedRun

    return EndedRun(run.dag_id, run.run_id, scheduled=run.run_type == "scheduled")


def _causes(found: Situation) -> dict[str, bool]:
    """Causes of a failure and whether each is permanent; mere consequences count only if nothing else is known."""
    causes = {one.cause: one.permanent for one in found.troubles if not one.is_consequence}
    return causes or {one.cause: False for one in found.troubles} or {"": False}


class LateNotifier(BaseNotifier):
    """Alerts that a scheduled day was not settled by the deadline; the deadline's callback, which runs in the triggerer."""

    def notify(self, context: Any) -> None:
        """Send at once."""
        from tablero.airflow import configuration
        from tablero.airflow.alerts import content, sending
        from tablero.airflow.alerts.budget import Budget
        from tablero.outbox.alerts import troubles
        from tablero.outbox.engine import writing

        settings, budget = configuration.read_settings(), Budget(configuration.callback_limit())
        run = context["dag_run"]
        dag_id, run_id, deadline = run["dag_id"], run["dag_run_id"], f"{settings.deadline:%H:%M}"
        base_url, now = configuration.base_url(), configuration.clock()
        try:
            with configuration.outbox() as engine:
                since = _instant(run.get("start_date"))
                found = troubles.situation(engine, dag_id, run_id, since=since)
                wait = troubles.last_wait(engine, dag_id, run_id, since=since)
                alert = content.late(dag_id, run_id, deadline, found, base_url=base_url, wait=wait)
                with writing(engine) as connection:
                    sending.enqueue(connection, settings, alert, now=now)
                sending.send_queued(engine, settings, now=now, seconds=budget.half)
        except Exception as trouble:
            _warn(texts.NOT_RECORDED, trouble)
            alert = content.late(dag_id, run_id, deadline, None, base_url=base_url)
            sending.send_at_once(settings, alert, seconds=budget.half)

    async def async_notify(self, context: Any) -> None:
        """Send without blocking the triggerer."""
        from asgiref.sync import sync_to_async

        await sync_to_async(self.notify)(context)


def _instant(value: str | datetime | None) -> datetime | None:
    # The triggerer gets the run as JSON.
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value


def task_arguments() -> dict[str, Any]:
    """Callbacks of every task."""
    return {"on_failure_callback": task_failed, "on_retry_callback": task_retried}


def dag_arguments(settings: Settings, *, deadline: bool = False) -> dict[str, Any]:
    """Callbacks and deadline of a DAG. Failures are recorded even if nobody is to be alerted, since ``status`` reports them.

    :param deadline: also alert when a scheduled day is not settled in time.
    """
    arguments: dict[str, Any] = {"on_failure_callback": run_failed, "on_success_callback": run_succeeded}
    if deadline and _is_anyone_alerted(settings):
        arguments["deadline"] = _deadline(settings)
    return arguments


def _deadline(settings: Settings) -> DeadlineAlert:
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert
    from tablero.airflow.deadline import ScheduledDayDeadline

    return DeadlineAlert(
        reference=ScheduledDayDeadline(settings.timezone.name, f"{settings.deadline:%H:%M}"),
        interval=timedelta(0),
        callback=AsyncCallback(LateNotifier),
        name=f"settled by {settings.deadline:%H:%M}",
    )
