"""What Airflow knows of earlier runs and of this one: whether rows were delivered, and which tasks failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from airflow.sdk import get_current_context
from sqlalchemy.engine import Connection, Engine
from tablero.airflow.assets import RECONCILIATIONS
from tablero.airflow.configuration import clock
from tablero.contract.windows import Window, local_day
from tablero.dashboard.answer import Attempt
from tablero.errors import SetupError
from tablero.outbox import ledger
from tablero.outbox.engine import address_of, reading
from tablero.outbox.reports import health
from tablero.settings import Settings
from tablero.texts import airflow as texts
from tablero.texts import delivery as delivery_texts

log = logging.getLogger(__name__)

#: How many asset events are searched, newest first; most runs deliver something.
_EVENTS = 50

_DAY = timedelta(days=1)

#: The key, in the state that Airflow keeps for the asset, of the last delivery: see :class:`_Delivery`.
_LAST_DELIVERY = "last_delivery"


class _Delivery(NamedTuple):
    """The last delivery that Airflow remembers.

    :ivar run: the id of its run.
    :ivar message: the id of the call; ``None`` if only the run is known.
    :ivar at: when it was noted, or when its run was proved.
    """

    run: str
    message: str | None
    at: datetime


@contextmanager
def remembering(observe: Callable[[Attempt], None], run_id: str) -> Iterator[Callable[[Attempt], None]]:
    """Observe attempts, and note in Airflow the first one that delivers, and in the end the last.

    At once, because the task may fail for another reason, and its run be red for weeks: an event of an asset is only emitted by
    a task that succeeds.

    :param observe: called with every attempt.
    """
    last = noted = None

    def observed(attempt: Attempt) -> None:
        nonlocal last, noted
        observe(attempt)
        if attempt.accepted:
            last = attempt.message_id
            if noted is None:
                noted = last
                _note(_Delivery(run_id, last, clock()))

    try:
        yield observed
    finally:
        if last != noted:
            _note(_Delivery(run_id, last, clock()))


def _note(delivery: _Delivery) -> None:
    try:
        _state().set(_LAST_DELIVERY, delivery._asdict() | {"at": delivery.at.isoformat()})
    except Exception:  # rows are being delivered; the event of their reconciliation says the same
        log.debug("the delivery could not be noted", exc_info=True)


def _state() -> Any:
    return get_current_context()["asset_state_store"][RECONCILIATIONS]


def require_known_outbox(engine: Engine, settings: Settings, *, accept_changes: bool) -> None:
    """Refuse an outbox that does not know the last delivery that Airflow remembers: it is empty, or an older copy, and what was
    delivered since would be sent again.

    It does know it if rows were adopted afterwards, as after a backup was restored.

    :param accept_changes: an operator has confirmed that this is intended, which holds for later runs as well.
    :raises SetupError: says what was seen, and how to go on.
    """
    delivery = _last_delivery()
    if delivery is None:
        return
    is_empty, last = ledger.is_empty(engine), None
    if not is_empty:
        with reading(engine) as connection:
            if _is_known(connection, delivery):
                return
            last = health.last_delivery(connection)
        if last is not None and last >= delivery.at:
            return  # another outbox, but no older one
    if accept_changes:
        _accept()
        return
    named = {"outbox": address_of(engine), "run": delivery.run}
    if is_empty:
        raise SetupError(texts.OUTBOX_IS_EMPTY(**named))
    first, until = _days_since(settings, last, delivery.at)
    days = {"at": local_day(delivery.at, settings.timezone), "last": local_day(last, settings.timezone) if last else "-"}
    raise SetupError(texts.OUTBOX_IS_BEHIND(**named, **days, first=first, until=until))


def _is_known(connection: Connection, delivery: _Delivery) -> bool:
    return (
        health.knows_call(connection, delivery.run, delivery.message)
        or (delivery.message is None and health.knows_run(connection, delivery.run))
        or health.was_adopted_since(connection, delivery.at)
    )


def _last_delivery() -> _Delivery | None:
    try:
        context = get_current_context()
    except RuntimeError:
        return None  # no task: a test, or the command line
    noted: Any = context["asset_state_store"][RECONCILIATIONS].get(_LAST_DELIVERY)
    if noted is not None:
        return _Delivery(noted["run"], noted["message"], datetime.fromisoformat(noted["at"])) if noted else None
    # Runs of version 0.1 left only these.
    for event in context["inlet_events"][RECONCILIATIONS].ascending(False).limit(_EVENTS):
        extra: Any = event.extra or {}
        if any(window.get("delivered") for window in extra.get("windows", ())):
            return _Delivery(str(event.source_run_id), None, event.timestamp)
    return None


def _accept() -> None:
    """Forget the deliveries so far, so that the nights after this run need no confirmation of their own."""
    try:
        _state().set(_LAST_DELIVERY, {})
    except Exception:  # the next delivery is noted in its place
        log.debug("the confirmation could not be noted", exc_info=True)


def _days_since(settings: Settings, last: datetime | None, at: datetime) -> tuple[date, date]:
    """The days whose rows were delivered between two deliveries: the day of the later one was not over, and rows of it that
    were adopted would never be sent.
    """
    until = local_day(at, settings.timezone) - _DAY
    first = local_day(last, settings.timezone) if last else settings.earliest
    return min(first, until), until


def name_failed_tasks(windows: Mapping[str, Window]) -> None:
    """Explain in the log why failed tasks of this run, whose window is settled, need no action. Never raises.

    :param windows: the settled ones, by task id and map index.
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
