"""What Airflow calls when tasks and runs end: record what happened, decide whether to alert, send the alert.

Task callbacks run in the task's process, run callbacks in the dag-processor, the deadline's in the triggerer. None of them may
fail because the outbox does not answer: the alert is then sent without what it knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier
from tablero.errors import TableroError
from tablero.texts import airflow as texts
from tablero.texts.text import LANGUAGES, verbatim

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.deadline import DeadlineAlert
    from sqlalchemy.engine import Connection, Engine
    from tablero.airflow.alerts.notifiers import Message
    from tablero.delivery.health.digest import Period
    from tablero.outbox.findings import Degradation
    from tablero.outbox.incidents import Run, Situation
    from tablero.settings import Settings

log = logging.getLogger(__name__)


def task_failed(context: Context) -> None:
    """Record why a task failed for good, and end its log with it; ``on_failure_callback`` of every task."""
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
    _log_last(error, retried=False)


def task_retried(context: Context) -> None:
    """End the log of a task that will be retried with why it failed; ``on_retry_callback`` of every task."""
    _log_last(_error(context), retried=True)


def _error(context: Any) -> BaseException | None:
    """The exception that ended the task; for :class:`tablero.airflow.operators.Ended`, the error that it carries."""
    error = context.get("exception")
    if isinstance(error, str):  # of a task that was killed, Airflow passes a text
        return RuntimeError(error)
    meant: BaseException | None = getattr(error, "error", error)
    return meant


def _log_last(error: BaseException | None, *, retried: bool) -> None:
    """Write the sentence for the operator as the last line of the log, outside the group of lines that Airflow's log view
    folds."""
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
    """Alert about a failed run, each cause once per incident; ``on_failure_callback`` of the DAG."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import content, unrecorded
    from tablero.airflow.alerts.notifiers import Message
    from tablero.outbox import incidents
    from tablero.outbox.incidents import Opened

    run = context["dag_run"]
    if _is_dry_run(run):
        return
    settings = configuration.read_settings()
    found: Situation | None = None
    silent: TableroError | None = None
    degraded: list[Degradation] = []
    try:
        with configuration.outbox() as engine:
            found = incidents.situation(engine, run.dag_id, run.run_id, since=run.start_date)
            ended = _ended(run)
            opened = incidents.run_failed(
                engine,
                ended,
                causes=_causes(found),
                # A manual run has no next run to wait for: its first failure is reported.
                threshold=(settings.alert_after_failures if ended.scheduled else 1) if _is_anyone_alerted(settings) else None,
                now=configuration.clock(),
            )
            degraded = _new_degradations(engine, settings, ended, is_complete=False)[0]
    except TableroError as trouble:
        log.warning("%s", trouble)
        silent = trouble
        is_new = _is_anyone_alerted(settings) and unrecorded.remember(configuration.airflow_home(), run.dag_id)
        opened = Opened([""] if is_new else [], None)
    if opened.causes:
        alert = content.failure(
            run.dag_id,
            run.run_id,
            found,
            base_url=configuration.base_url(),
            since=opened.since.astimezone(settings.timezone) if opened.since else None,
            degraded=degraded,
            silent=silent.text if silent else None,
        )
        _send(settings, Message.of(alert))
    elif degraded:
        alert = content.degraded(run.dag_id, run.run_id, degraded, base_url=configuration.base_url())
        _send(settings, Message.of(alert))
    _send_digest(settings, run)


