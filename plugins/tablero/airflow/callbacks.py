"""What Airflow calls when tasks and runs end: remember, decide, tell.

Task callbacks run in the task's process, run callbacks in the dag-processor, the deadline's in the triggerer. None of them may
fail for want of the outbox: the alert is then sent without it.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from tablero.errors import TableroError
from tablero.texts import airflow as texts
from tablero.texts.text import verbatim

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.deadline import DeadlineAlert
    from tablero.airflow.notifiers import Message
    from tablero.outbox.findings import Degradation
    from tablero.outbox.incidents import Run, Situation
    from tablero.settings import Settings

log = logging.getLogger(__name__)


def task_failed(context: Context) -> None:
    """Remember why a task failed for good, and say it; ``on_failure_callback`` of every task."""
    from tablero.airflow import configuration
    from tablero.errors import PermanentError
    from tablero.outbox import incidents
    from tablero.outbox.incidents import Trouble, cause_of

    error = _error(context)
    if not _is_dry_run(context["dag_run"]):
        ti = context["ti"]
        index = ti.map_index if ti.map_index is not None else -1
        label = getattr(ti, "rendered_map_index", None) or (index if index >= 0 else "")
        words = str(error) if error is not None else ""
        found = Trouble(
            f"{ti.task_id} {label}".strip(),
            isinstance(error, PermanentError),
            words or type(error).__name__,
            cause_of(error) if error is not None else "",
            ti.task_id,
            index,
            getattr(ti, "try_number", None),
        )
        try:
            with configuration.outbox() as engine:
                incidents.record_trouble(engine, ti.dag_id, ti.run_id, found, now=configuration.clock())
        except TableroError as trouble:
            log.warning("%s", texts.NOT_RECORDED(words=trouble.text))
    _say_last(error, retried=False)


def task_retried(context: Context) -> None:
    """Say why a task failed that will be tried again; ``on_retry_callback`` of every task."""
    _say_last(_error(context), retried=True)


def _error(context: Any) -> BaseException | None:
    """What the task ended with; of :class:`tablero.airflow.operators.Ended`, the error of ours that it stands for."""
    error = context.get("exception")
    if isinstance(error, str):  # Airflow has only words for tasks which were killed
        return RuntimeError(error)
    meant: BaseException | None = getattr(error, "error", error)
    return meant


def _say_last(error: BaseException | None, *, retried: bool) -> None:
    """Write what an operator must read where it is read: last, and outside of the group of Airflow's own lines, which its log
    view folds."""
    if error is None:
        return
    if isinstance(error, TableroError):
        said = error.text
    else:
        said = texts.UNEXPECTED(kind=type(error).__name__, words=verbatim(str(error) or "-"))
    log.info("::endgroup::")
    if retried:
        log.warning("%s", texts.WILL_RETRY(words=said))
    else:
        log.error("%s", said)


def run_failed(context: Context) -> None:
    """Tell of a failed run, each cause once for each incident; ``on_failure_callback`` of the DAG."""
    from tablero.airflow import alerting, configuration
    from tablero.airflow.notifiers import Message
    from tablero.outbox import incidents
    from tablero.outbox.incidents import Opened

    run = context["dag_run"]
    if _is_dry_run(run):
        return
    settings = configuration.read_settings()
    found: Situation | None = None
    degraded: list[Degradation] = []
    try:
        with configuration.outbox() as engine:
            found = incidents.situation(engine, run.dag_id, run.run_id, since=run.start_date)
            ended = _ended(run)
            opened = incidents.run_failed(
                engine,
                ended,
                causes=_causes(found),
                # What someone starts has no next time by itself: nobody waits for a second failure.
                threshold=settings.alert_after_failures if ended.scheduled else 1,
                now=configuration.clock(),
            )
            degraded = _new_degradations(engine, ended)[0]
    except TableroError as trouble:
        log.warning("%s", trouble)
        opened = Opened([""], None)
    if opened.causes:
        since = opened.since.astimezone(settings.timezone) if opened.since else None
        alert = alerting.failure(
            run.dag_id, run.run_id, found, base_url=configuration.base_url(), since=since, degraded=degraded
        )
        _send(settings, Message.of(alert))
    elif degraded:
        alert = alerting.degraded(run.dag_id, run.run_id, degraded, base_url=configuration.base_url())
        _send(settings, Message.of(alert))
    _send_digest(settings, run)


def run_succeeded(context: Context) -> None:
    """Tell of the end of incidents, and of what was not as usual; ``on_success_callback`` of the DAG."""
    from tablero.airflow import alerting, configuration, notifiers
    from tablero.airflow.notifiers import Message
    from tablero.outbox import incidents

    run = context["dag_run"]
    if _is_dry_run(run):
        return
    settings, base_url = configuration.read_settings(), configuration.base_url()
    alerts = []
    try:
        with configuration.outbox() as engine:
            ended = _ended(run)
            if incidents.run_succeeded(engine, ended, now=configuration.clock()):
                alerts.append(alerting.recovery(run.dag_id, run.run_id, base_url=base_url))
            new, over = _new_degradations(engine, ended)
    except TableroError as trouble:
        # Whether there is an incident is not known; the next run that ends sees that it is over.
        log.warning("%s", texts.END_NOT_RECORDED(words=trouble.text))
        return
    if new:
        alerts.append(alerting.degraded(run.dag_id, run.run_id, new, base_url=base_url))
    if over:
        alerts.append(alerting.normal(run.dag_id, run.run_id, over, base_url=base_url))
    for alert in alerts:
        _send(settings, Message.of(alert))
    if settings.heartbeat_conn_id and ended.scheduled:
        notifiers.beat(settings.heartbeat_conn_id)
    _send_digest(settings, run)


def _new_degradations(engine: Any, run: Run) -> tuple[list[Degradation], list[str]]:
    """What was not as usual in a run and was not told yet, and the causes that are over."""
    from tablero.airflow import configuration
    from tablero.delivery.health.degraded import CONDITIONS
    from tablero.outbox import findings, incidents
    from tablero.outbox.engine import reading

    with reading(engine) as connection:
        found = findings.degradations_of(connection, run.dag_id, run.run_id)
    causes = list(dict.fromkeys(one.cause for one in found))
    new, over = incidents.run_degraded(engine, run, causes, now=configuration.clock())
    return [one for one in found if one.cause in new], [one for one in over if one in {kind.value for kind in CONDITIONS}]


def _is_dry_run(run: Any) -> bool:
    """A dry run sends nothing, and changes nothing of what is known: its failure and its success are no incident's."""
    return bool((run.conf or {}).get("dry_run"))


