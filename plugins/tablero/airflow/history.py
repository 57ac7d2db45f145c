"""What Airflow knows of earlier runs and of this one: whether rows were delivered, and which tasks failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow.sdk import get_current_context
from sqlalchemy.engine import Engine
from tablero.airflow.assets import RECONCILIATIONS
from tablero.contract.windows import Window
from tablero.dashboard.answer import Attempt
from tablero.errors import SetupError
from tablero.outbox import ledger
from tablero.outbox.engine import address_of
from tablero.texts import airflow as texts
from tablero.texts import delivery as delivery_texts

log = logging.getLogger(__name__)

#: How many asset events are searched, newest first; most runs deliver something.
_EVENTS = 50

#: The key, in the state that Airflow keeps for the asset, of the last run that delivered.
_DELIVERED = "delivered_by"


def remembering(observe: Callable[[Attempt], None], run_id: str) -> Callable[[Attempt], None]:
    """Observe attempts, and note in Airflow, with the first one that delivers, that rows were delivered.

    At once, because the task may fail for another reason, and its run be red for weeks: an event of an asset is only emitted by
    a task that succeeds.

    :param observe: called with every attempt.
    """
    is_noted = False

    def observed(attempt: Attempt) -> None:
        nonlocal is_noted
        observe(attempt)
        if attempt.accepted and not is_noted:
            is_noted = True
            _note_delivery(run_id)

    return observed


def _note_delivery(run_id: str) -> None:
    try:
        get_current_context()["asset_state_store"][RECONCILIATIONS].set(_DELIVERED, run_id)
    except Exception:  # rows are being delivered; the event of their reconciliation says the same
        log.debug("the delivery could not be noted", exc_info=True)


def require_known_outbox(engine: Engine, *, accept_changes: bool) -> None:
    """Refuse an empty outbox if Airflow remembers runs that delivered rows: everything would be sent again.

    :param accept_changes: an operator has confirmed that this is intended.
    :raises SetupError: the outbox is empty, and there was such a run.
    """
    if accept_changes or not ledger.is_empty(engine):
        return
    run = _last_run_that_delivered()
    if run is not None:
        raise SetupError(texts.OUTBOX_IS_EMPTY(outbox=address_of(engine), run=run))


def _last_run_that_delivered() -> str | None:
    try:
        context = get_current_context()
    except RuntimeError:
        return None  # no task: a test, or the command line
    noted = context["asset_state_store"][RECONCILIATIONS].get(_DELIVERED)
    if noted is not None:
        return str(noted)
    # Runs of version 0.1 left only these.
    for event in context["inlet_events"][RECONCILIATIONS].ascending(False).limit(_EVENTS):
        extra: Any = event.extra or {}
        if any(window.get("delivered") for window in extra.get("windows", ())):
            return str(event.source_run_id)
    return None


def name_failed_tasks(windows: Mapping[str, Window]) -> None:
    """Explain in the log why failed tasks of this run need no action where their window is settled. Never raises.

    :param windows: by task id and map index.
    """
    try:
        ti = get_current_context()["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
    except Exception:  # only a remark; the proof does not depend on it
        log.debug("the states of the tasks could not be read", exc_info=True)
        return
    for name, state in sorted(states.items()):
        if name in windows and state in ("failed", "upstream_failed"):
            task = f"{name} ({windows[name].label})"
            log.warning("%s", delivery_texts.FAILED_AND_SETTLED(task=task, reconcile="reconcile"))
