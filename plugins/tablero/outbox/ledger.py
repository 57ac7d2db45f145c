"""The account of a window: the counts that prove that no row of it is missing, and the last proof."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.reasons import Reason
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import touching, within
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import batch, extraction, reconciliation

#: Batches read at a time.
_PAGE = 20


@dataclass(frozen=True)
class Account:
    """What became of every row of a window.

    :ivar window: the window.
    :ivar read: rows read and not replaced: those of the last finished reading, and those that only earlier readings returned.
        ``None`` if the window was never read to its end.
    :ivar delivered: rows acknowledged by the dashboard.
    :ivar rejected: rejected rows by reason code, including those that the dashboard refused.
    :ivar excluded: rows of requests opened before ``earliest``.
    :ivar duplicates: repetitions of a row within one reading.
    :ivar pending: rows staged and not yet acknowledged.
    :ivar gone: rows in the outbox that the last reading did not return: corrected or deleted at the source.
    :ivar recount: rows in the source now, counted independently; ``None`` if not counted.
    """

    window: Window
    read: int | None
    delivered: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    excluded: int = 0
    duplicates: int = 0
    pending: int = 0
    gone: int = 0
    recount: int | None = None

    @property
    def accounted(self) -> int:
        """Rows whose outcome is known, or that are pending."""
        return self.delivered + self.rejected.total() + self.excluded + self.duplicates + self.pending

    @property
    def closes(self) -> bool:
        """Whether every row read is accounted for, and the source still has the number of rows that was read."""
        return self.read is not None and self.read == self.accounted and self.recount == self.read - self.gone

    @property
    def settled(self) -> bool:
        """Whether all rows are accounted for and none is pending."""
        return self.closes and self.pending == 0


def account(engine: Engine, window: Window) -> Account:
    """The account of ``window`` from the outbox alone, without a recount of the source."""
    with reading(engine) as connection:
        last = connection.execute(
            sa.select(extraction)
            .where(
                extraction.c.window_start == window.start,
                extraction.c.window_end == window.end,
                extraction.c.finished_at.is_not(None),
            )
            .order_by(extraction.c.id.desc())
            .limit(1)
        ).one_or_none()
        states = count_states(connection, window)
    rejected = Counter(last.rejected) if last else Counter()
    if states["refused"]:
        rejected[Reason.REFUSED_BY_DASHBOARD.value] += states["refused"]
    gone = last.rows_gone if last else 0
    return Account(
        window,
        read=last.rows_read + gone if last else None,
        delivered=states["delivered"],
        rejected=rejected,
        excluded=last.excluded if last else 0,
        duplicates=last.duplicates if last else 0,
        pending=states["pending"],
        gone=gone,
    )


def count_states(connection: Connection, window: Window) -> Counter[str]:
    """The number of rows of ``window`` by the state of their batch."""
    states: Counter[str] = Counter()
    inside = sa.and_(touching(window), batch.c.first_change >= window.start, batch.c.last_change < window.end)
    for state, rows in connection.execute(
        sa.select(batch.c.state, sa.func.sum(batch.c.rows)).where(inside).group_by(batch.c.state)
    ):
        states[state] += int(rows)
    for state, rows in _rows_of_straddling(connection, window):
        states[state] += len(rows)
    return states


def _rows_of_straddling(connection: Connection, window: Window) -> Iterator[tuple[str, list[StatusChange]]]:
    """The batches that extend beyond ``window``: the state of each, and its rows that are in the window."""
    query = sa.select(batch.c.id, batch.c.state, batch.c.first_change, batch.c.last_change).where(
        touching(window),
        sa.or_(batch.c.first_change < window.start, batch.c.last_change >= window.end),
        batch.c.state != "split",
    )
    found = connection.execute(query).all()
    for start in range(0, len(found), _PAGE):
        page = found[start : start + _PAGE]
        contents = batches.rows_of(connection, [row.id for row in page])
        yield from ((row.state, within(window, contents[row.id])) for row in page)


def keep(engine: Engine, found: Account, run_id: str, now: datetime) -> None:
    """Store the result of a reconciliation."""
    with writing(engine) as connection:
        connection.execute(
            sa.insert(reconciliation).values(
                kind=found.window.kind,
                label=found.window.label,
                window_start=found.window.start,
                window_end=found.window.end,
                run_id=run_id,
                counted_at=now,
                rows_read=found.read or 0,
                delivered=found.delivered,
                rejected=dict(found.rejected),
                excluded=found.excluded,
                duplicates=found.duplicates,
                pending=found.pending,
                gone=found.gone,
                recount=found.recount,
                settled=found.settled,
            )
        )


def last_proof(engine: Engine, window: Window) -> Account | None:
    """The result of the last reconciliation of exactly this window; ``None`` if there was none."""
    same = sa.and_(reconciliation.c.window_start == window.start, reconciliation.c.window_end == window.end)
    query = sa.select(reconciliation).where(same).order_by(reconciliation.c.id.desc()).limit(1)
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Account(
        window,
        read=row.rows_read,
        delivered=row.delivered,
        rejected=Counter(row.rejected),
        excluded=row.excluded,
        duplicates=row.duplicates,
        pending=row.pending,
        gone=row.gone,
        recount=row.recount,
    )


def is_empty(engine: Engine) -> bool:
    """Whether nothing was ever read into this outbox."""
    with reading(engine) as connection:
        return connection.scalar(sa.select(extraction.c.id).limit(1)) is None
