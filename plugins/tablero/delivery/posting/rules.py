"""What an answer means for its batch and for the pass. Plain values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.search import Trouble
from tablero.outbox.queue.claims import History
from tablero.outbox.queue.order import SEARCHED_AFTER
from tablero.texts import delivery as texts

#: Transient failures in a row after which a pass stops: the dashboard is down.
GIVE_UP_AFTER = 5

#: Calls that find out, after these failures, whether the dashboard fails on certain rows or on everything: one batch that has
#: failed least often, and the calls that search a batch of 1000 rows down to a single row and post what follows it.
PROBES = 12

#: The same where the failures were time-outs, which cost minutes each, and of which a smaller call is the likely remedy.
SLOW_PROBES = 4

#: 2xx answers from something else than the dashboard, before any acceptance, after which the address counts as wrong.
WRONG_SERVER_AFTER = 2

#: The application's own 403 or 404 answers, before any acceptance, after which the path counts as wrong.
WRONG_PATH_AFTER = 20

#: Calls of the search without any acceptance in the pass after which the dashboard is assumed to refuse everything; as many
#: samples in vain after an acceptance.
GIVE_UP_SEARCH_AFTER = 20

#: Rows refused alone since the last acceptance of a pass, after which the dashboard may have begun to refuse everything: those
#: of batches from which nothing was accepted, and those whose batch was accepted in part.
IN_DOUBT_AFTER = 5
IN_DOUBT_AFTER_PROVED = 100


def interpret(answer: Answer, past: History) -> Answer:
    """Interpret an answer with the history of its rows; the resulting outcome is recorded.

    A repeat that the dashboard recognises, after an attempt with an unknown outcome, is the missing acknowledgement. If it
    names only some rows, this applies to those alone, once each is posted alone. The application's own 403 or 404 is treated as
    a refusal of the content; :class:`Pass` finds out whether it is about the path.
    """
    if answer.outcome is Outcome.REFUSED and answer.is_repeat and past.ever_unknown and not (answer.partial or answer.named):
        sentence = texts.RECOGNISED(status=str(answer.status))
        return replace(answer, outcome=Outcome.DELIVERED, error=str(sentence), sentence=sentence)
    if answer.outcome is Outcome.PERMANENT and answer.may_be_content:
        return replace(answer, outcome=Outcome.REFUSED)
    return answer


def trouble_of(answer: Answer, past: History) -> Trouble | None:
    """What a batch must be searched for after this answer; ``None`` if it is left as it is.

    :param answer: as returned by :func:`interpret`.
    """
    if answer.outcome is Outcome.REFUSED:
        return Trouble.SIZE if answer.too_large else Trouble.CONTENT
    if answer.outcome is Outcome.UNKNOWN and past.unknown_in_a_row + 1 >= SEARCHED_AFTER:
        return Trouble.CONTENT if is_own_failure(answer) else Trouble.SIZE
    return None


def is_cut_unposted(past: History, rows: int) -> bool:
    """Whether a batch that earlier passes have posted in vain is split without being posted once more.

    A whole batch is posted once more: the night may have been bad, and not the batch. Whatever ends the passes, each gets
    further than the one before.
    """
    spared = 0 if past.cuts else 1
    return rows > 1 and (past.refusals > spared or past.unknown_in_a_row >= SEARCHED_AFTER + spared)


def is_own_failure(answer: Answer) -> bool:
    """Whether the dashboard itself failed, neither X-Road nor a gateway: a service that cannot process a row always answers
    so.
    """
    return answer.outcome is Outcome.UNKNOWN and answer.status == 500 and answer.xroad_error is None


def probes_after(failures: Sequence[Answer]) -> int:
    """How many calls find out, after these failures in a row, whether all that is pending must wait for the dashboard.

    The oldest batches go first in every pass: if the dashboard fails on their rows alone, they must not hold up all others.
    """
    if any(answer.outcome is not Outcome.UNKNOWN for answer in failures):
        return 0  # an answer that is certain, such as 503, does not depend on the rows
    return PROBES if all(map(is_own_failure, failures)) else SLOW_PROBES


class Stop(Enum):
    """Why a pass posts nothing more."""

    PERMANENT = "permanent"
    """A person must act."""

    DOWN = "down"
    """Too many failures in a row, and the probes have failed as well."""

    WAIT = "wait"
    """The other side asked to wait."""

    CLOSED = "closed"
    """``send_hours`` have closed."""


@dataclass
class Pass:
    """The state of a pass, and whether it may continue.

    :ivar ever_delivered: the dashboard accepted something in an earlier pass.
    :ivar accepted: calls accepted in this pass.
    :ivar accepted_after_refusal: those among them that had been refused before: refusals are not always the fault of rows.
    :ivar refusal: first refusal of the content of a call.
    :ivar failures: answers that leave batches pending.
    :ivar stop: why nothing more is posted; ``None`` while the pass continues.
    :ivar permanent: the answer that a person must act on.
    :ivar searched: calls of the search since the last acceptance that were made in doubt of everything.
    :ivar isolated: rows that the search has found since the last acceptance, refused or failed alone, without proof.
    :ivar proved: rows set aside since the last acceptance.
    :ivar probes: probes begun since the dashboard last accepted or refused something.
    """

    ever_delivered: bool = False
    accepted: int = 0
    accepted_after_refusal: int = 0
    refusal: Answer | None = None
    failures: list[Answer] = field(default_factory=list)
    stop: Stop | None = None
    permanent: Answer | None = None
    searched: int = 0
    isolated: int = 0
    proved: int = 0
    probes: int = 0
    _in_a_row: list[Answer] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)

    def learn(self, answer: Answer, past: History, *, in_search: bool = False) -> None:
        """Update the state with an answer.

        :param answer: as returned by :func:`interpret`.
        :param past: history of the rows.
        :param in_search: whether it answers a part of a batch that is searched.
        """
        self.searched += in_search and (not self.accepted or self.must_sample)
        if answer.outcome is Outcome.DELIVERED or answer.partial:
            self.accepted += 1
            self.accepted_after_refusal += past.refusals > 0
            self.searched = self.isolated = self.proved = 0
            self._is_up()
        elif answer.outcome is Outcome.REFUSED:
            self.refusal = self.refusal or answer
            self._is_up()
            self._seen["of the path"] += answer.may_be_content
            if self._seen["of the path"] >= WRONG_PATH_AFTER and not self.proven:
                self._stop(answer)
        elif answer.outcome is Outcome.PERMANENT:
            self._stop(answer)
        else:
            self._fail(answer, past)

    def _fail(self, answer: Answer, past: History) -> None:
        self.failures.append(answer)
        self._in_a_row.append(answer)
        if answer.unexpected:
            self._seen["strangers"] += 1 + (past.unknown_in_a_row > 0)
            if self._seen["strangers"] >= WRONG_SERVER_AFTER and not self.proven:
                self._stop(answer)
        if answer.retry_after:
            self.stop = self.stop or Stop.WAIT
        elif self.must_probe and self.probes >= probes_after(self._in_a_row):
            self.stop = self.stop or Stop.DOWN

    def _is_up(self) -> None:
        self._in_a_row.clear()
        self.probes = 0

    def _stop(self, answer: Answer) -> None:
        self.stop = Stop.PERMANENT
        self.permanent = self.permanent or answer

    def close(self) -> None:
        """Stop because ``send_hours`` have closed."""
        self.stop = self.stop or Stop.CLOSED

    @property
    def must_probe(self) -> bool:
        """Whether so many calls have failed in a row that only probes are posted, one at a time."""
        return len(self._in_a_row) >= GIVE_UP_AFTER

    @property
    def proven(self) -> bool:
        """Whether the path is known to lead to the dashboard: it has accepted something."""
        return self.ever_delivered or self.accepted > 0

    @property
    def may_search(self) -> bool:
        """Whether a search is useful: it is not yet clear that everything is refused, or is refused by now."""
        return self.searched < GIVE_UP_SEARCH_AFTER

    @property
    def must_sample(self) -> bool:
        """Whether the search must post single requests from all places, since everything may be refused: it has come to a row,
        or to several since the last acceptance. No row is set aside until something is accepted.

        Bad rows may be neighbours: what is next to a refused row says little about all others.
        """
        if not self.accepted:
            return self.isolated > 0
        return self.isolated >= IN_DOUBT_AFTER or self.proved >= IN_DOUBT_AFTER_PROVED

    @property
    def asked_to_wait(self) -> float | None:
        """The longest ``Retry-After`` of the failures, in seconds."""
        return max((answer.retry_after for answer in self.failures if answer.retry_after is not None), default=None)