def run_succeeded(context: Context) -> None:
    """Alert about incidents that are over and about degraded windows, and send the heartbeat; ``on_success_callback`` of the
    DAG."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import content, notifiers, unrecorded
    from tablero.airflow.alerts.notifiers import Message
    from tablero.outbox import incidents

    run = context["dag_run"]
    if _is_dry_run(run):
        return
    settings, base_url = configuration.read_settings(), configuration.base_url()
    ended = _ended(run)
    if settings.heartbeat_conn_id and ended.scheduled:
        notifiers.beat(settings.heartbeat_conn_id)
    alerts = []
    try:
        with configuration.outbox() as engine:
            is_over = incidents.run_succeeded(engine, ended, now=configuration.clock())
            if unrecorded.forget(configuration.airflow_home(), run.dag_id) or is_over:
                alerts.append(content.recovery(run.dag_id, run.run_id, base_url=base_url))
            new, over = _new_degradations(engine, settings, ended, is_complete=True)
    except TableroError as trouble:
        # Whether an incident is open is not known now; the next run that ends will notice that it is over.
        log.warning("%s", texts.END_NOT_RECORDED(words=trouble.text))
        return
    if new:
        alerts.append(content.degraded(run.dag_id, run.run_id, new, base_url=base_url))
    if over:
        alerts.append(content.normal(run.dag_id, run.run_id, over, base_url=base_url))
    for alert in alerts:
        _send(settings, Message.of(alert))
    _send_digest(settings, run)


def _new_degradations(engine: Any, settings: Settings, run: Run, *, is_complete: bool) -> tuple[list[Degradation], list[str]]:
    """The degradations of a run that were not reported yet, and the causes that are over.

    :param is_complete: whether the run judged all its windows.
    """
    from tablero.airflow import configuration
    from tablero.delivery.health.degraded import CONDITIONS
    from tablero.outbox import findings, incidents
    from tablero.outbox.engine import reading

    if not _is_anyone_alerted(settings):
        return [], []
    with reading(engine) as connection:
        found = findings.degradations_of(connection, run.dag_id, run.run_id)
    causes = list(dict.fromkeys(one.cause for one in found))
    new, over = incidents.run_degraded(engine, run, causes, is_complete=is_complete, now=configuration.clock())
    return [one for one in found if one.cause in new], [one for one in over if one in {kind.value for kind in CONDITIONS}]


def _is_anyone_alerted(settings: Settings) -> bool:
    """Whether alerts go anywhere. If not, incidents are stored but not marked as alerted: ``status`` reads them, and whoever is
    named later is alerted of those that are still open."""
    return bool(settings.alert_emails or settings.alert_webhook_conn_id)


def _is_dry_run(run: Any) -> bool:
    """Dry runs send nothing, so they neither open nor close an incident."""
    return bool((run.conf or {}).get("dry_run"))


def _ended(run: Any) -> Run:
    from tablero.outbox.incidents import Run

    return Run(run.dag_id, run.run_id, scheduled=run.run_type == "scheduled")


def _causes(found: Situation) -> dict[str, bool]:
    """Causes of a failure and whether each is permanent; mere consequences count only if nothing else is known."""
    causes = {one.cause: one.permanent for one in found.troubles if not one.is_consequence}
    return causes or {one.cause: False for one in found.troubles} or {"": False}


def _send(settings: Settings, message: Message) -> None:
    from tablero.airflow.alerts import notifiers

    notifiers.send(settings, message)


def _send_digest(settings: Settings, run: Any) -> None:
    """Send the digest with the first scheduled run that ends after its period; a monthly one has the evidence attached.

    If it cannot be sent, that is alerted once, and the next run tries again. The same holds for an attempt that did not end:
    Airflow kills a callback that takes too long.
    """
    if settings.digest is None or not settings.alert_emails or run.run_type != "scheduled" or run.data_interval_end is None:
        return
    from tablero.airflow import configuration
    from tablero.airflow.alerts import notifiers
    from tablero.delivery.health import digest
    from tablero.outbox import incidents
    from tablero.outbox.engine import reading

    period = digest.period_of(settings.digest, run.data_interval_end, settings)
    kind, label = f"digest:{settings.digest}", period.label
    try:
        with configuration.outbox() as engine:
            if incidents.was_sent(engine, kind, label):
                return
            if incidents.was_sent(engine, f"try {kind}", label):
                _report_undelivered(engine, settings, run, kind, label)
            incidents.mark_sent(engine, f"try {kind}", label, now=configuration.clock())
            with reading(engine) as connection:
                found = digest.gather(connection, settings, period)
            files: dict[str, bytes] = {}
            if settings.digest == "monthly":
                try:
                    files = _evidence(engine, settings, period)
                except _OutOfTime:
                    found = found._replace(evidence_url=f"{configuration.page_url()}evidence/{label}")
            if notifiers.send_digest(settings, found, configuration.page_url(), files):
                incidents.mark_sent(engine, kind, label, now=configuration.clock())
            else:
                _report_undelivered(engine, settings, run, kind, label)
    except TableroError as trouble:
        log.warning("%s", texts.NO_DIGEST(words=trouble.text))


def _report_undelivered(engine: Engine, settings: Settings, run: Any, kind: str, label: str) -> None:
    """Alert once that the digest of a period was not sent."""
    from tablero.airflow import configuration
    from tablero.airflow.alerts import content
    from tablero.airflow.alerts.notifiers import Message
    from tablero.outbox import incidents

    if incidents.was_sent(engine, f"no {kind}", label):
        return
    alert = content.undelivered(run.dag_id, run.run_id, label, base_url=configuration.base_url())
    _send(settings, Message.of(alert))
    incidents.mark_sent(engine, f"no {kind}", label, now=configuration.clock())


#: Seconds in which the evidence must be computed to be attached: a callback that takes longer than ``[dag_processor]
#: dag_file_processor_timeout``, 50 by default, is killed. A million rows take a few seconds.
_EVIDENCE_SECONDS = 20.0


class _OutOfTime(Exception):
    """The evidence of a month takes too long."""


def _evidence(engine: Engine, settings: Settings, period: Period) -> dict[str, bytes]:
    """The evidence of a month by file name, as the page offers it; of a month before ``earliest`` there is none.

    :raises _OutOfTime: after :data:`_EVIDENCE_SECONDS`.
    """
    from tablero.airflow import configuration
    from tablero.delivery.health.digest import month_window
    from tablero.outbox.engine import reading
    from tablero.web import evidence

    if period.last < settings.earliest:
        return {}
    end = monotonic() + _EVIDENCE_SECONDS

    @contextmanager
    def connect() -> Iterator[Connection]:  # once for each page of rows
        if monotonic() > end:
            raise _OutOfTime
        with reading(engine) as connection:
            yield connection

    window, now = month_window(period, settings), configuration.clock()
    with reading(engine) as connection:
        month = evidence.month_of(connection, settings, window, now=now, running=())
    delivered = evidence.collect(connect, window)
    name = evidence.file_name(window.label, LANGUAGES[0])
    return {f"{name}.json": evidence.to_json(month, delivered, settings, now=now, made_by=None, language=LANGUAGES[0])}


class LateNotifier(BaseNotifier):
    """Alerts that a scheduled day was not settled by the deadline; the deadline's callback, which runs in the triggerer."""

    def notify(self, context: Context) -> None:
        """Send at once."""
        settings, message = self._compose(context)
        _send(settings, message)

    async def async_notify(self, context: Context) -> None:
        """Send without blocking the triggerer."""
        from asgiref.sync import sync_to_async
        from tablero.airflow.alerts import notifiers

        settings, message = await sync_to_async(self._compose)(context)
        await notifiers.send_async(settings, message, context)

    def _compose(self, context: Any) -> tuple[Settings, Message]:
        from tablero.airflow import configuration
        from tablero.airflow.alerts import content
        from tablero.airflow.alerts.notifiers import Message
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
        return settings, Message.of(content.late(dag_id, run_id, deadline, found, base_url=configuration.base_url()))


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
