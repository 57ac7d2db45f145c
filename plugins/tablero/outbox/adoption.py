"""Adoption: recording rows as delivered on a person's word, after the outbox that knew it was lost or a confirmation never
came.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, tzinfo
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.errors import ParameterError, WindowBusy
from tablero.outbox import batches
from tablero.outbox.batches import carve, touching
from tablero.outbox.engine import now_of, reading, writing
from tablero.outbox.queue import attempts
from tablero.outbox.schema import attempt, batch
from tablero.texts import outbox as texts


def adopt(engine: Engine, window: Window, *, run_id: str, words: str, zone: tzinfo, now: datetime) -> int:
    """Record what is pending in ``window`` as delivered, without a call; each batch gets an attempt that says so. One
    transaction.

    :param run_id: identifies this adoption.
    :param words: stored with each batch: who adopted it, and that nothing was posted.
    :param zone: the institution's time zone, in which rows are counted by day.
    :returns: the number of rows.
    :raises WindowBusy: if a worker may be posting some of them; nothing is changed then.
    """
    with writing(engine) as connection:
        which = sa.literal_column("batch.state = 'pending'", sa.Boolean), touching(window)
        pending = _held(connection, *which)
        if _any_leased(connection, pending):
            raise WindowBusy(texts.BUSY_WINDOW(window=window.label))
        # Before they are split: what is left of a batch may have arrived as well.
        attempts.give_up(connection, [row.id for row in pending])
        pending = _held(connection, *which)
        carved = dict(filter(None, (carve(connection, whole, window, zone) for whole in pending)))
        _deliver(connection, list(carved), run_id, words, now)
    return sum(carved.values())


def adopt_batch(engine: Engine, batch_id: int, *, run_id: str, words: str, now: datetime) -> int:
    """The same for one batch that the dashboard is known to have although it answers every repeat with an error. If the batch
    was split, its pending and refused parts are adopted.

    :returns: the number of rows.
    :raises ParameterError: if nothing of the batch is pending or refused.
    :raises WindowBusy: if a worker may be posting it; nothing is changed then.
    """
    with writing(engine) as connection:
        open_ones = _open_parts(connection, batch_id)
        if _any_leased(connection, open_ones):
            raise WindowBusy(texts.BUSY_BATCH(batch=str(batch_id)))
        _deliver(connection, [row.id for row in open_ones], run_id, words, now)
    return sum(row.rows for row in open_ones)


def adopt_parts(engine: Engine, ids: Collection[int], *, run_id: str, words: str, now: datetime) -> None:
    """The same for exactly these batches, which are those that a person was shown.

    :raises ParameterError: if one of them is not pending any more; nothing is changed then.
    :raises WindowBusy: if a worker may be posting one; nothing is changed then.
    """
    with writing(engine) as connection:
        found = _held(connection, batch.c.id.in_(ids), batch.c.state == "pending")
        if len(found) < len(ids):
            raise ParameterError(texts.NOTHING_OPEN(batch=str(min(ids))))
        if _any_leased(connection, found):
            raise WindowBusy(texts.BUSY_BATCH(batch=str(min(ids))))
        _deliver(connection, [row.id for row in found], run_id, words, now)


def count_open(engine: Engine, batch_id: int) -> int:
    """The number of rows that :func:`adopt_batch` would record as delivered.

    :raises ParameterError: if there are none.
    """
    with reading(engine) as connection:
        return sum(row.rows for row in _open_parts(connection, batch_id))


def _open_parts(connection: Connection, batch_id: int) -> list[Any]:
    """The pending and refused rows of ``batch``: the batch itself, or its parts."""
    found = _held(connection, batch.c.id == batch_id)
    open_ones = []
    while found:
        open_ones += [row for row in found if row.state in ("pending", "refused")]
        cut = [row.id for row in found if row.state == "split"]
        found = _held(connection, batch.c.parent_id.in_(cut)) if cut else []
    if not open_ones:
        raise ParameterError(texts.NOTHING_OPEN(batch=str(batch_id)))
    return open_ones


def _held(connection: Connection, *which: sa.ColumnElement[bool]) -> Sequence[Any]:
    query = sa.select(*batches.COLUMNS).where(*which).order_by(batch.c.id)
    return connection.execute(query.with_for_update()).all()


def _any_leased(connection: Connection, found: Sequence[Any]) -> bool:
    now = now_of(connection)
    return any(row.claimed_until is not None and row.claimed_until > now for row in found)


def _deliver(connection: Connection, ids: list[int], run_id: str, words: str, now: datetime) -> None:
    if not ids:
        return
    attempts.give_up(connection, ids)
    adopted = {"run_id": run_id, "started_at": now, "outcome": Outcome.DELIVERED.value, "message": words}
    connection.execute(sa.insert(attempt), [{"batch_id": identity, "message_id": str(uuid4()), **adopted} for identity in ids])
    delivered = {"state": "delivered", "words": None, "settled_at": now, "settled_how": "adopted", "claimed_until": None}
    connection.execute(
        sa.update(batch).where(batch.c.id == sa.bindparam("identity")).values(delivered),
        [{"identity": identity} for identity in ids],
    )
