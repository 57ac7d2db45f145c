"""Reading the rows of batches."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract import StatusChange
from tablero.outbox.schema import status_change


def changes_of(connection: Connection, ids: Sequence[int]) -> dict[int, list[StatusChange]]:
    """The status changes of each of these batches, in the order in which they are posted."""
    query = (
        sa.select(status_change.c.batch_id, *(status_change.c[name] for name in StatusChange._fields))
        .where(status_change.c.batch_id.in_(ids))
        .order_by(status_change.c.batch_id, *status_change.primary_key)
    )
    changes: dict[int, list[StatusChange]] = {identity: [] for identity in ids}
    for identity, *values in connection.execute(query).all():
        changes[identity].append(StatusChange._make(values))
    return changes
