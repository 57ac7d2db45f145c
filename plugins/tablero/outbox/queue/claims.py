"""A claim: a batch, the attempt to post it, and the worker that may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tablero.contract.status_change import StatusChange


class History(NamedTuple):
    """What the outbox knows about the rows of a batch before an attempt.

    :ivar cuts: how many times the rows were split off another batch; 0 for a batch as it was staged.
    :ivar unknown_in_a_row: attempts with an unknown outcome since the last known outcome.
    :ivar ever_unknown: the dashboard may already have these rows: an attempt had an unknown outcome, or they are being resent.
    :ivar strikes: passes that count against a single row.
    :ivar refusals: attempts of this very batch that were refused.
    """

    cuts: int = 0
    unknown_in_a_row: int = 0
    ever_unknown: bool = False
    strikes: int = 0
    refusals: int = 0


class Claim(NamedTuple):
    """A batch that only this worker may post until its lease ends.

    :ivar batch_id: the same for all attempts of the batch.
    :ivar attempt_id: the record of this attempt.
    :ivar message_id: new for each attempt; sent as ``X-Road-Id``.
    :ivar worker: the worker that claimed it.
    :ivar changes: the status changes, in the order in which they are posted.
    :ivar history: the state before this attempt.
    """

    batch_id: int
    attempt_id: int
    message_id: str
    worker: str
    changes: Sequence[StatusChange]
    history: History = History()


class LeasedPart(NamedTuple):
    """A batch that this worker holds to search it; whether it is posted as it is, or split first, is decided by the search.

    :ivar changes: the status changes, in the order in which they are posted.
    """

    batch_id: int
    changes: Sequence[StatusChange]
    history: History


class Leaseholder(NamedTuple):
    """On whose behalf batches are leased, and for how long.

    :ivar worker: identifies one try of one task.
    :ivar run_id: the DAG run of that task.
    :ivar seconds: length of a lease; each transaction that claims or renews starts it again.
    """

    worker: str
    run_id: str
    seconds: float
