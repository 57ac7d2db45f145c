"""What each Airflow task does: get the objects from ``configuration``, call one use case, say what came of it.

DAG files import this module inside their tasks, so that parsing them costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Engine
from tablero.airflow import configuration, lineage, metrics
from tablero.airflow.configuration import clock
from tablero.contract.windows import Window
from tablero.delivery import loading
from tablero.delivery.planning import plan_day, plan_healing, plan_history, plan_interval
from tablero.delivery.preflight import Finding, Level, inspect
from tablero.delivery.reconciling import reconcile, require_settled, table
from tablero.delivery.sending import Delivery, send
from tablero.delivery.staging import Tally, heal, rehearse, stage
from tablero.errors import ParameterError, PermanentError, TransientError
from tablero.outbox import ledger, requeue, target
from tablero.settings import Settings

if TYPE_CHECKING:
    from tablero.dashboard.client import Dashboard
    from tablero.source.reader import Source

log = logging.getLogger(__name__)

Json = dict[str, Any]


def check(params: Json, given: Json | None, known: Collection[str]) -> None:
    """Preflight: see that everything is there before anything is read or sent. All checks run.

    :param params: the run's parameters, defaults included.
    :param given: what the trigger gave.
    :param known: the parameters that the DAG has; Airflow itself lets others pass.
    :raises PermanentError, TransientError: lists all that failed, each with its remedy.
    """
    configuration.refuse_unknown(given, known)
    settings = configuration.read_settings()
    plan_history(settings, start_month=params["start_month"], end_month=params["end_month"], now=clock())
    require_ready(inspect_all(settings, dry_run=params["dry_run"]))


def inspect_all(settings: Settings, *, dry_run: bool = False) -> Iterator[Finding]:
    """All checks of the preflight; a dry run needs neither outbox nor dashboard."""
    return inspect(
        settings,
        source=lambda: configuration.source(settings),
        outbox=None if dry_run else configuration.outbox,
        dashboard=None if dry_run else lambda: configuration.dashboard(settings),
        clock=clock,
    )


def require_ready(findings: Iterable[Finding]) -> None:
    """Log what the checks found.

    :raises PermanentError, TransientError: if one failed; lists all that did.
    """
    levels = {Level.OK: logging.INFO, Level.WARNING: logging.WARNING, Level.FAILED: logging.ERROR}
    failed = []
    for finding in findings:
        log.log(levels[finding.level], "%s", finding)
        if finding.level is Level.FAILED:
            failed.append(finding)
    if failed:
        kind = TransientError if all(finding.transient for finding in failed) else PermanentError
        raise kind(f"{len(failed)} checks failed:\n" + "\n".join(map(str, failed)))


def plan_months(params: Json) -> list[Json]:
    """The months of the run, cut at this instant."""
    windows = plan_history(
        configuration.read_settings(), start_month=params["start_month"], end_month=params["end_month"], now=clock()
    )
    log.info("%d months: %s to %s", len(windows), windows[0].label, windows[-1].label)
    return [window.to_json() for window in windows]


def plan_days(params: Json, run: Any, known: Collection[str]) -> list[Json]:
    """The days of the run, its own first.

    :param run: Airflow's ``dag_run``.
    :param known: the parameters that the DAG has.
    :raises ParameterError: if the run has no day.
    """
    configuration.refuse_unknown(run.conf, known)
    settings = configuration.read_settings()
    if params["day"]:
        return [plan_day(settings, params["day"], now=clock()).to_json()]
    if run.data_interval_start is None or run.data_interval_end is None:
        raise ParameterError("This run has no data interval. Trigger it with the parameter day, as YYYY-MM-DD.")
    own = plan_interval(settings, run.data_interval_start, run.data_interval_end)
    windows = [own]
    if run.run_type == "scheduled" and not params["dry_run"]:
        with configuration.outbox() as engine:
            windows += plan_healing(engine, settings, own)
    log.info("days: %s", ", ".join(window.label for window in windows))
    return [window.to_json() for window in windows]


def extract(windows: Sequence[Json], params: Json, run_id: str) -> list[Json]:
    """Stage each window, the run's own first; in a dry run, only rehearse.

    :returns: a tally of each that could be read.
    """
    settings = configuration.read_settings()
    chosen = [Window.from_json(data) for data in windows]
    with configuration.source(settings) as source:
        _reads(source, settings)
        if params["dry_run"]:
            return [_tally(rehearse(None, source, settings, window, clock=clock)) for window in chosen]
        with configuration.outbox() as engine:
            tallies = [stage(engine, source, settings, chosen[0], run_id=run_id, clock=clock)]
            tallies += heal(engine, source, settings, chosen[1:], run_id=run_id, clock=clock)
            return [_tally(tally) for tally in tallies]


def post(windows: Sequence[Json], params: Json, run_id: str) -> Json:
    """Send what is pending in the windows; with ``resend``, also what was delivered before this run."""
    if params["dry_run"]:
        return {"delivered": 0}
    settings = configuration.read_settings()
    chosen = [Window.from_json(data) for data in windows]
    with configuration.outbox() as engine:
        connect = _connector(engine, settings)
        if params["resend"]:
            connect()
            _resend(engine, chosen, run_id, settings.timezone)
        delivery = _send(engine, connect, settings, chosen, run_id)
    return _sent(delivery)


def load(window: Json, params: Json, run_id: str) -> Json:
    """Stage one month, and send what is staged meanwhile; in a dry run, only rehearse."""
    if params["dry_run"]:
        (tally,) = extract([window], params, run_id)
        return tally | {"delivered": 0}
    settings = configuration.read_settings()
    chosen = [Window.from_json(window)]
    with configuration.source(settings) as source, configuration.outbox() as engine:
        connect = _connector(engine, settings)
        _reads(source, settings)
        if params["resend"]:
            connect()
            _resend(engine, chosen, run_id, settings.timezone)
        tallies, delivery = loading.load(
            engine,
            source,
            connect,
            settings,
            chosen,
            run_id=run_id,
            clock=clock,
            observe=metrics.attempted,
        )
    return _tally(tallies[0]) | _sent(delivery)


def prove(windows: Sequence[Json] | None, tallies: Iterable[Any] | None, params: Json, run_id: str, events: Any) -> None:
    """Reconcile: print the table of all windows, and fail unless each is settled. In a dry run, print what would be sent.

    :param windows: of the plan; ``None`` if the run failed before there was one.
    :param tallies: what the tasks before returned.
    :param events: Airflow's ``outlet_events``.
    """
    if windows is None:
        raise PermanentError(
            "Nothing was read or sent: a task before this one failed. Look at its log, mend the cause, and clear it with its"
            " downstream tasks."
        )
    if params["dry_run"]:
        _report(list(tallies or ()), len(windows))
        return
    settings = configuration.read_settings()
    chosen = [Window.from_json(data) for data in windows]
    with configuration.source(settings) as source, configuration.outbox() as engine:
        dashboard = _dashboard(engine, settings)

        def catch_up(window: Window) -> None:
            stage(engine, source, settings, window, run_id=run_id, clock=clock)
            _send(engine, lambda: dashboard, settings, [window], run_id)

        accounts, failure = reconcile(engine, source, chosen, run_id=run_id, clock=clock, catch_up=catch_up)
        metrics.reconciled(accounts, ledger.oldest_pending(engine, clock()))
    for line in table(accounts):
        log.info("%s", line)
    metrics.announce(events, accounts)
    if failure is not None:
        raise failure
    require_settled(accounts)


def _reads(source: Source, settings: Settings) -> None:
    lineage.reads(source.engine, None if settings.source_sql else settings.source_table)


def _dashboard(engine: Engine, settings: Settings) -> Dashboard:
    """The client, unless the outbox delivers to another dashboard: settled there would not mean settled here."""
    dashboard = configuration.dashboard(settings)
    target.remember(engine, target.name_of(settings, dashboard.url), clock())
    return dashboard


def _connector(engine: Engine, settings: Settings) -> Callable[[], Dashboard]:
    """Makes the client when it is first asked to, and says so to OpenLineage: its libraries take longer to be imported than a
    month without news takes to be read."""

    @cache
    def connect() -> Dashboard:
        dashboard = _dashboard(engine, settings)
        lineage.sends(dashboard.url)
        return dashboard

    return connect


def _send(
    engine: Engine, connect: Callable[[], Dashboard], settings: Settings, windows: Sequence[Window], run_id: str
) -> Delivery:
    return send(engine, connect, settings, windows, run_id=run_id, clock=clock, observe=metrics.attempted)


def _resend(engine: Engine, windows: Sequence[Window], run_id: str, zone: tzinfo) -> None:
    for window in windows:
        rows = requeue.resend(engine, window, run_id=run_id, zone=zone)
        log.info("%s: %d delivered rows are to be posted again", window.label, rows)


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
            "dry run %s: %d rows, %d to send in %d batches, %d bytes; %d duplicate, %d excluded, rejected: %s",
            *(tally[key] for key in ("window", "read", "new", "batches", "bytes", "duplicate", "excluded")),
            tally["rejected"] or "none",
        )
    if len(tallies) < planned:
        raise PermanentError(f"The dry run read {len(tallies)} of {planned} windows; look at the tasks that failed.")
    log.info("dry run: nothing was written or sent")
