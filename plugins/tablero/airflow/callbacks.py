"""What Airflow calls when tasks and runs end: remember, decide, tell.

Task callbacks run in the task's process, run callbacks in the dag-processor, the deadline's in the triggerer. None of them may
fail for want of the outbox: the alert is then sent without it.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.deadline import DeadlineAlert
    from tablero.airflow.alerting import Message
    from tablero.outbox.incidents import Run, Situation
    from tablero.settings import Settings

log = logging.getLogger(__name__)


def task_failed(context: Context) -> None:
    """Remember why a task failed for good; ``on_failure_callback`` of every task."""
    from tablero.airflow import configuration
    from tablero.errors import PermanentError, TableroError
    from tablero.outbox import incidents

    if _rehearses(context["dag_run"]):
        return
    ti, error = context["ti"], context.get("exception")
    label = getattr(ti, "rendered_map_index", None) or (ti.map_index if ti.map_index is not None and ti.map_index >= 0 else "")
    try:
        with configuration.outbox() as engine:
            incidents.record_trouble(
                engine,
                ti.dag_id,
                ti.run_id,
                f"{ti.task_id} {label}".strip(),
                permanent=isinstance(error, PermanentError),
                words=str(error) or type(error).__name__,
                now=configuration.clock(),
            )
    except TableroError as trouble:
        log.warning("The failure could not be recorded for the alert: %s", trouble)


def run_failed(context: Context) -> None:
    """Tell of a failed run, once for each incident; ``on_failure_callback`` of the DAG."""
    from tablero.airflow import alerting, configuration
    from tablero.errors import TableroError
    from tablero.outbox import incidents

    run = context["dag_run"]
    if _rehearses(run):
        return
    settings = configuration.read_settings()
    found: Situation | None = None
    try:
        with configuration.outbox() as engine:
            found = incidents.situation(engine, run.dag_id, run.run_id, since=run.start_date)
            ended = _ended(run)
            tell = incidents.run_failed(
                engine,
                ended,
                # What someone starts has no next time by itself: nobody waits for a second failure.
                threshold=settings.alert_after_failures if ended.scheduled else 1,
                permanent=any(trouble.permanent for trouble in _causes(found)),
                now=configuration.clock(),
            )
    except TableroError as trouble:
        log.warning("%s", trouble)
        tell = True
    if tell:
        _send(settings, alerting.failure(run.dag_id, run.run_id, found, str(context.get("reason") or "")))


def run_succeeded(context: Context) -> None:
    """Tell of the end of an incident; ``on_success_callback`` of the DAG."""
    from tablero.airflow import alerting, configuration
    from tablero.errors import TableroError
    from tablero.outbox import incidents

    run = context["dag_run"]
    if _rehearses(run):
        return
    settings = configuration.read_settings()
    try:
        with configuration.outbox() as engine:
            tell = incidents.run_succeeded(engine, _ended(run), now=configuration.clock())
    except TableroError as trouble:
        # Whether there is an incident is not known; the next run that ends sees that it is over.
        log.warning("The end of an incident, if there is one, could not be recorded: %s", trouble)
        return
    if tell:
        _send(settings, alerting.recovery(run.dag_id, run.run_id))


def _rehearses(run: Any) -> bool:
    """Whether a run is a dry run: it writes nothing, not even of its failure, and its success ends no incident."""
    return bool((run.conf or {}).get("dry_run"))


def _ended(run: Any) -> Run:
    from tablero.outbox.incidents import Run

    return Run(run.dag_id, run.run_id, scheduled=run.run_type == "scheduled")


def _causes(found: Situation) -> list[Any]:
    # reconcile's own failure says that something is unsettled, which is a consequence and always permanent.
    return [trouble for trouble in found.troubles if not trouble.task.startswith("reconcile")]


def _send(settings: Settings, message: Message) -> None:
    for notifier in _notifiers(settings, message):
        try:
            notifier.notify({})
        except Exception:  # a broken mail server must not keep the webhook from being told
            log.exception("An alert could not be sent by %s", type(notifier).__name__)


def _notifiers(settings: Settings, message: Message) -> Iterator[BaseNotifier]:
    if settings.alert_emails:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        yield SmtpNotifier(
            to=list(settings.alert_emails),
            subject=message.subject,
            html_content=f"<pre>{html.escape(message.text)}</pre>",
        )
    if settings.alert_webhook_conn_id:
        from airflow.providers.http.notifications.http import HttpNotifier

        yield HttpNotifier(
            http_conn_id=settings.alert_webhook_conn_id,
            json={"subject": message.subject, "text": f"{message.subject}\n{message.text}"},
            headers={"Content-Type": "application/json"},
        )


class LateNotifier(BaseNotifier):
    """Tells that a scheduled day was not settled in time; the callback of the DAG's deadline, run in the triggerer."""

    def notify(self, context: Context) -> None:
        """Send at once."""
        settings, message = self._compose(context)
        _send(settings, message)

    async def async_notify(self, context: Context) -> None:
        """Send without blocking the triggerer."""
        from asgiref.sync import sync_to_async

        settings, message = await sync_to_async(self._compose)(context)
        for notifier in _notifiers(settings, message):
            try:
                await notifier.async_notify(context)
            except Exception:  # as above
                log.exception("An alert could not be sent by %s", type(notifier).__name__)

    def _compose(self, context: Any) -> tuple[Settings, Message]:
        from tablero.airflow import alerting, configuration
        from tablero.airflow.deadline import DUE
        from tablero.errors import TableroError
        from tablero.outbox import incidents

        settings = configuration.read_settings()
        run = context["dag_run"]
        dag_id, run_id = run["dag_id"], run["dag_run_id"]
        found: Situation | None = None
        try:
            with configuration.outbox() as engine:
                found = incidents.situation(engine, dag_id, run_id, since=_instant(run.get("start_date")))
        except TableroError as trouble:
            log.warning("%s", trouble)
        return settings, alerting.late(dag_id, run_id, f"{DUE:%H:%M}", found)


def _instant(value: str | datetime | None) -> datetime | None:
    # The triggerer gets the run as JSON.
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value


def task_arguments() -> dict[str, Any]:
    """What every task of the DAGs carries."""
    return {"on_failure_callback": task_failed}


def dag_arguments(settings: Settings, *, deadline: bool = False) -> dict[str, Any]:
    """What a DAG carries.

    :param deadline: also alert when a scheduled day is not settled in time.
    """
    if not settings.alert_emails and not settings.alert_webhook_conn_id:
        return {}
    arguments: dict[str, Any] = {"on_failure_callback": run_failed, "on_success_callback": run_succeeded}
    if deadline:
        arguments["deadline"] = _deadline(settings)
    return arguments


def _deadline(settings: Settings) -> DeadlineAlert:
    from airflow.sdk.definitions.callback import AsyncCallback
    from airflow.sdk.definitions.deadline import DeadlineAlert
    from tablero.airflow.deadline import ScheduledDayDeadline

    return DeadlineAlert(
        reference=ScheduledDayDeadline(settings.timezone.name),
        interval=timedelta(0),
        callback=AsyncCallback(LateNotifier),
        name="settled by 06:00",
    )
