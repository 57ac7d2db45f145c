"""Single rows that were refused, or failed, in a call of their own: which of them are at fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.quoted_rows import without_values
from tablero.delivery.posting import search
from tablero.delivery.posting.rules import Pass
from tablero.delivery.posting.search import Verdict
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import claiming, leasing, suspects
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.queue.suspects import BatchTotals
from tablero.texts import delivery as texts


@dataclass
class Findings:
    """The results of the searches of a pass.

    :ivar refused: number of rows refused for good.
    :ivar unproved: those among them without proof by a later acceptance.
    :ivar struck: answers about rows that will be refused for good if they fail in the next pass as well.
    :ivar likely_repeats: batches of which every row fails, as if the dashboard already had them, each with an answer.
    """

    refused: int = 0
    unproved: int = 0
    struck: list[Answer] = field(default_factory=list)
    likely_repeats: dict[int, Answer] = field(default_factory=dict)


class _Suspect(NamedTuple):
    """A single row of which nothing is proved yet.

    :ivar judged_at: when its answer had been recorded, by the outbox's clock.
    """

    claim: Claim
    answer: Answer
    judged_at: datetime


class Judged(Enum):
    """What becomes of a single row."""

    REFUSED = "refused"
    """It is refused for good."""

    PENDING = "pending"
    """It stays pending: later changes of its request wait for it."""

    REPEAT = "repeat"
    """The dashboard fails on every row of its batch, as if it had them: the search of the batch ends."""


class SingleRows:
    """Judges single rows, and posts those again of which nothing is proved yet.

    A row that was refused after an acceptance is refused for good, but is *unconfirmed* until the dashboard accepts a call that
    was begun afterwards: it may have begun to refuse everything in the meantime.

    :param engine: of the outbox.
    :param holder: the worker and its lease.
    :param so_far: state of the pass.
    """

    def __init__(self, engine: Engine, holder: Leaseholder, so_far: Pass) -> None:
        self._engine = engine
        self._holder = holder
        self._pass = so_far
        self._suspects: dict[int, _Suspect] = {}
        self._again: list[int] = []
        self._posted_again: set[int] = set()
        self._unconfirmed: dict[int, tuple[Claim, Answer]] = {}
        # When a row was refused before, by name or alone; None if all others of that call were accepted.
        self._refused_before: dict[int, datetime | None] = {}
        self._acceptances_used = 0
        self.findings = Findings()

    @property
    def held(self) -> list[int]:
        """Batches that this worker keeps and that are not being posted."""
        return list(self._suspects)

    @property
    def is_undecided(self) -> bool:
        """Whether rows are left for :meth:`close`."""
        return bool(self._suspects or self._unconfirmed)

    def named(self, pieces: Iterable[LeasedBatch], *, others_accepted: bool) -> None:
        """Note that the dashboard has named these rows.

        :param others_accepted: it accepted all others of that call; otherwise it refused the call because of them.
        """
        at = None if others_accepted else suspects.current_time(self._engine)
        self._refused_before.update((piece.batch_id, at) for piece in pieces)

    def judge(self, claim: Claim, answer: Answer) -> Judged:
        """Judge a single row by the answer to its own call, which is on record."""
        refused = answer.outcome is Outcome.REFUSED
        accepted = self._pass.accepted > 0
        verdict = search.verdict(
            suspects.proof(self._engine, claim), refused=refused, may_be_access=answer.may_be_content, accepted=accepted
        )
        if not refused and verdict is not Verdict.OPEN:
            totals = suspects.batch_totals(self._engine, claim.batch_id)
            if self.are_repeats(totals, claim, answer):
                return Judged.REPEAT
            if search.may_be_repeats(totals):
                verdict = Verdict.OPEN
        if accepted and self._pass.must_sample:
            verdict = Verdict.OPEN  # everything may be refused by now
        self._pass.isolated += verdict is Verdict.OPEN or not accepted
        if verdict is Verdict.REFUSE:
            is_confirmed = not refused or self._is_confirmed(claim)
            self._refuse(claim, answer, unproved=not is_confirmed)
            if not is_confirmed:
                self._unconfirmed[claim.batch_id] = claim, answer
            return Judged.REFUSED
        if verdict is Verdict.STRIKE:
            suspects.strike(self._engine, claim)
            self.findings.struck.append(without_values(answer, claim.changes))
            leasing.release(self._engine, [claim.batch_id], self._holder.worker)
        else:
            self._suspects[claim.batch_id] = _Suspect(claim, answer, suspects.current_time(self._engine))
        return Judged.PENDING

    def _is_confirmed(self, claim: Claim) -> bool:
        """Whether the dashboard has refused this very row before, by name or alone, and has accepted others since then."""
        if claim.batch_id not in self._refused_before:
            return False
        before = self._refused_before[claim.batch_id]
        return before is None or suspects.accepted_between(self._engine, before, claim.attempt_id)

    def are_repeats(self, totals: BatchTotals, claim: Claim, answer: Answer) -> bool:
        """Whether the dashboard is likely to have all rows of a batch already; its search ends then."""
        if not search.are_likely_repeats(totals):
            return False
        self.findings.likely_repeats[totals.batch_id] = without_values(answer, claim.changes)
        leasing.release(self._engine, [claim.batch_id], self._holder.worker)
        return True

    def again(self, most: int) -> list[Claim]:
        """Post rows again that were refused before the dashboard accepted something, each once in a pass."""
        if self._pass.accepted > self._acceptances_used:
            self._acceptances_used = self._pass.accepted
            self._use_acceptances()
        return self._post_again(most)

    def again_at_the_end(self, most: int) -> list[Claim]:
        """The same where nothing else is left to post: another worker may have got an acceptance."""
        self._use_acceptances()
        return self._post_again(most)

    def _use_acceptances(self) -> None:
        """Confirm the rows that are proved to be at fault by what was accepted, and find those to be posted again."""
        self._confirm()
        for identity, suspect in self._suspects.items():
            if identity in self._posted_again:
                continue
            if suspects.proof(self._engine, suspect.claim, until_now=True).accepted_since:
                self._posted_again.add(identity)
                self._again.append(identity)

    def _post_again(self, most: int) -> list[Claim]:
        again, self._again = self._again[:most], self._again[most:]
        for identity in again:
            self._refused_before[identity] = self._suspects.pop(identity).judged_at
        return claiming.begin(self._engine, again, self._holder) if again else []

    def _confirm(self) -> None:
        if self._unconfirmed:
            for identity in suspects.confirm(self._engine, list(self._unconfirmed)):
                del self._unconfirmed[identity]

    def close(self, *, nothing_else_left: bool, only_suspects_left: bool) -> list[Answer]:
        """Judge the remaining rows, and release them; returns the refusals of rows that are not proved to be at fault.

        :param nothing_else_left: the pass was not stopped, and everything else is settled.
        :param only_suspects_left: what is pending are single rows that were refused alone in this pass or an earlier one.
        """
        reopened = self._close_unconfirmed(only_suspects_left=only_suspects_left)
        refused = [(claim, answer) for claim, answer, _ in self._suspects.values() if answer.outcome is Outcome.REFUSED]
        # What may be about the access as a whole says nothing about rows while nothing is accepted.
        is_all = nothing_else_left and len(refused) == len(self._suspects) and not any(a.may_be_content for _, a in refused)
        open_ones = []
        for claim, answer in refused:
            strikes = suspects.proof(self._engine, claim).strikes
            decided = search.verdict_on_last(len(refused), strikes, ever_delivered=self._pass.proven, nothing_else_left=is_all)
            if decided is Verdict.REFUSE:
                self._refuse(claim, answer, unproved=True)
                self.findings.unproved += 1
                continue
            if decided is Verdict.STRIKE:
                self.findings.struck.append(without_values(answer, claim.changes))
            suspects.strike(self._engine, claim)
            open_ones.append(without_values(answer, claim.changes))
        leasing.release(self._engine, self.held, self._holder.worker)
        return reopened + open_ones

    def _close_unconfirmed(self, *, only_suspects_left: bool) -> list[Answer]:
        """Decide about the rows that were refused since the last acceptance; returns the answers about those left pending."""
        self._confirm()
        if search.may_stay_unproved(
            len(self._unconfirmed) + len(self._suspects),
            accepted=self._pass.accepted,
            accepted_after_refusal=self._pass.accepted_after_refusal,
            only_suspects_left=only_suspects_left,
        ):
            self.findings.unproved += len(self._unconfirmed)
            self._unconfirmed.clear()
        return self.reopen_unconfirmed()

    def reopen_unconfirmed(self) -> list[Answer]:
        """Leave the rows pending that were refused since the last acceptance; returns the answers about them."""
        if self._unconfirmed:
            suspects.reopen(self._engine, list(self._unconfirmed), self._holder.worker)
        self.findings.refused -= len(self._unconfirmed)
        left = [without_values(answer, claim.changes) for claim, answer in self._unconfirmed.values()]
        self._unconfirmed.clear()
        return left

    def _refuse(self, claim: Claim, answer: Answer, *, unproved: bool = False) -> None:
        words = answer.explanation
        if answer.outcome is not Outcome.REFUSED:
            sentence = texts.FAILS_ON_ROW(status=str(answer.status or "-"))
            words = f"{sentence} «{answer.message}»" if answer.message else str(sentence)
        suspects.refuse(self._engine, [(claim, words)], unproved=unproved)
        self.findings.refused += 1
        self._pass.proved += 1
