"""The body of each Airflow task: get the objects from ``configuration``, call one use case, report the result.

DAG files import this module within their tasks, so that parsing them is cheap.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.engine import Engine
from tablero.airflow import configuration, history, lineage, metrics
from tablero.airflow.configuration import clock
from tablero.contract.windows import Window, undated_window
from tablero.delivery import counting, dry_run, loading, nightly
from tablero.delivery.health.survey import Scope, survey
from tablero.delivery.planning import EVERYTHING, Night, plan_history, plan_night, plan_run
from tablero.delivery.preflight import Finding, Level, inspect
from tablero.delivery.reconciling import Reconciled, reconcile, require_settled, table
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.sending import Delivery, send
from tablero.delivery.staging import stage
from tablero.errors import NotSettledError, ParameterError, PermanentError, TableroError, TransientError
from tablero.outbox import findings, ledger, target
from tablero.outbox.engine import reading
from tablero.outbox.ledger import Account
from tablero.outbox.reports import health
from tablero.settings import Settings
from tablero.texts import airflow as texts
from tablero.texts import delivery as delivery_texts
from tablero.texts import forms as form_texts
from tablero.texts.text import joined, verbatim

if TYPE_CHECKING:
    from tablero.dashboard.client import Dashboard
    from tablero.source.reader import Source

log = logging.getLogger(__name__)

Json = dict[str, Any]


class _Day(NamedTuple):
    """The result of ``extract`` as it is passed to the following tasks.

    :ivar windows: windows to be proved, the run's own day first.
    :ivar audits: windows to be proved again.
    :ivar tallies: of the windows that were read.
    :ivar everything: whether to post all that is pending, instead of what is pending in these windows.
    """

    windows: list[Window]
    audits: list[Window]
    tallies: list[Json]
    everything: bool

    def to_json(self) -> Json:
        windows, audits = ([window.to_json() for window in some] for some in (self.windows, self.audits))
        return self._asdict() | {"windows": windows, "audits": audits}

    @classmethod
    def from_json(cls, data: Json) -> _Day:
        # The XCom of a task of version 0.1, from before an upgrade, has neither audits nor ``everything``.
        windows, audits = ([Window.from_json(one) for one in data.get(key) or ()] for key in ("windows", "audits"))
        return cls(windows, audits, list(data.get("tallies") or ()), bool(data.get("everything")))


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


def inspect_all(settings: Settings, *, dry_run: bool = False, nightly: bool = False) -> Iterator[Finding]:
    """Run all checks of the preflight; a dry run needs neither outbox nor dashboard.

    :param nightly: only quick checks, of what a run cannot do without.
    """
    return inspect(
        settings,
        source=lambda: configuration.source(settings),
        outbox=None if dry_run else configuration.outbox,
        dashboard=None if dry_run else lambda: configuration.dashboard(settings),
        clock=clock,
        nightly=nightly,
    )


def require_ready(found: Iterable[Finding], *, only: type[TableroError] = TableroError) -> None:
    """Log the findings of the preflight and fail if a check failed.

    :param only: the class of errors to raise; failures of another class are only logged.
    :raises PermanentError, TransientError: lists all checks that failed.
    """
    levels = {Level.OK: logging.INFO, Level.WARNING: logging.WARNING, Level.FAILED: logging.ERROR}
    failed = []
    for finding in found:
        log.log(levels[finding.level], "%s", finding)
        if finding.level is Level.FAILED:
            failed.append(finding)
    if failed:
        kind = TransientError if all(finding.transient for finding in failed) else PermanentError
        if issubclass(kind, only):
            listed = joined([verbatim(str(finding)) for finding in failed], "\n")
            raise kind(texts.CHECKS_FAILED(count=len(failed), findings=listed))


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
            return _Day([own], [], results, everything=False).to_json()
        with configuration.outbox() as engine:
            history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])
            scheduled = run.run_type == "scheduled"
            night = plan_night(engine, settings, own) if scheduled else Night([own], [])
            log.info("windows: %s", ", ".join(window.label for window in night.windows))
            found = nightly.read(engine, source, settings, night.windows, _run_of(params, run.run_id))
            tallies = [_tally(tally) for tally in found.tallies]
            return _Day(found.windows, night.audits, tallies, everything=scheduled).to_json()


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
    day = _Day.from_json(extracted) if extracted else None
    everything = day.everything if day else run.run_type == "scheduled"
    windows = day.windows if day else []
    if params["dry_run"] or not (windows or everything):
        return {"delivered": 0}
    settings = configuration.read_settings()
    with configuration.outbox() as engine:
        history.require_known_outbox(engine, settings, accept_changes=params["accept_changes"])
        connect = _connector(engine, settings)
        this_run = _run_of(params, run.run_id)
        if params["resend"]:
            connect()
            with configuration.source(settings) as source:
                for window in windows:
                    stage(engine, source, settings, window, replace(this_run, resend=True))
        else:
            nightly.refresh_stale(engine, lambda: configuration.source(settings), settings, windows, this_run)
        delivery = _send(engine, connect, settings, [EVERYTHING] if everything else windows, this_run)
    return _sent(delivery)


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
            connect = _connector(engine, settings)
            if params["resend"]:
                connect()
            run = replace(_run_of(params, run_id), resend=params["resend"])
            with history.remembering(metrics.attempted, run_id) as observe:
                tallies, delivery = loading.load(engine, source, connect, settings, [chosen], run, observe)
    return _tally(tallies[0]) | _sent(delivery)


def prove_months(windows: Sequence[Json] | None, tallies: Sequence[Any] | None, params: Json, run_id: str, events: Any) -> None:
    """Reconcile the months of a load: log the table, and fail unless each is settled. A dry run logs what would be sent.

    :param windows: the plan; ``None`` if the run failed before it was made.
    :param tallies: the results of the mapped tasks.
    :param events: Airflow's ``outlet_events``.
    """
    if windows is None:
        raise NotSettledError(texts.NOTHING_PLANNED)
    if params["dry_run"]:
        _report(list((tallies or ())[:]), len(windows))
        return
    months = [Window.from_json(data) for data in windows]
    loaded = {tally.get("window") for tally in (tallies or ())[:] if tally}
    _prove(
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
    day = _Day.from_json(extracted)
    if params["dry_run"]:
        _report(day.tallies, len(day.windows))
        return
    own, windows = day.windows[0], [*day.windows, *day.audits]
    _prove(
        windows,
        Scope(own, day.audits, is_night=day.everything),
        _run_of(params, run.run_id),
        "daily_send",
        events,
        failed_tasks={"extract": own, "post": own},
        unsent=windows if posted is None else [],
    )


def _prove(
    windows: Sequence[Window],
    scope: Scope,
    run: Run,
    dag_id: str,
    events: Any,
    *,
    failed_tasks: dict[str, Window],
    unsent: Collection[Window],
) -> None:
    settings = configuration.read_settings()
    with configuration.source(settings) as source, configuration.outbox() as engine:
        history.require_known_outbox(engine, settings, accept_changes=run.accept_changes)
        dashboard = _dashboard(engine, settings)

        def send_found(window: Window) -> None:
            _send(engine, lambda: dashboard, settings, [EVERYTHING if scope.is_night else window], run)

        before = {window: ledger.last_proof(engine, window) for window in windows}

        def reconciled(some: Sequence[Window]) -> Reconciled:
            return reconcile(engine, source, settings, some, run, send=send_found, unsent=unsent)

        def keep(account: Account) -> None:
            ledger.keep(engine, account, run.id, clock())

        counted = counting.compare(source, reconciled(windows), reconciled, keep, is_load=scope.own is None)
        if counted.view is not None:
            findings.keep_view_count(engine, counted.view, run.id, clock())
        found = counted.reconciled
        unusual = survey(
            engine,
            settings,
            found.accounts,
            scope,
            run_id=run.id,
            uncounted=counted.uncounted,
            future=counting.count_future(source, clock()) if scope.is_night else 0,
        )
        findings.keep_degradations(engine, dag_id, run.id, unusual, now=clock())
        with reading(engine) as connection:
            oldest = health.oldest_pending(connection, clock())
        metrics.reconciled(found.accounts, oldest, unusual)
    for line in table(found.accounts):
        log.info("%s", line)
    metrics.announce(events, found.accounts, {window: one for window, one in before.items() if one}, unusual)
    if found.failure is not None:
        raise found.failure
    counting.require_whole(counted)  # first, since what lacks rows is not settled either
    require_settled(found.accounts)
    history.name_failed_tasks(failed_tasks)


def _run_of(params: Json, run_id: str) -> Run:
    return Run(run_id, clock, accept_changes=params["accept_changes"])


def _report_input(source: Source, settings: Settings) -> None:
    lineage.report_input(source.engine, None if settings.source_sql else settings.source_table)


def _dashboard(engine: Engine, settings: Settings) -> Dashboard:
    """The client. Fails if the outbox delivers to another dashboard, since its state would not apply to this one."""
    dashboard = configuration.dashboard(settings)
    for warning in dashboard.warnings:
        log.warning("%s", warning)
    target.remember(engine, target.name_of(settings, dashboard.url), clock())
    return dashboard


def _connector(engine: Engine, settings: Settings) -> Callable[[], Dashboard]:
    """Creates the client on first use and reports it to OpenLineage: importing its libraries takes longer than reading a month
    without changes."""

    @cache
    def connect() -> Dashboard:
        dashboard = _dashboard(engine, settings)
        lineage.report_output(dashboard.url)
        return dashboard

    return connect


def _send(
    engine: Engine, connect: Callable[[], Dashboard], settings: Settings, windows: Sequence[Window], run: Run
) -> Delivery:
    with history.remembering(metrics.attempted, run.id) as observe:
        return send(engine, connect, settings, windows, run, observe=observe)


def _sent(delivery: Delivery) -> Json:
    return {"delivered": delivery.rows, "refused": delivery.refused}


def _tally(tally: Tally) -> Json:
    return {
        "window": tally.window.label,
        "read": tally.read,
        "new": tally.new,
        "known": tally.known,
        "duplicate": tally.duplicates,
        "excluded": tally.excluded,
        "rejected": dict(tally.rejected),
        "batches": tally.batches,
        "bytes": tally.bytes,
    }


def _report(tallies: Sequence[Json], planned: int) -> None:
    for tally in tallies:
        log.info(
            "dry run %s: %d rows, %d new to send, %d calls, %d bytes; %d duplicate, %d excluded, rejected: %s",
            *(tally[key] for key in ("window", "read", "new", "batches", "bytes", "duplicates", "excluded")),
            tally["rejected"] or "none",
        )
        log.info(
            "dry run %s: %d known, %d gone from the source, %d of them to be withdrawn; %d to be sent again",
            *(tally[key] for key in ("window", "known", "gone", "withdrawn", "resent")),
        )
        if tally.get("seconds") is not None:
            log.info("dry run %s: about %.0f s, in %d nights", tally["window"], tally["seconds"], tally["nights"])
        if tally.get("brake"):
            log.warning("%s", verbatim(tally["brake"]))
    if len(tallies) < planned:
        raise PermanentError(texts.DRY_RUN_INCOMPLETE(read=len(tallies), planned=planned))
    log.info("dry run: nothing was written or sent")
