"""The counts that prove that no row is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.reasons import Reason
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import touching, within
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import attempt, batch, extraction, reconciliation, view_count

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
        batch.c.content.is_not(None),
    )
    found = connection.execute(query).all()
    for start in range(0, len(found), _PAGE):
        page = found[start : start + _PAGE]
        contents = batches.rows_of(connection, [row.id for row in page])
        yield from ((row.state, within(window, contents[row.id])) for row in page)


class Waiting(NamedTuple):
    """What is pending in a window.

    :ivar batches: that will be posted, those that reach beyond the window included.
    :ivar doubtful: rows that were posted before without a known outcome: the dashboard may have them, and gets them again.
    """

    batches: int
    doubtful: int


def waiting(connection: Connection, window: Window) -> Waiting:
    """What a load of ``window`` would post that was staged before."""
    under_way = sa.exists().where(attempt.c.batch_id == batch.c.id, attempt.c.outcome.is_(None))
    query = sa.select(
        batch.c.id,
        batch.c.rows,
        batch.c.first_change,
        batch.c.last_change,
        sa.or_(batch.c.ever_unknown, under_way).label("doubt"),
    ).where(touching(window), batch.c.state == "pending")
    found = connection.execute(query).all()
    doubtful = [row for row in found if row.doubt]
    whole = sum(row.rows for row in doubtful if batches.is_inside(row, window))
    straddling = [row.id for row in doubtful if not batches.is_inside(row, window)]
    parts = batches.rows_of(connection, straddling).values() if straddling else ()
    return Waiting(len(found), whole + sum(len(within(window, rows)) for rows in parts))


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


class CountResult(Enum):
    """The result of counting the whole view. The value is stored; its sentence is ``texts.page.VIEW_COUNTS[value]``."""

    COMPLETE = "complete"
    """As many rows as were read."""

    DIFFERS = "differs"
    """More or fewer than were read, however often that was repeated."""

    CHANGING = "changing"
    """The source changed between each reading and the next count."""

    NOT_IN_TIME = "not_in_time"
    """The server's time limit ended the count."""

    NOT_POSSIBLE = "not_possible"
    """The count failed for another reason."""

    OWN_SQL = "own_sql"
    """With ``source_sql`` there is no view to count."""


class ViewCount(NamedTuple):
    """The rows of the whole view: those that were read window by window, and those that the source counted.

    :ivar result: value of a :class:`CountResult`.
    :ivar until: end of the last window; undated rows are in a window too.
    :ivar rows_read: rows that were read, in all windows.
    :ivar rows_counted: rows that the source counted in these windows; ``None`` if it could not.
    :ivar rows_later: rows of the view at or after ``until``; ``None`` as before.
    """

    result: str
    until: datetime
    rows_read: int
    rows_counted: int | None = None
    rows_later: int | None = None

    @property
    def difference(self) -> int | None:
        """Rows that were counted and not read; negative if more were read."""
        return None if self.rows_counted is None else self.rows_counted - self.rows_read


def keep_view_count(engine: Engine, found: ViewCount, run_id: str, now: datetime) -> None:
    """Store the count of the whole view."""
    with writing(engine) as connection:
        connection.execute(sa.insert(view_count).values(run_id=run_id, counted_at=now, **found._asdict()))


def oldest_pending(engine: Engine, now: datetime) -> float:
    """Seconds since the start of the reading that staged the oldest pending batch; 0 if nothing is pending."""
    query = (
        sa.select(sa.func.min(extraction.c.started_at, type_=extraction.c.started_at.type))
        .join(batch, batch.c.extraction_id == extraction.c.id)
        .where(sa.text("batch.state = 'pending'"))
    )
    with reading(engine) as connection:
        oldest = connection.scalar(query)
    return (now - oldest).total_seconds() if oldest is not None else 0.0


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


def rows_found(connection: Connection, window: Window, run_id: str) -> int:
    """The rows that all readings of exactly this window by a run were the first to find, in whichever try of its tasks."""
    query = sa.select(sa.func.coalesce(sa.func.sum(extraction.c.rows_new), 0)).where(
        extraction.c.window_start == window.start,
        extraction.c.window_end == window.end,
        # In the night after the first of a month, the month so far is the same interval as the run's own day.
        extraction.c.kind == window.kind,
        extraction.c.run_id == run_id,
    )
    return int(connection.execute(query).scalar_one())


def newly_gone(connection: Connection, account: Account, run_id: str) -> int:
    """The rows of a window that the source has ceased to return since the last proof by another run; 0 without one."""
    before = connection.scalar(
        sa.select(reconciliation.c.gone)
        .where(
            reconciliation.c.window_start == account.window.start,
            reconciliation.c.window_end == account.window.end,
            reconciliation.c.run_id != run_id,
        )
        .order_by(reconciliation.c.id.desc())
        .limit(1)
    )
    return 0 if before is None else max(account.gone - before, 0)


def is_stale(engine: Engine, window: Window, since: datetime) -> bool:
    """Whether rows of ``window`` are pending that have not been compared with the source since the instant ``since``."""
    asked = sa.select(extraction.c.id).where(
        extraction.c.window_start == window.start,
        extraction.c.window_end == window.end,
        extraction.c.finished_at.is_not(None),
        extraction.c.started_at >= since,
    )
    with reading(engine) as connection:
        if connection.scalar(asked.limit(1)) is not None:
            return False
        return count_states(connection, window)["pending"] > 0


def is_empty(engine: Engine) -> bool:
    """Whether nothing was ever read into this outbox."""
    with reading(engine) as connection:
        return connection.scalar(sa.select(extraction.c.id).limit(1)) is None
