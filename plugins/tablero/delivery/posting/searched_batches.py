"""The search applied to the outbox: batches that were refused, or failed, are split until the rows at fault are found.

A batch that is searched comes from the outbox, and what is left of a search that ends goes back there. So only as many
batches are in memory as calls are in flight, and the next pass continues where this one ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting import search
from tablero.delivery.posting.backlog import Backlog
from tablero.delivery.posting.rules import Pass, is_cut_unposted, trouble_of
from tablero.delivery.posting.search import Search, Trouble
from tablero.delivery.posting.single_rows import Judged, SingleRows
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import claiming, cutting, leasing, suspects
from tablero.outbox.queue.claims import Claim, Leaseholder


@dataclass
class SearchedBatch:
    """One batch that is being searched.

    :ivar search: decides where to split next.
    :ivar head: the part that was posted last; ``None`` once it is settled.
    :ivar tail: the part that was never posted.
    :ivar split_request: the request that the end of the head has split; the rest of that request is posted separately.
    """

    search: Search
    head: LeasedBatch | None
    tail: LeasedBatch | None = None
    split_request: str | None = None

    @property
    def pieces(self) -> list[LeasedBatch]:
        """What is not settled, in order."""
        return [piece for piece in (self.head, self.tail) if piece is not None]


class SearchedBatches:
    """All searches of a pass.

    :param engine: of the outbox.
    :param holder: the worker and its lease.
    :param zone: the institution's time zone, in which rows are counted by day.
    :param so_far: state of the pass.
    :param backlog: where the batches to be searched come from.
    :param single: judges the rows that are found.
    """

    def __init__(
        self, engine: Engine, holder: Leaseholder, zone: tzinfo, so_far: Pass, backlog: Backlog, single: SingleRows
    ) -> None:
        self._engine = engine
        self._holder = holder
        self._zone = zone
        self._pass = so_far
        self._backlog = backlog
        self._single = single
        self._ready: deque[SearchedBatch] = deque()
        self._posted: dict[int, SearchedBatch | None] = {}
        self._in_trouble: dict[int, Trouble] = {}
        self._samples = 0

    def __contains__(self, batch_id: int) -> bool:
        """Whether the batch was posted by a search."""
        return batch_id in self._posted

    @property
    def held(self) -> list[int]:
        """Batches that this worker keeps and that are not being posted."""
        ready = [piece.batch_id for searched in self._ready for piece in searched.pieces]
        posted = filter(None, self._posted.values())
        return ready + [searched.tail.batch_id for searched in posted if searched.tail is not None]

    def wants(self, claim: Claim, answer: Answer) -> bool:
        """Whether a batch stays with this worker after this answer, to be searched."""
        return answer.partial or claim.batch_id in self._posted or trouble_of(answer, claim.history) is not None

    def add(self, pieces: Sequence[LeasedBatch]) -> None:
        """Search these rows, which an answer named and this worker holds, when it is their turn."""
        self._single.named(pieces, others_accepted=True)
        self._put_back(pieces)

    # -- what came back --------------------------------------------------------------------------------------------------------

    def answered(self, claim: Claim, answer: Answer) -> None:
        """Process an answer that has been recorded."""
        of_search = claim.batch_id in self._posted
        searched = self._posted.pop(claim.batch_id, None)
        trouble = trouble_of(answer, claim.history)
        if answer.outcome is Outcome.DELIVERED:
            self._go_on(searched, claim, passed=True)
        elif answer.partial:
            self._end_search(searched)  # the others are delivered, and the named ones were added
        elif trouble is None and not (answer.outcome is Outcome.UNKNOWN and searched is not None):
            leasing.release(self._engine, [claim.batch_id], self._holder.worker)
            self._end_search(searched)
        elif len(claim.changes) == 1:
            self._judge(searched, claim, answer)
        elif edges := search.cut_out(answer.named, len(claim.changes)):
            parts = cutting.cut(self._engine, _leased_batch(claim), edges, worker=self._holder.worker, zone=self._zone)
            named = [part for part, begins in zip(parts, [0, *edges], strict=False) if begins in answer.named]
            self._single.named(named, others_accepted=False)
            self._put_back(parts)
            self._end_search(searched)
        elif searched is not None:
            self._refused_again(searched, claim)
        else:
            self._in_trouble_now(claim, answer, trouble or Trouble.CONTENT, at_once=of_search)

    def _refused_again(self, searched: SearchedBatch, claim: Claim) -> None:
        searched.head = _leased_batch(claim)
        searched.search = searched.search.refused(len(claim.changes))
        if self._pass.must_sample and searched.search.found:
            self._put_back(searched.pieces)  # neither the first rows nor all others were accepted: look elsewhere
        elif self._pass.accepted:
            self._ready.append(searched)
        else:
            self._ready.appendleft(searched)  # smaller calls are accepted sooner, and an acceptance is needed as proof

    def _in_trouble_now(self, claim: Claim, answer: Answer, trouble: Trouble, *, at_once: bool) -> None:
        """A batch was refused, or has failed, as a whole.

        :param at_once: it is its turn to be searched; otherwise batches that were not posted yet go first.
        """
        if answer.outcome is Outcome.UNKNOWN:
            totals = suspects.batch_totals(self._engine, claim.batch_id)
            if self._single.are_repeats(totals, claim, answer):
                return
        if at_once:
            self._ready.append(SearchedBatch(Search.of(len(claim.changes), trouble), _leased_batch(claim)))
        else:
            self._in_trouble[claim.batch_id] = trouble
            self._put_back([_leased_batch(claim)])

    def _judge(self, searched: SearchedBatch | None, claim: Claim, answer: Answer) -> None:
        judged = self._single.judge(claim, answer)
        if searched is None:
            return
        if judged is Judged.REPEAT:
            leasing.release(self._engine, [piece.batch_id for piece in searched.pieces], self._holder.worker)
            return
        searched.search = searched.search.isolated()
        self._go_on(searched, claim, waits=judged is Judged.PENDING)

    def _go_on(self, searched: SearchedBatch | None, claim: Claim, *, passed: bool = False, waits: bool = False) -> None:
        """The head is settled; continue with what is left.

        :param waits: the head was a single row that is not proved to be at fault: later changes of its request wait for it.
        """
        if searched is None:
            return
        if passed:
            searched.search = searched.search.accepted(len(claim.changes))
        searched.head, searched.split_request = None, claim.changes[-1].request_id
        if waits:
            self._hold_back_waiting(searched)
        if searched.tail is not None:
            self._ready.append(searched)

    def _hold_back_waiting(self, searched: SearchedBatch) -> None:
        count = _rest_of_split_request(searched)
        if searched.tail is None or not count:
            return
        waiting, searched.tail = searched.tail, None
        if count < len(waiting.changes):
            parts = cutting.take(self._engine, waiting, count, worker=self._holder.worker, zone=self._zone)
            waiting, searched.tail = parts if parts is not None else (waiting, None)
        searched.search = searched.search.without(count)
        self._put_back([waiting])

    def _end_search(self, searched: SearchedBatch | None) -> None:
        """End the search of this batch; its tail is posted as it is."""
        if searched is not None and searched.tail is not None:
            self._put_back([searched.tail])

    def _put_back(self, pieces: Iterable[LeasedBatch]) -> None:
        """Let any worker take these up, this one as well."""
        leasing.hand_back(self._engine, [piece.batch_id for piece in pieces], self._holder.worker)
        self._backlog.has_parts()

    # -- what is next ----------------------------------------------------------------------------------------------------------

    def next(self, most: int) -> list[Claim]:
        """Begin up to ``most`` calls of the searches."""
        pieces: list[LeasedBatch] = []
        while len(pieces) < most and self._pass.may_search:
            if self._ready:
                if (head := self._next_head(searched := self._ready.popleft())) is not None:
                    pieces.append(head)
                    self._posted[head.batch_id] = searched
            elif not self._take_up(most - len(pieces), pieces):
                break
        begun = claiming.begin(self._engine, [piece.batch_id for piece in pieces], self._holder) if pieces else []
        for missed in {piece.batch_id for piece in pieces} - {claim.batch_id for claim in begun}:
            self._end_search(self._posted.pop(missed, None))
            leasing.hand_back(self._engine, [missed], self._holder.worker)
        return begun

    def _take_up(self, most: int, pieces: list[LeasedBatch]) -> bool:
        """Begin to search more batches: their rows are added to ``pieces``, or to those that are ready.

        :returns: whether there were any.
        """
        is_sample = self._pass.must_sample
        found = self._backlog.parts(1 if is_sample else most, largest=is_sample)
        for part in found:
            trouble = self._in_trouble.pop(part.batch_id, None)
            whole, rows = LeasedBatch(part.batch_id, part.changes), len(part.changes)
            between = search.sample(rows, _begins(part.changes), self._samples) if is_sample else None
            if between is not None:
                self._samples += 1
                piece = self._cut_out(whole, *between)
            elif trouble is not None:
                self._ready.append(SearchedBatch(Search.of(rows, trouble), whole))
                continue
            elif is_cut_unposted(part.history, rows):
                piece = self._cut_out(whole, 0, search.between_requests(rows // 2, rows, _begins(part.changes)))
            else:
                piece = whole
            if piece is not None:
                self._posted[piece.batch_id] = None
                pieces.append(piece)
        return bool(found)

    def _cut_out(self, whole: LeasedBatch, start: int, end: int) -> LeasedBatch | None:
        """Make these rows a batch of their own; ``None`` if another worker holds them by now."""
        edges = [edge for edge in (start, end) if 0 < edge < len(whole.changes)]
        parts = cutting.cut(self._engine, whole, edges, worker=self._holder.worker, zone=self._zone)
        if not parts:
            return None
        piece = parts.pop(1 if start else 0)
        self._put_back(parts)
        return piece

    def _next_head(self, searched: SearchedBatch) -> LeasedBatch | None:
        """Split off what is to be posted next; ``None`` if another worker holds it by now."""
        rows = [change for piece in searched.pieces for change in piece.changes]
        within = len(searched.head.changes) if searched.head else len(rows)
        size = search.between_requests(searched.search.next_head, within, _begins(rows))
        if searched.head is None:
            return self._off_the_tail(searched, min(size, _rest_of_split_request(searched) or size))
        if searched.tail is not None:
            head, tail = searched.head, searched.tail
            pieces = cutting.give_back(self._engine, head, tail, size, worker=self._holder.worker, zone=self._zone)
            if pieces is not None:
                searched.head, searched.tail = pieces
                return searched.head
            # Rows that may have arrived are not mixed with rows that were never posted: the search continues as two.
            rest = len(searched.tail.changes)
            searched.search, other = searched.search.split(rest)
            self._ready.append(SearchedBatch(other, None, searched.tail))
        parts = cutting.cut(self._engine, searched.head, [size], worker=self._holder.worker, zone=self._zone)
        if not parts:
            return None
        searched.head, searched.tail = parts
        return searched.head

    def _off_the_tail(self, searched: SearchedBatch, size: int) -> LeasedBatch | None:
        tail = searched.tail
        assert tail is not None
        if size >= len(tail.changes):
            searched.head, searched.tail = tail, None
            return tail
        pieces = cutting.take(self._engine, tail, size, worker=self._holder.worker, zone=self._zone)
        searched.head, searched.tail = pieces if pieces is not None else (None, None)
        return searched.head

    # -- the end ---------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release what is held."""
        leasing.release(self._engine, self.held, self._holder.worker)


def _leased_batch(claim: Claim) -> LeasedBatch:
    return LeasedBatch(claim.batch_id, claim.changes)


def _begins(changes: Sequence[StatusChange]) -> list[int]:
    """The positions after 0 at which a request begins."""
    return [n for n in range(1, len(changes)) if changes[n].request_id != changes[n - 1].request_id]


def _rest_of_split_request(searched: SearchedBatch) -> int:
    """The number of rows at the start of the tail that belong to the request split by the end of the head."""
    rows = searched.tail.changes if searched.tail is not None else ()
    return next((n for n, change in enumerate(rows) if change.request_id != searched.split_request), len(rows))
