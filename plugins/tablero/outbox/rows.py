"""Reading the rows of batches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.outbox.schema import status_change

_COLUMNS = ("batch_id", *StatusChange._fields)
_ORDER = ("batch_id", *(column.name for column in status_change.primary_key))


def changes_of(connection: Connection, ids: Sequence[int]) -> dict[int, list[StatusChange]]:
    """The status changes of each of these batches, in the order in which they are posted."""
    changes: dict[int, list[StatusChange]] = {identity: [] for identity in ids}
    rows = _binary(connection, ids) if connection.dialect.name == "postgresql" else _portable(connection, ids)
    for row in rows:
        changes[row[0]].append(StatusChange._make(row[1:]))
    return changes


def _portable(connection: Connection, ids: Sequence[int]) -> Iterable[Sequence[Any]]:
    query = (
        sa.select(*(status_change.c[name] for name in _COLUMNS))
        .where(status_change.c.batch_id.in_(ids))
        .order_by(*(status_change.c[name] for name in _ORDER))
    )
    return connection.execute(query).all()


def _binary(connection: Connection, ids: Sequence[int]) -> Iterable[Sequence[Any]]:
    """The same by the driver's binary protocol, in a third of the time: this is what every row sent goes through."""
    cursor: Any = connection.connection.cursor(binary=True)
    cursor.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM status_change WHERE batch_id = ANY(%s)"  # noqa: S608 fixed names
        f" ORDER BY {', '.join(_ORDER)}",
        [list(ids)],
    )
    rows: list[Sequence[Any]] = cursor.fetchall()
    cursor.close()
    return rows
