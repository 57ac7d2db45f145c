"""Recording answers in the outbox: what is in hand stays in hand until the outbox has taken it."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Collection, Sequence
from datetime import tzinfo

from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.calls import seconds_since_boot
from tablero.errors import TableroError
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import recording
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.queue.recording import Exchanged
from tablero.texts import delivery as texts

log = logging.getLogger(__name__)

#: Seconds between two attempts to reach an outbox that does not answer.
TRY_AGAIN_AFTER = 0.5


class Recorder:
    """Records answers, together with the attempts that begin next.

    :param engine: of the outbox.
    :param holder: the worker and the length of its leases.
    :param zone: the institution's time zone, in which rows are counted by day.
    :ivar until: when the leases of what is in hand have ended for certain.
    """

    def __init__(self, engine: Engine, holder: Leaseholder, zone: tzinfo) -> None:
        self._engine = engine
        self._holder = holder
        self._zone = zone
        self._in_hand: dict[int, tuple[Claim, Answer]] = {}
        self._not_begun: Sequence[Claim] = []
        self._after_outage = False
        self.until = math.inf

    def exchange(
        self, answers: Sequence[tuple[Claim, Answer]], staged: Sequence[LeasedBatch], keep: Collection[int] = ()
    ) -> tuple[Exchanged, int]:
        """Record ``answers`` and the attempts of ``staged`` batches, which are posted next.

        Nothing is posted until the answers are recorded; after an outage they may be recorded without new attempts.

        :param keep: pending batches that stay with this worker.
        :returns: what is left to do, and the number of ``staged`` batches used; a batch that another worker has claimed in
            the meantime is used without a claim.
        :raises OutboxUnavailable, SetupError: if the answers could not be recorded before the leases ended.
        """
        self.take_in_hand(answers)
        self.until = seconds_since_boot() + self._holder.seconds
        while True:
            try:
                exchanged = recording.exchange(
                    self._engine, answers, staged, self._holder, keep=keep, after_outage=self._after_outage, zone=self._zone
                )
                break
            except TableroError as error:  # also one that seems permanent: a restarting server may refuse a login for a while
                if not answers or seconds_since_boot() >= self.until:
                    raise
                self._warn(error)
                staged, self._after_outage = [], True  # their attempts may be on record, but were not made
                threading.Event().wait(TRY_AGAIN_AFTER)
        self._in_hand, self._not_begun, self.until = {}, exchanged.claims, math.inf
        self._after_outage = self._after_outage and not staged
        return exchanged, len(staged)

    def all_begun(self) -> None:
        """Note that the claims of the last exchange are being posted."""
        self._not_begun = []

    def not_made(self, under_way: Collection[int]) -> None:
        """Before the pass ends early: take in hand that the attempts about to begin were not made.

        :param under_way: attempts that did begin.
        """
        stopped = Answer.saying(Outcome.TRANSIENT, texts.STOPPED)
        self.take_in_hand([(claim, stopped) for claim in self._not_begun if claim.attempt_id not in under_way])
        self._not_begun = []

    def take_in_hand(self, answers: Sequence[tuple[Claim, Answer]]) -> None:
        """Take answers in hand, for :meth:`record`; each attempt has one."""
        self._in_hand |= {claim.attempt_id: (claim, answer) for claim, answer in answers}

    def record(self) -> bool:
        """Try once to record what is in hand, and begin nothing; returns whether the outbox has taken it."""
        try:
            recording.record(self._engine, list(self._in_hand.values()), zone=self._zone)
        except TableroError as error:
            self._warn(error)
            return False
        self._in_hand = {}
        return True

    def _warn(self, error: TableroError) -> None:
        log.warning("%s", texts.OUTBOX_STILL_UNAVAILABLE(answers=len(self._in_hand), cause=error.text))
