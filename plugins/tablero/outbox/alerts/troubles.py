"""Why tasks failed, and what they wait for: what an alert about a run reports."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.errors import ImplausibleReading, NotSettledError, PermanentError
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import reconciliation, trouble

#: Prefix of the cause of what a task waits for, which is no failure.
_WAITS = "waits:"

#: A condition: the entry says what a task waits for.
IS_WAIT = trouble.c.cause.startswith(_WAITS, autoescape=True)

#: Parts in which two reports of the same cause may differ: numbers, ids, names, quoted text.
_VARIABLE = re.compile(r"\S*\d\S*|'[^']*'|\"[^\"]*\"|«[^»]*»")


class Trouble(NamedTuple):
    """A task that failed and will not be retried.

    :ivar task: the task id, with the label of the mapped month.
    :ivar permanent: whether a retry could not have helped.
    :ivar words: the error message.
    :ivar cause: identifies this kind of failure; see :func:`cause_of`.
    :ivar task_id: locates the log, together with ``map_index`` (-1 if not mapped) and ``try_number``; ``None`` if unknown.
    """

    task: str
    permanent: bool
    words: str
    cause: str = ""
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None

    @property
    def is_consequence(self) -> bool:
        """Whether the failure only reports an earlier one."""
        return self.cause == NotSettledError.__name__


class OpenWindow(NamedTuple):
    """A window that the reconciliation of the run left unsettled.

    :ivar pending: pending rows in it.
    :ivar start: its first instant.
    :ivar end: the first instant after it.
    """

    label: str
    pending: int
    start: datetime
    end: datetime

    def is_within(self, other: OpenWindow) -> bool:
        """Whether it is a proper part of ``other``, such as a day of an audited month."""
        return (self.start, self.end) != (other.start, other.end) and other.start <= self.start and self.end <= other.end


class Situation(NamedTuple):
    """What an alert about a run reports.

    :ivar troubles: failed tasks, in order.
    :ivar windows: unsettled windows.
    """

    troubles: list[Trouble]
    windows: list[OpenWindow]

    @property
    def pending(self) -> int:
        """Pending rows; rows that are in two windows count once."""
        whole = (one for one in self.windows if not any(one.is_within(other) for other in self.windows))
        return sum(one.pending for one in whole)


def cause_of(error: BaseException) -> str:
    """A key for the cause of a failure, without the window, numbers and names that the message contains.

    Transient errors have one cause per class: a server that is down may refuse connections today and time out tomorrow. So have
    those that a whole reading raises, whose words differ between a day and a month.
    """
    kind = type(error).__name__
    if not isinstance(error, PermanentError) or isinstance(error, (ImplausibleReading, NotSettledError)):
        return kind
    words = _VARIABLE.sub("", str(error))
    return f"{kind}:{hashlib.blake2b(words.encode(), digest_size=8).hexdigest()}"


def record_trouble(engine: Engine, dag_id: str, run_id: str, found: Trouble, *, now: datetime) -> None:
    """Store why a task failed."""
    values = found._asdict() | {"task": found.task[:300], "words": found.words[:2000]}
    with writing(engine) as connection:
        connection.execute(sa.insert(trouble).values(dag_id=dag_id, run_id=run_id, happened_at=now, **values))


def record_wait(engine: Engine, dag_id: str, run_id: str, found: Trouble, *, now: datetime) -> None:
    """Store why a task is not done yet: it will be retried, or is deferred. Only its last reason is kept."""
    same = (trouble.c.task == found.task[:300], trouble.c.dag_id == dag_id, trouble.c.run_id == run_id, IS_WAIT)
    with writing(engine) as connection:
        connection.execute(sa.delete(trouble).where(*same))
    record_trouble(engine, dag_id, run_id, found._replace(cause=f"{_WAITS}{found.cause}"[:80]), now=now)


def forget_wait(engine: Engine, dag_id: str, run_id: str, task_id: str, map_index: int) -> None:
    """Remove what a task was waiting for, now that it is done."""
    same = (trouble.c.task_id == task_id, trouble.c.map_index == map_index)
    with writing(engine) as connection:
        connection.execute(sa.delete(trouble).where(trouble.c.dag_id == dag_id, trouble.c.run_id == run_id, *same, IS_WAIT))


def situation(engine: Engine, dag_id: str, run_id: str, *, since: datetime | None) -> Situation:
    """What is known about a run.

    :param since: when the run started or was cleared; failures before that are ignored. ``None``: since its beginning.
    """
    with reading(engine) as connection:
        troubles = connection.execute(_troubles(dag_id, run_id, since).where(~IS_WAIT).order_by(trouble.c.id)).all()
        left_open = last_proofs(run_id).where(~reconciliation.c.settled).order_by(reconciliation.c.window_start)
        columns = (reconciliation.c[name] for name in ("label", "pending", "window_start", "window_end"))
        windows = connection.execute(left_open.with_only_columns(*columns)).all()
    return Situation([Trouble(*row) for row in troubles], [OpenWindow(*row) for row in windows])


def last_wait(engine: Engine, dag_id: str, run_id: str, *, since: datetime | None) -> Trouble | None:
    """What a task of a run waits for; ``None`` if none does, as all that did are done, or if one has failed since.

    :param since: as in :func:`situation`.
    """
    with reading(engine) as connection:
        last = connection.execute(_troubles(dag_id, run_id, since).order_by(trouble.c.id.desc()).limit(1)).one_or_none()
    return Trouble(*last) if last is not None and last.cause.startswith(_WAITS) else None


def _troubles(dag_id: str, run_id: str, since: datetime | None) -> sa.Select[Any]:
    recent = trouble.c.happened_at >= since if since is not None else sa.true()
    columns = (trouble.c[name] for name in Trouble._fields)
    return sa.select(*columns).where(trouble.c.dag_id == dag_id, trouble.c.run_id == run_id, recent)


def last_proofs(run_id: str | None = None) -> sa.Select[Any]:
    """Select the last proof of each window of each run, or of one run."""
    proof = reconciliation.alias("proof")
    newest = sa.select(sa.func.max(proof.c.id)).group_by(proof.c.run_id, proof.c.window_start, proof.c.window_end)
    if run_id is not None:
        newest = newest.where(proof.c.run_id == run_id)
    return sa.select(reconciliation).where(reconciliation.c.id.in_(newest))
