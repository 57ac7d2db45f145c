"""What Airflow itself remembers: that earlier runs delivered rows, and which tasks of this run failed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import get_current_context
from sqlalchemy.engine import Engine
from tablero.airflow.metrics import RECONCILIATIONS
from tablero.contract.windows import Window
from tablero.errors import SetupError
from tablero.outbox import ledger
from tablero.texts import airflow as texts
from tablero.texts import reconciling as reconciling_texts

log = logging.getLogger(__name__)

#: Events that are looked at, newest first: most runs deliver something.
_EVENTS = 50


def require_known_outbox(engine: Engine, *, accept_changes: bool) -> None:
    """See that an outbox without a single reading is no surprise to Airflow: with it, all would be sent again.

    :param accept_changes: somebody says that it is to be so.
    :raises SetupError: Airflow remembers a run that delivered rows.
    """
    if accept_changes or not ledger.is_empty(engine):
        return
    run = _last_run_that_delivered()
    if run is not None:
        where = engine.url.render_as_string(hide_password=True)
        raise SetupError(texts.OUTBOX_IS_EMPTY(outbox=where, run=run))


def _last_run_that_delivered() -> str | None:
    try:
        inlets = get_current_context()["inlet_events"]
    except RuntimeError:
        return None  # no task: a test, or the command line
    for event in inlets[RECONCILIATIONS].ascending(False).limit(_EVENTS):
        extra: Any = event.extra or {}
        if any(window.get("delivered") for window in extra.get("windows", ())):
            return str(event.source_run_id)
    return None


def name_failed_tasks(windows: Mapping[str, Window]) -> None:
    """Say of tasks of this run which failed although their window is settled why that is well. Never fails.

    :param windows: by the name of the task, with its map index.
    """
    try:
        ti = get_current_context()["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])[ti.run_id]
    except Exception:  # it is a remark; the proof stands without it
        log.debug("the states of the tasks could not be read", exc_info=True)
        return
    for name, state in sorted(states.items()):
        if name in windows and state in ("failed", "upstream_failed"):
            task = f"{name} ({windows[name].label})"
            log.warning("%s", reconciling_texts.FAILED_AND_SETTLED(task=task, reconcile="reconcile"))
