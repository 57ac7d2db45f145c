"""Taking rows for delivered on a person's word, when the outbox that knew it is lost."""

from __future__ import annotations

from datetime import datetime, tzinfo
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.errors import WindowBusy
from tablero.outbox.batches import Origin
from tablero.outbox.engine import writing
from tablero.outbox.queue import carve, give_up_attempts
from tablero.outbox.schema import attempt, batch


def adopt(engine: Engine, window: Window, *, run_id: str, words: str, zone: tzinfo, now: datetime) -> int:
    """Make what is pending in ``window`` delivered, without a call; the attempt on record says so. One transaction.

    :param run_id: names this adoption.
    :param words: kept with each batch: who said so, and that nothing was posted.
    :param zone: the institution's, whose civil days the rows are counted by.
    :returns: how many rows.
    :raises WindowBusy: if a worker may be posting some of them right now; nothing is changed then.
    """
    with writing(engine) as connection:
        touching = connection.execute(
            sa.select(batch)
            .where(
                sa.text("batch.state = 'pending'"),
                batch.c.first_change < window.end,
                batch.c.last_change >= window.start,
            )
            .order_by(batch.c.id)
            .with_for_update()
        ).all()
        if any(row.claimed_until is not None and row.claimed_until > now for row in touching):
            raise WindowBusy(
                f"{window.label}: a run is sending it. Pause both DAGs (historical_load, daily_send), wait for their runs to"
                " end, and try again. / Pause ambos DAG, espere a que terminen sus corridas e intente de nuevo."
            )
        adopted: dict[int, int] = {}
        for row in touching:
            if row.first_change >= window.start and row.last_change < window.end:
                adopted[row.id] = row.rows
                continue
            part, rows = carve(connection, Origin(row.extraction_id, row.id, row.resend_run_id), window, zone)
            if part is not None:
                adopted[part] = rows
        _deliver(connection, list(adopted), run_id, words, now)
    return sum(adopted.values())


def _deliver(connection: Connection, ids: list[int], run_id: str, words: str, now: datetime) -> None:
    if not ids:
        return
    connection.execute(give_up_attempts(ids))
    connection.execute(
        sa.insert(attempt),
        [
            {
                "batch_id": identity,
                "run_id": run_id,
                "message_id": str(uuid4()),
                "started_at": now,
                "outcome": Outcome.DELIVERED.value,
                "message": words,
            }
            for identity in ids
        ],
    )
    connection.execute(
        sa.update(batch).where(batch.c.id == sa.bindparam("identity")).values(state="delivered", settled_at=now),
        [{"identity": identity} for identity in ids],
    )