def _ended(run: Any) -> Run:
    from tablero.outbox.incidents import Run

    return Run(run.dag_id, run.run_id, scheduled=run.run_type == "scheduled")


def _causes(found: Situation) -> dict[str, bool]:
    """The causes of a failure, each with whether it is permanent; a consequence counts only where nothing else is known."""
    causes = {one.cause: one.permanent for one in found.troubles if not one.is_consequence}
    return causes or {one.cause: False for one in found.troubles} or {"": False}


def _send(settings: Settings, message: Message) -> None:
    from tablero.airflow import notifiers

    notifiers.send(settings, message)


def _send_digest(settings: Settings, run: Any) -> None:
    """By the first scheduled run that ends after the period; a month's with its evidence."""
    if settings.digest is None or not settings.alert_emails or run.run_type != "scheduled" or run.data_interval_end is None:
        return
    from tablero.airflow import configuration, notifiers
    from tablero.delivery.health import digest
    from tablero.outbox import incidents
    from tablero.outbox.engine import reading

    period = digest.period_of(settings.digest, run.data_interval_end, settings)
    kind = f"digest:{settings.digest}"
    try:
        with configuration.outbox() as engine:
            if incidents.was_sent(engine, kind, period.label):
                return
            with reading(engine) as connection:
                found = digest.gather(connection, settings, period)
                files = _evidence(connection, settings, period) if settings.digest == "monthly" else {}
            if notifiers.send_digest(settings, found, configuration.page_url(), files):
                incidents.mark_sent(engine, kind, period.label, now=configuration.clock())
    except TableroError as trouble:
        log.warning("%s", texts.NO_DIGEST(words=trouble.text))


def _evidence(connection: Any, settings: Settings, period: Any) -> dict[str, bytes]:
    """The document of a month, by the name of its file."""
    import json

    from tablero.delivery.health.digest import month_window
    from tablero.outbox.reports.evidence import acknowledged
    from tablero.web import evidence

    window = month_window(period, settings)
    found = evidence.collect(connection, window, acknowledged(connection, window))
    document = {
        "month": window.label,
        "rows": found.rows,
        "sha256": found.digest,
        "acknowledged": {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in found.acknowledged._asdict().items()
        },
        "counts": [
            {"service_id": service, "status_id": status, "status": name, "rows": rows}
            for service, status, name, rows in found.table()
        ],
    }
    return {f"tablero-{window.label}.json": json.dumps(document, ensure_ascii=False, indent=2).encode()}


class LateNotifier(BaseNotifier):
    """Tells that a scheduled day was not settled in time; the callback of the DAG's deadline, run in the triggerer."""

    def notify(self, context: Context) -> None:
        """Send at once."""
        settings, message = self._compose(context)
        _send(settings, message)

    async def async_notify(self, context: Context) -> None:
        """Send without blocking the triggerer."""
        from asgiref.sync import sync_to_async
        from tablero.airflow import notifiers

        settings, message = await sync_to_async(self._compose)(context)
        await notifiers.send_async(settings, message, context)

    def _compose(self, context: Any) -> tuple[Settings, Message]:
        from tablero.airflow import alerting, configuration
        from tablero.airflow.notifiers import Message
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
        deadline = f"{settings.deadline:%H:%M}"
        return settings, Message.of(alerting.late(dag_id, run_id, deadline, found, base_url=configuration.base_url()))


def _instant(value: str | datetime | None) -> datetime | None:
    # The triggerer gets the run as JSON.
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else value


def task_arguments() -> dict[str, Any]:
    """What every task of the DAGs carries."""
    return {"on_failure_callback": task_failed, "on_retry_callback": task_retried}


def dag_arguments(settings: Settings, *, deadline: bool = False) -> dict[str, Any]:
    """What a DAG carries.

    :param deadline: also alert when a scheduled day is not settled in time.
    """
    if not (settings.alert_emails or settings.alert_webhook_conn_id or settings.heartbeat_conn_id):
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
        reference=ScheduledDayDeadline(settings.timezone.name, f"{settings.deadline:%H:%M}"),
        interval=timedelta(0),
        callback=AsyncCallback(LateNotifier),
        name=f"settled by {settings.deadline:%H:%M}",
    )
