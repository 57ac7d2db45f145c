"""What an answer means for the batch, and for the pass: go on, stop. Plain values only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.search import Trouble
from tablero.outbox.queue.claims import History
from tablero.texts import delivery as texts

#: Transient failures in a row after which a pass stops early: the dashboard is down, not a batch unlucky.
GIVE_UP_AFTER = 5

#: Outcomes without which a batch is not known to have arrived, in a row, after which it is cut.
CUT_AFTER = 2

#: 2xx answers that are not the dashboard's, with nothing ever acknowledged, after which it is taken for another server.
STRANGERS = 2

#: The application's own 403 or 404, with nothing ever acknowledged, after which it is the path that they are about.
OF_THE_PATH_AFTER = 20

#: Calls of the search, with nothing accepted in the pass, after which the dashboard is taken to refuse everything.
SEARCH_IN_VAIN = 20


def interpret(answer: Answer, past: History) -> Answer:
    """An answer in the light of what is on record: its outcome is the one to be recorded.

    A repeat that the dashboard recognises, after an attempt whose outcome was unknown, is the acknowledgement that was missed;
    one that names some rows says it of these alone, once they stand alone. The application's own 403 or 404 is taken to be
    about content; whether it is about the path is for :class:`Pass` to find out.
    """
    if answer.outcome is Outcome.REFUSED and answer.is_repeat and past.ever_unknown and not (answer.partial or answer.named):
        sentence = texts.RECOGNISED(status=str(answer.status))
        return replace(answer, outcome=Outcome.DELIVERED, error=str(sentence), sentence=sentence)
    if answer.outcome is Outcome.PERMANENT and answer.may_be_content:
        return replace(answer, outcome=Outcome.REFUSED)
    return answer


def trouble_of(answer: Answer, past: History) -> Trouble | None:
    """What a batch is to be searched for after this answer; ``None`` if it is to be left as it is.

    :param answer: as :func:`interpret` reads it.
    """
    if answer.outcome is Outcome.REFUSED:
        return Trouble.SIZE if answer.too_large else Trouble.CONTENT
    if answer.outcome is Outcome.UNKNOWN and past.unknown_in_a_row + 1 >= CUT_AFTER:
        return Trouble.CONTENT if is_own_failure(answer) else Trouble.SIZE
    return None


def is_own_failure(answer: Answer) -> bool:
    """Whether the dashboard itself failed, neither X-Road nor a gateway on the way: a service that cannot cope with a row
    answers so, and always will.
    """
    return answer.outcome is Outcome.UNKNOWN and answer.status == 500 and answer.xroad_error is None


class Stop(Enum):
    """Why a pass posts nothing more."""

    PERMANENT = "permanent"
    """A person must act."""

    DOWN = "down"
    """Too many failures in a row."""

    WAIT = "wait"
    """The other side asked to wait."""

    CLOSED = "closed"
    """``send_hours`` have closed."""


@dataclass
class Pass:
    """What has happened in a pass so far, and whether it may go on.

    :ivar ever_delivered: the dashboard had accepted something before.
    :ivar accepted: calls that it accepted in this pass.
    :ivar refusal: the first one of the content of a call.
    :ivar failures: answers that leave batches pending.
    :ivar stop: why nothing more is posted.
    :ivar permanent: the answer that only a person can mend.
    :ivar resume_at: when the other side may be asked again.
    """

    ever_delivered: bool = False
    accepted: int = 0
    refusal: Answer | None = None
    failures: list[Answer] = field(default_factory=list)
    stop: Stop | None = None
    permanent: Answer | None = None
    resume_at: datetime | None = None
    searched: int = 0
    _seen: Counter[str] = field(default_factory=Counter)

    def learn(self, answer: Answer, past: History, *, in_search: bool = False) -> None:
        """Draw the consequences of an answer.

        :param answer: as :func:`interpret` reads it.
        :param in_search: it is to a head of a batch that is searched.
        """
        self.searched += in_search and not self.accepted
        if answer.outcome is Outcome.DELIVERED or answer.partial:
            self.accepted += 1
            self._seen["in a row"] = 0
        elif answer.outcome is Outcome.REFUSED:
            self.refusal = self.refusal or answer
            self._seen["in a row"] = 0
            self._seen["of the path"] += answer.may_be_content
            if self._seen["of the path"] >= OF_THE_PATH_AFTER and not self.proven:
                self._stop(answer)
        elif answer.outcome is Outcome.PERMANENT:
            self._stop(answer)
        else:
            self._fail(answer, past)

    def _fail(self, answer: Answer, past: History) -> None:
        self.failures.append(answer)
        self._seen["in a row"] += 1
        if answer.unexpected:
            self._seen["strangers"] += 1 + (past.unknown_in_a_row > 0)
            if self._seen["strangers"] >= STRANGERS and not self.proven:
                self._stop(answer)
        if answer.retry_after:
            self.stop = self.stop or Stop.WAIT
        elif self._seen["in a row"] >= GIVE_UP_AFTER:
            self.stop = self.stop or Stop.DOWN

    def _stop(self, answer: Answer) -> None:
        self.stop = Stop.PERMANENT
        self.permanent = self.permanent or answer

    def close(self) -> None:
        """``send_hours`` have closed."""
        self.stop = self.stop or Stop.CLOSED

    @property
    def proven(self) -> bool:
        """Whether the path leads to the dashboard: it has accepted something, ever."""
        return self.ever_delivered or self.accepted > 0

    @property
    def may_search(self) -> bool:
        """Whether a search is of use: something is accepted, or it is not clear yet that everything is refused."""
        return self.accepted > 0 or self.searched < SEARCH_IN_VAIN

    @property
    def asked_to_wait(self) -> float | None:
        """The longest time that an answer asked to wait, in seconds."""
        return max((answer.retry_after for answer in self.failures if answer.retry_after is not None), default=None)
