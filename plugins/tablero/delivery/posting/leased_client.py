"""Posting one batch, only while its lease is known to last."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection

from tablero.contract.wire import encode
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.calls import seconds_since_boot
from tablero.delivery.posting.job import Client
from tablero.outbox.queue.claims import Claim
from tablero.texts import delivery as texts

log = logging.getLogger(__name__)


class Deadlines:
    """How long this worker may post what it has claimed, by a local monotonic clock.

    A worker that was suspended notices here, without a query, that another worker may hold its batches by now.

    :param seconds: length of a lease.
    :param longest_call: seconds that a call may take; must be less than ``seconds``.
    """

    def __init__(self, seconds: float, longest_call: float) -> None:
        self._seconds = seconds
        self._longest_call = longest_call
        self._until: dict[int, float] = {}
        self._oldest = seconds_since_boot()
        self.is_open = True

    def start(self, batches: Collection[int], since: float) -> None:
        """Start, or restart, the leases of these batches.

        :param since: a time before the outbox was asked for them.
        """
        self._until.update((batch, since + self._seconds) for batch in batches)
        self._oldest = min(self._oldest, since)

    def forget(self, batch: int) -> None:
        """Remove a batch whose attempt has ended."""
        self._until.pop(batch, None)

    def may_end_during_call(self, batch: int) -> bool:
        """Whether the lease of this batch is over, or may end before a call that begins now has ended."""
        return seconds_since_boot() + self._longest_call >= self._until.get(batch, 0.0)

    @property
    def until_renewal(self) -> float:
        """Seconds until the leases must be renewed: after a third of their length, or earlier, so that a batch that waits for
        its turn can always be posted."""
        spare = self._seconds - self._longest_call
        return max(0.0, self._oldest + min(self._seconds / 3, spare / 2) - seconds_since_boot())

    def renewed(self, batches: Collection[int], since: float) -> None:
        """Restart the leases of these batches, which are all that this worker still holds."""
        self._oldest = since
        self.start(batches, since)

    def close(self) -> None:
        """Post nothing new, so that no further leases are taken."""
        self.is_open = False


class LeasedClient:
    """The client, with a check of the lease before each call.

    :param connect: creates the client.
    :param seconds: length of a lease.
    :param longest_call: seconds that a call may take.
    """

    def __init__(self, connect: Callable[[], Client], seconds: float, longest_call: float) -> None:
        self._connect = connect
        self._client: Client | None = None
        self.deadlines = Deadlines(seconds, longest_call)

    @property
    def is_connected(self) -> bool:
        """Whether there is a client."""
        return self._client is not None

    def connect(self) -> None:
        """Create the client."""
        self._client = self._connect()

    def post(self, claim: Claim) -> Answer:
        """Post a claimed batch; never raises."""
        assert self._client is not None  # nothing is claimed without it
        if not self.deadlines.is_open:
            return Answer.saying(Outcome.TRANSIENT, texts.STOPPED)
        if self.deadlines.may_end_during_call(claim.batch_id):
            return Answer.saying(Outcome.TRANSIENT, texts.NOT_POSTED)
        try:
            return self._client.post(encode(claim.changes), message_id=claim.message_id, issue=str(claim.batch_id))
        except Exception as error:  # must not affect the other calls in flight
            log.exception("%s", texts.CALL_BROKE(batch=str(claim.batch_id)))
            return Answer.saying(Outcome.UNKNOWN, texts.OUR_OWN_FAULT(kind=type(error).__name__))
