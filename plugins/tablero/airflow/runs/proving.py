"""The proof in which a run ends: reconcile, count the view, judge what is unusual, and fail unless all is settled."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from tablero.airflow import configuration, history, metrics
from tablero.airflow.configuration import clock
from tablero.airflow.runs.sending import open_dashboard, send
from tablero.contract.windows import Window
from tablero.delivery import counting
from tablero.delivery.health.survey import Scope, survey
from tablero.delivery.planning import EVERYTHING
from tablero.delivery.reconciling import Reconciled, reconcile, require_settled, table
from tablero.delivery.run import Run
from tablero.outbox import findings, ledger
from tablero.outbox.engine import reading
from tablero.outbox.ledger import Account
from tablero.outbox.reports import health

log = logging.getLogger(__name__)


def prove(
    windows: Sequence[Window],
    scope: Scope,
    run: Run,
    dag_id: str,
    events: Any,
    *,
    failed_tasks: dict[str, Window],
    unsent: Collection[Window],
) -> None:
    """Prove these windows, store and announce the result, and fail unless each is settled.

    :param windows: those of ``scope``, and all others that the run has read.
    :param dag_id: of the run.
    :param events: Airflow's ``outlet_events``.
    :param failed_tasks: the window of each task that may have failed, by task id and map index.
    :param unsent: as for :func:`tablero.delivery.reconciling.reconcile`.
    :raises NotSettledError: names each window that is not settled.
    :raises TableroError: what kept a window from being read or sent.
    """
    settings = configuration.read_settings()
    with configuration.source(settings) as source, configuration.outbox() as engine:
        history.require_known_outbox(engine, settings, accept_changes=run.accept_changes)
        dashboard = open_dashboard(engine, settings)

        def send_found(window: Window) -> None:
            send(engine, lambda: dashboard, settings, [EVERYTHING if scope.is_night else window], run)

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
    settled = {one.window for one in found.accounts if one.settled}
    history.name_failed_tasks({task: window for task, window in failed_tasks.items() if window in settled})
    if found.failure is not None:
        raise found.failure
    counting.require_whole(counted)  # first, since what lacks rows is not settled either
    require_settled(found.accounts)
