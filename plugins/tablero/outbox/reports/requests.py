"""Queries about a single request: was it reported, and does the source still return the same?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.packing import row_order
from tablero.contract.reasons import Reason
from tablero.contract.rules import Rejected, Row, Verdict
from tablero.contract.status_change import StatusChange
from tablero.outbox import batches
from tablero.outbox.content import request_hash
from tablero.outbox.schema import batch, batch_content


class Change(NamedTuple):
    """A status change of a request and its state.

    :ivar state: of its batch: pending, delivered, refused or withdrawn.
    :ivar settled_at: when the dashboard acknowledged or refused it.
    :ivar words: the dashboard's explanation, if it refused it.
    """

    change: StatusChange
    batch_id: int
    state: str
    settled_at: datetime | None
    words: str | None


def changes_of_request(connection: Connection, request_id: str, *, skip: int = 0, limit: int | None = None) -> list[Change]:
    """The staged status changes of a request, ordered by time. All are read, however many are returned.

    :param limit: all of them if ``None``.
    """
    # The id lies between the first and the last request of thousands of batches; its hash occurs in a few.
    needle = sa.literal(request_hash(request_id), sa.LargeBinary)
    # A subquery instead of a join, which PostgreSQL may begin with the hashes of all batches.
    hashes = sa.select(batch_content.c.requests).where(batch_content.c.batch_id == batch.c.id).scalar_subquery()
    if connection.dialect.name == "postgresql":
        position = sa.func.position(needle.op("IN")(hashes))
    else:
        position = sa.func.instr(hashes, needle)
    query = sa.select(batch.c.id, batch.c.state, batch.c.settled_at, batch.c.words).where(
        batch.c.first_request <= request_id, batch.c.last_request >= request_id, position > 0
    )
    found = {row.id: row for row in connection.execute(query)}
    contents = batches.rows_of(connection, list(found))
    changes = [
        Change(change, row.id, row.state, row.settled_at, row.words)
        for row in found.values()
        for change in contents[row.id]
        if change.request_id == request_id
    ]
    changes.sort(key=lambda each: (row_order(each.change), each.batch_id))
    return list(islice(changes, skip, None if limit is None else skip + limit))


class AtSource(NamedTuple):
    """A row of the source, and what the outbox knows about it.

    :ivar row: the five values as the source returns them.
    :ivar reason: the first rule it violates, if any.
    :ivar known: the matching status change in the outbox; ``None`` for rows not read yet, rejected or excluded.
    :ivar is_valid: whether it is to be delivered.
    """

    row: Row
    reason: Reason | None
    known: Change | None
    is_valid: bool


class Comparison(NamedTuple):
    """The rows of a request in the source, compared with the outbox.

    :ivar rows: the distinct rows of the source; valid ones first, ordered by time.
    :ivar gone: status changes on record that the source no longer returns.
    """

    rows: list[AtSource]
    gone: list[Change]

    @property
    def unread(self) -> int:
        """Valid rows that no reading has returned yet."""
        return sum(row.is_valid and row.known is None for row in self.rows)

    @property
    def delivered(self) -> int:
        """Rows that the dashboard has."""
        return sum(row.known is not None and row.known.state == "delivered" for row in self.rows)


def compare(rows: Iterable[Row], verdicts: Iterable[Verdict], changes: Sequence[Change]) -> Comparison:
    """Compare the source with the outbox. Rows are matched by content: a corrected row is a different row.

    :param verdicts: the verdict of the contract on each of ``rows``.
    :param changes: all status changes of the request on record.
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
