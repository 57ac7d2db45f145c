"""Answers on their way into the outbox: written until it takes them, for as long as the leases last."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence

from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.calls import moment
from tablero.errors import OutboxUnavailable
from tablero.outbox.batches import Fresh
from tablero.outbox.queue import recording
from tablero.outbox.queue.claims import Claim, Hold
from tablero.texts import delivery as texts

log = logging.getLogger(__name__)

#: Seconds between two tries of an outbox that does not answer.
_TRY_AGAIN_AFTER = 0.5


class Recorder:
    """Records answers, together with the attempts that begin next.

    :param engine: the outbox.
    """

    def __init__(self, engine: Engine, hold: Hold) -> None:
        self._engine = engine
        self._hold = hold
        self._in_hand: Sequence[tuple[Claim, Answer]] = []
        self._not_begun: Sequence[Claim] = []
        self._after_outage = False

    def exchange(
        self, answers: Sequence[tuple[Claim, Answer]], fresh: Sequence[Fresh], keep: Collection[int] = ()
    ) -> tuple[list[Claim], int]:
        """Record ``answers`` and the attempts of ``fresh`` batches, which are to be posted next.

        While the outbox does not take the answers nothing is posted; in the end they may be recorded without new attempts.

        :param keep: batches that stay with this worker although they are pending.
        :returns: the claims that may be posted now, and how many of ``fresh`` are dealt with; of these, what another worker has
            taken meanwhile is no claim.
        :raises OutboxUnavailable: it did not take the answers until the leases ended.
        """
        self._in_hand = answers
        end = moment() + self._hold.seconds
        while True:
            try:
                claims = recording.exchange(
                    self._engine, answers, fresh, self._hold, keep=keep, after_outage=self._after_outage
                )
                break
            except OutboxUnavailable as error:
                if not answers or moment() >= end:
                    raise
                log.warning("%s", texts.OUTBOX_STILL_UNAVAILABLE(answers=len(answers), cause=error.text))
                fresh, self._after_outage = [], True  # their attempts may be recorded, and were not made
                threading.Event().wait(_TRY_AGAIN_AFTER)
        self._in_hand, self._not_begun = [], claims
        self._after_outage = self._after_outage and not fresh
        return claims, len(fresh)

    def all_begun(self) -> None:
        """The claims of the last exchange are under way."""
        self._not_begun = []

    def give_up(self, under_way: Collection[int]) -> None:
        """The task must end: record the answers in hand, and that attempts which were about to begin were not made.

        :param under_way: attempts that did begin.
        """
        stopped = Answer.saying(Outcome.TRANSIENT, texts.STOPPED)
        never_made = [(claim, stopped) for claim in self._not_begun if claim.attempt_id not in under_way]
        self.record([*self._in_hand, *never_made])

    def record(self, answers: Sequence[tuple[Claim, Answer]]) -> None:
        """Record answers, once."""
        recording.record(self._engine, answers)
