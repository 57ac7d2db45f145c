"""The question of the counter: was this request reported? And does the source say the same now?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.reasons import Reason
from tablero.contract.rules import Rejected, Row, Verdict
from tablero.contract.status_change import StatusChange
from tablero.outbox.schema import batch, status_change


class Change(NamedTuple):
    """A status change of a request and what became of it.

    :ivar state: of its batch: pending, delivered or refused.
    :ivar settled_at: when the dashboard acknowledged or refused it.
    :ivar words: the dashboard's, if it refused it.
    """

    change: StatusChange
    batch_id: int
    state: str
    settled_at: datetime | None
    words: str | None


def changes_of_request(connection: Connection, request_id: str, *, skip: int, limit: int) -> list[Change]:
    """The staged status changes of a request in order of time."""
    query = (
        sa.select(
            *(status_change.c[name] for name in StatusChange._fields),
            status_change.c.batch_id,
            batch.c.state,
            batch.c.settled_at,
            batch.c.words,
        )
        .join(batch, batch.c.id == status_change.c.batch_id)
        .where(status_change.c.request_id == request_id)
        .order_by(*status_change.primary_key)
        .offset(skip)
        .limit(limit)
    )
    fields = len(StatusChange._fields)
    return [Change(StatusChange._make(row[:fields]), *row[fields:]) for row in connection.execute(query)]


class AtSource(NamedTuple):
    """A row of the source now, and what the outbox knows of it.

    :ivar row: its five values, as the source gives them.
    :ivar reason: the first rule that it breaks, if it does.
    :ivar known: the status change that it is, if it was read before; rejected and excluded rows are none.
    :ivar is_valid: whether it is to be delivered.
    """

    row: Row
    reason: Reason | None
    known: Change | None
    is_valid: bool


class Comparison(NamedTuple):
    """What the source says now of a request, held against what the outbox knows.

    :ivar rows: of the source, each once, in order of time as far as it is known.
    :ivar gone: status changes which the source had once, and has no longer.
    """

    rows: list[AtSource]
    gone: list[Change]

    @property
    def unread(self) -> int:
        """Valid rows that no reading has seen yet."""
        return sum(row.is_valid and row.known is None for row in self.rows)

    @property
    def delivered(self) -> int:
        """Rows that the dashboard has."""
        return sum(row.known is not None and row.known.state == "delivered" for row in self.rows)


def compare(rows: Iterable[Row], verdicts: Iterable[Verdict], changes: Sequence[Change]) -> Comparison:
    """Hold the source of now against the outbox. Identity is the content: a corrected row is another one.

    :param verdicts: what the contract says of each of ``rows``.
    :param changes: all status changes of the request that are on record.
    """
    known = {change.change: change for change in changes}
    valid: dict[StatusChange, AtSource] = {}
    others: dict[str, AtSource] = {}
    for row, verdict in zip(rows, verdicts, strict=True):
        if isinstance(verdict, StatusChange):
            valid[verdict] = AtSource(row, None, known.get(verdict), is_valid=True)
        else:
            reason = verdict.reason if isinstance(verdict, Rejected) else None
            others[repr(row)] = AtSource(row, reason, None, is_valid=False)
    in_time = sorted(valid, key=lambda change: change.last_modified_date)
    return Comparison(
        [*(valid[change] for change in in_time), *others.values()],
        [change for identity, change in known.items() if identity not in valid and change.state != "withdrawn"],
    )
