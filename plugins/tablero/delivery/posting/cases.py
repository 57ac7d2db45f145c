"""The search applied to the outbox: batches that were refused, or failed, are split until the rows at fault are found."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer, Outcome
from tablero.dashboard.quoted_rows import without_values
from tablero.delivery.posting import search
from tablero.delivery.posting.rules import Pass, trouble_of
from tablero.delivery.posting.search import Search, Trouble, Verdict
from tablero.outbox.batches import Fresh
from tablero.outbox.queue import claiming, cutting, leasing, suspects
from tablero.outbox.queue.claims import Claim, Hold
from tablero.texts import delivery as texts


@dataclass
class Case:
    """One batch that is being searched.

    :ivar search: decides where to split next.
    :ivar head: the part that was posted last; ``None`` once it is settled.
    :ivar tail: the part that was never posted.
    :ivar split_request: the request that the end of the head has split; the rest of that request is posted separately.
    """

    search: Search
    head: Fresh | None
    tail: Fresh | None = None
    split_request: str | None = None


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


class Cases:
    """All searches of a pass.

    :param engine: of the outbox.
    :param hold: the worker and its lease.
    :param zone: the institution's time zone, in which rows are counted by day.
    :param so_far: state of the pass.
    """

    def __init__(self, engine: Engine, hold: Hold, zone: tzinfo, so_far: Pass) -> None:
        self._engine = engine
        self._hold = hold
        self._zone = zone
        self._pass = so_far
        self._ready: deque[Case] = deque()
        self._separate: deque[Fresh] = deque()
        self._posted: dict[int, Case] = {}
        self._suspects: list[tuple[Claim, Answer, int]] = []
        self._posted_again: set[int] = set()
        self.findings = Findings()

    def __contains__(self, batch_id: int) -> bool:
        return batch_id in self._posted

    @property
    def held(self) -> list[int]:
        """Batches that this worker keeps and that are not being posted."""
        pieces = [piece for case in self._ready for piece in (case.head, case.tail)] + list(self._separate)
        tails = [case.tail for case in self._posted.values()]
        suspects = [claim.batch_id for claim, _, _ in self._suspects]
        return [piece.batch_id for piece in (*pieces, *tails) if piece is not None] + suspects

    def wants(self, claim: Claim, answer: Answer) -> bool:
        """Whether a batch stays with this worker after this answer, to be searched."""
        return answer.partial or claim.batch_id in self._posted or trouble_of(answer, claim.history) is not None

    def add(self, pieces: Sequence[Fresh]) -> None:
        """Post parts that this worker holds, each in a call of its own."""
        self._separate.extend(pieces)

    # -- what came back --------------------------------------------------------------------------------------------------------

    def answered(self, claim: Claim, answer: Answer) -> None:
        """Process an answer that has been recorded."""
        case = self._posted.pop(claim.batch_id, None)
        if answer.outcome is Outcome.DELIVERED:
            self._go_on(case, claim, passed=True)
        elif answer.partial:
            self._end_search(case)  # the others are delivered, and the named ones were added
        elif answer.outcome is Outcome.REFUSED or (
            # A failure is searched if the batch has failed before, or is part of one that did.
            answer.outcome is Outcome.UNKNOWN and (case is not None or trouble_of(answer, claim.history) is not None)
        ):
            self._search_batch(case, claim, answer)
        else:
            leasing.release(self._engine, [claim.batch_id], self._hold.worker)
            self._end_search(case)

    def _search_batch(self, case: Case | None, claim: Claim, answer: Answer) -> None:
        rows = len(claim.changes)
        if rows == 1:
            self._judge(case, claim, answer)
            return
        piece = Fresh(claim.batch_id, claim.changes)
        edges = search.cut_out(answer.named, rows)
        if edges:
            parts = cutting.cut(self._engine, piece, edges, worker=self._hold.worker, zone=self._zone)
            # Parts that are not named go first: their acceptance proves that the named ones are at fault.
            named = [start in answer.named for start in (0, *edges)]
            self._separate.extend(part for _, part in sorted(zip(named, parts, strict=False), key=lambda pair: pair[0]))
            self._end_search(case)
        elif case is not None:
            case.head = piece
            case.search = case.search.refused(rows)
            if self._pass.accepted:
                self._ready.append(case)
            else:
                self._ready.appendleft(case)  # smaller calls are accepted sooner, and an acceptance is needed as proof
        elif answer.outcome is Outcome.UNKNOWN and search.are_likely_repeats(
            totals := suspects.batch_totals(self._engine, claim.batch_id)
        ):
            self._give_up(totals.batch_id, without_values(answer, claim.changes), [claim.batch_id])
        else:
            trouble = trouble_of(answer, claim.history) or Trouble.CONTENT
            self._ready.append(Case(Search.of(rows, trouble), piece))

    def _judge(self, case: Case | None, claim: Claim, answer: Answer) -> None:
        """Judge a single row that was refused, or failed, in a call of its own."""
        refused = answer.outcome is Outcome.REFUSED
        verdict = search.verdict(suspects.proof(self._engine, claim), refused=refused)
        likely_repeats = None
        if not refused and verdict is not Verdict.OPEN:
            totals = suspects.batch_totals(self._engine, claim.batch_id)
            likely_repeats = totals.batch_id if search.are_likely_repeats(totals) else None
            if search.may_be_repeats(totals):
                verdict = Verdict.OPEN
        if likely_repeats is not None:
            self._give_up(likely_repeats, without_values(answer, claim.changes), [claim.batch_id, *self._pieces(case)])
            return
        if verdict is Verdict.REFUSE:
            self._refuse(claim, answer)
        elif verdict is Verdict.STRIKE:
            suspects.strike(self._engine, claim)
            self.findings.struck.append(without_values(answer, claim.changes))
            leasing.release(self._engine, [claim.batch_id], self._hold.worker)
        else:
            self._suspects.append((claim, answer, self._pass.accepted))
        if case is not None:
            case.search = case.search.isolated()
            self._go_on(case, claim, waits=verdict is not Verdict.REFUSE)

    def _refuse(self, claim: Claim, answer: Answer, *, unproved: bool = False) -> None:
        words = answer.explanation
        if answer.outcome is not Outcome.REFUSED:
            sentence = texts.FAILS_ON_ROW(status=str(answer.status or "-"))
            words = f"{sentence} «{answer.message}»" if answer.message else str(sentence)
        suspects.refuse(self._engine, [(claim, words)], unproved=unproved)
        self.findings.refused += 1
        self.findings.unproved += unproved

    def _give_up(self, whole: int, answer: Answer, pieces: Collection[int]) -> None:
        self.findings.likely_repeats[whole] = answer
        leasing.release(self._engine, pieces, self._hold.worker)

    @staticmethod
    def _pieces(case: Case | None) -> list[int]:
        return [case.tail.batch_id] if case is not None and case.tail is not None else []

    def _go_on(self, case: Case | None, claim: Claim, *, passed: bool = False, waits: bool = False) -> None:
        """The head is settled; continue with what is left.

        :param waits: the head was a single row that is not proved to be at fault: later changes of its request wait for it.
        """
        if case is None:
            return
        if passed:
            case.search = case.search.accepted(len(claim.changes))
        case.head, case.split_request = None, claim.changes[-1].request_id
        if waits:
            self._hold_back_waiting(case)
        if case.tail is not None:
            self._ready.append(case)

    def _hold_back_waiting(self, case: Case) -> None:
        count = _rest_of_split_request(case)
        if case.tail is None or not count:
            return
        waiting, case.tail = case.tail, None
        if count < len(waiting.changes):
            parts = cutting.take(self._engine, waiting, count, worker=self._hold.worker, zone=self._zone)
            waiting, case.tail = parts if parts is not None else (waiting, None)
        case.search = case.search.without(count)
        leasing.hand_back(self._engine, [waiting.batch_id], self._hold.worker)

    def _end_search(self, case: Case | None) -> None:
        """End the search of this batch; its tail is posted as it is."""
        if case is not None and case.tail is not None:
            self._separate.append(case.tail)

    # -- what is next ----------------------------------------------------------------------------------------------------------

    def next(self, most: int) -> list[Claim]:
        """Begin up to ``most`` calls of the searches."""
        pieces: list[Fresh] = []
        while len(pieces) < most and self._pass.may_search:
            if self._separate:
                pieces.append(self._separate.popleft())
            elif self._ready:
                if (head := self._next_head(case := self._ready.popleft())) is not None:
                    pieces.append(head)
                    self._posted[head.batch_id] = case
            else:
                break
        begun = claiming.begin(self._engine, [piece.batch_id for piece in pieces], self._hold) if pieces else []
        for missed in {piece.batch_id for piece in pieces} - {claim.batch_id for claim in begun}:
            self._end_search(self._posted.pop(missed, None))
            leasing.hand_back(self._engine, [missed], self._hold.worker)
        return begun

    def _next_head(self, case: Case) -> Fresh | None:
        """Split off what is to be posted next; ``None`` if another worker holds it by now."""
        rows = [*(case.head.changes if case.head else ()), *(case.tail.changes if case.tail else ())]
        begins = [n for n in range(1, len(rows)) if rows[n].request_id != rows[n - 1].request_id]
        wished = case.search.next_head
        within = len(case.head.changes) if case.head else len(rows)
        size = search.between_requests(wished, within, begins)
        if case.head is None:
            return self._off_the_tail(case, min(size, _rest_of_split_request(case) or size))
        if case.tail is not None:
            pieces = cutting.give_back(self._engine, case.head, case.tail, size, worker=self._hold.worker, zone=self._zone)
            if pieces is not None:
                case.head, case.tail = pieces
                return case.head
            # Rows that may have arrived are not mixed with rows that were never posted: the search continues as two.
            rest = len(case.tail.changes)
            case.search, other = case.search.split(rest)
            self._ready.append(Case(other, None, case.tail))
        parts = cutting.cut(self._engine, case.head, [size], worker=self._hold.worker, zone=self._zone)
        if not parts:
            return None
        case.head, case.tail = parts
        return case.head

    def _off_the_tail(self, case: Case, size: int) -> Fresh | None:
        tail = case.tail
        assert tail is not None
        if size >= len(tail.changes):
            case.head, case.tail = tail, None
            return tail
        pieces = cutting.take(self._engine, tail, size, worker=self._hold.worker, zone=self._zone)
        case.head, case.tail = pieces if pieces is not None else (None, None)
        return case.head

    def suspects_again(self, *, at_the_end: bool = False) -> list[Claim]:
        """Post single rows again that were refused before the dashboard accepted something, each once in a pass.

        :param at_the_end: nothing else is left to post; ask the outbox whether another worker got an acceptance.
        """
        again = [
            claim
            for claim, _, accepted in self._suspects
            if claim.batch_id not in self._posted_again
            and (
                self._pass.accepted > accepted
                or (at_the_end and suspects.proof(self._engine, claim, until_now=True).accepted_since)
            )
        ]
        ids = {claim.batch_id for claim in again}
        self._posted_again |= ids
        self._suspects = [kept for kept in self._suspects if kept[0].batch_id not in ids]
        return claiming.begin(self._engine, sorted(ids), self._hold) if ids else []

    # -- the end ---------------------------------------------------------------------------------------------------------------

    def close(self, *, nothing_else_left: bool) -> list[Answer]:
        """Judge the remaining rows and release what is held; returns the refusals of rows that are not proved to be at fault.

        :param nothing_else_left: the pass was not stopped, and everything else is settled.
        """
        refused = [(claim, answer) for claim, answer, _ in self._suspects if answer.outcome is Outcome.REFUSED]
        is_all = nothing_else_left and not self._ready and not self._separate and len(refused) == len(self._suspects)
        open_ones = []
        for claim, answer in refused:
            strikes = suspects.proof(self._engine, claim).strikes
            decided = search.verdict_on_last(len(refused), strikes, ever_delivered=self._pass.proven, nothing_else_left=is_all)
            if decided is Verdict.REFUSE:
                self._refuse(claim, answer, unproved=True)
                continue
            if decided is Verdict.STRIKE:
                suspects.strike(self._engine, claim)
                self.findings.struck.append(without_values(answer, claim.changes))
            open_ones.append(without_values(answer, claim.changes))
        leasing.release(self._engine, self.held, self._hold.worker)
        return open_ones


def _rest_of_split_request(case: Case) -> int:
    """The number of rows at the start of the tail that belong to the request split by the end of the head."""
    rows = case.tail.changes if case.tail is not None else ()
    return next((n for n, change in enumerate(rows) if change.request_id != case.split_request), len(rows))
