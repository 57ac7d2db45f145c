"""Single rows that were refused, or failed, in a call of their own: which of them are at fault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.quoted_rows import without_values
from tablero.delivery.posting import search
from tablero.delivery.posting.rules import Pass
from tablero.delivery.posting.search import Verdict
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

    :param engine: of the outbox.
    :param holder: the worker and its lease.
    :param so_far: state of the pass.
    """

    def __init__(self, engine: Engine, holder: Leaseholder, so_far: Pass) -> None:
        self._engine = engine
        self._holder = holder
        self._pass = so_far
        self._suspects: list[tuple[Claim, Answer, int]] = []
        self._posted_again: set[int] = set()
        self.findings = Findings()

    @property
    def held(self) -> list[int]:
        """Batches that this worker keeps and that are not being posted."""
        return [claim.batch_id for claim, _, _ in self._suspects]

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
            self._refuse(claim, answer)
            return Judged.REFUSED
        if verdict is Verdict.STRIKE:
            self._strike(claim, answer)
            leasing.release(self._engine, [claim.batch_id], self._holder.worker)
        else:
            self._suspects.append((claim, answer, self._pass.accepted))
        return Judged.PENDING

    def are_repeats(self, totals: BatchTotals, claim: Claim, answer: Answer) -> bool:
        """Whether the dashboard is likely to have all rows of a batch already; its search ends then."""
        if not search.are_likely_repeats(totals):
            return False
        self.findings.likely_repeats[totals.batch_id] = without_values(answer, claim.changes)
        leasing.release(self._engine, [claim.batch_id], self._holder.worker)
        return True

    def again(self, most: int) -> list[Claim]:
        """Post rows again that were refused before the dashboard accepted something, each once in a pass."""
        return self._post_again([claim for claim, _, accepted in self._suspects if self._pass.accepted > accepted], most)

    def again_at_the_end(self, most: int) -> list[Claim]:
        """The same where nothing else is left to post: the outbox is asked whether another worker got an acceptance."""
        waiting = [claim for claim, _, _ in self._suspects if claim.batch_id not in self._posted_again]
        proved = [claim for claim in waiting if suspects.proof(self._engine, claim, until_now=True).accepted_since]
        return self._post_again(proved, most)

    def _post_again(self, claims: Sequence[Claim], most: int) -> list[Claim]:
        again = [claim.batch_id for claim in claims if claim.batch_id not in self._posted_again][:most]
        self._posted_again.update(again)
        self._suspects = [kept for kept in self._suspects if kept[0].batch_id not in again]
        return claiming.begin(self._engine, again, self._holder) if again else []

    def close(self, *, nothing_else_left: bool) -> list[Answer]:
        """Judge the remaining rows, and release them; returns the refusals of rows that are not proved to be at fault.

        :param nothing_else_left: the pass was not stopped, and everything else is settled.
        """
        refused = [(claim, answer) for claim, answer, _ in self._suspects if answer.outcome is Outcome.REFUSED]
        # What may be about the access as a whole says nothing about rows while nothing is accepted.
        is_all = nothing_else_left and len(refused) == len(self._suspects) and not any(a.may_be_content for _, a in refused)
        open_ones = []
        for claim, answer in refused:
            strikes = suspects.proof(self._engine, claim).strikes
            decided = search.verdict_on_last(len(refused), strikes, ever_delivered=self._pass.proven, nothing_else_left=is_all)
            if decided is Verdict.REFUSE:
                self._refuse(claim, answer, unproved=True)
                continue
            if decided is Verdict.STRIKE:
                self._strike(claim, answer)
            open_ones.append(without_values(answer, claim.changes))
        leasing.release(self._engine, self.held, self._holder.worker)
        return open_ones

    def _strike(self, claim: Claim, answer: Answer) -> None:
        suspects.strike(self._engine, claim)
        self.findings.struck.append(without_values(answer, claim.changes))

    def _refuse(self, claim: Claim, answer: Answer, *, unproved: bool = False) -> None:
        words = answer.explanation
        if answer.outcome is not Outcome.REFUSED:
            sentence = texts.FAILS_ON_ROW(status=str(answer.status or "-"))
            words = f"{sentence} «{answer.message}»" if answer.message else str(sentence)
        suspects.refuse(self._engine, [(claim, words)], unproved=unproved)
        self.findings.refused += 1
        self.findings.unproved += unproved
        self._pass.proved += 1
