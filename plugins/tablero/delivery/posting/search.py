"""The one search: which rows of a batch to post next, after the batch was refused or failed.

Plain values only: numbers of rows. A batch is searched from its beginning; what is posted is always a *head*, the first rows of
what is left. ``docs/adr/0010`` says why there is one search for everything, and how many calls it may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from tablero.outbox.queue.suspects import BatchTotals, Proof


class Trouble(Enum):
    """What a batch is searched for."""

    CONTENT = "content"
    """Some rows are refused, or the dashboard fails on them: if a head is accepted, the rest contains one of them."""

    SIZE = "size"
    """The call is too large or takes too long; this says nothing about any row."""


class Search(NamedTuple):
    """Where to cut what is left of a batch. Immutable: each answer returns the search that continues from there.

    *Content*: the first ``suspect`` rows are known to contain a bad one. Some of them are posted; if they are accepted, the
    others contain it, which no call needs to confirm. ``k`` bad rows of ``n`` take at most ``k * (log2(n / k) + 3) + 9`` calls.

    *Size*: half of what was too much, and as much again each time.

    :ivar rows: rows in this search.
    :ivar left: rows of these without an answer yet.
    :ivar trouble: what is searched for.
    :ivar suspect: the first so many of the rows left are known to contain a bad one; 0 if nothing is known.
    :ivar found: bad rows found so far.
    :ivar most: rows in a call while the trouble is size.
    """

    rows: int
    left: int
    trouble: Trouble
    suspect: int
    found: int
    most: int

    @classmethod
    def of(cls, rows: int, trouble: Trouble = Trouble.CONTENT) -> Search:
        """Search a batch of so many rows that was refused, or has failed, as a whole."""
        return cls(rows, rows, trouble, suspect=rows, found=0, most=max(1, rows // 2))

    @property
    def next_head(self) -> int:
        """How many of the rows left to post next; at least one."""
        if self.trouble is Trouble.SIZE:
            return min(self.most, self.left)
        if self.suspect == self.rows:
            return max(1, self.rows // 2)
        if self.suspect:
            return min(smaller_half(self.suspect), self._group)
        # Most batches contain a single bad row: once it is found, all others fit into one call.
        return self.left if self.found <= 1 else min(self._group, self.left)

    @property
    def _group(self) -> int:
        """Rows for which one call is worth while: two thirds of the average distance between bad rows.

        A tenth of the rows is counted as if it had been searched before, without which bad rows at the beginning would make
        all further calls small.
        """
        if not self.found:
            return self.left
        return 1 + (10 * (self.rows - self.left) + self.rows) // (15 * self.found)

    def accepted(self, rows: int) -> Search:
        """The head was accepted."""
        return self._replace(left=self.left - rows, suspect=max(0, self.suspect - rows))

    def refused(self, rows: int) -> Search:
        """The head, of more than one row, was refused or failed as well."""
        return self._replace(suspect=rows, most=max(1, rows // 2))

    def isolated(self) -> Search:
        """The head was a single row, which was refused or failed; what becomes of it is decided elsewhere."""
        left = self.left - 1
        return self._replace(left=left, found=self.found + 1, suspect=0, most=max(1, left))

    def split(self, rows: int) -> tuple[Search, Search]:
        """Continue as two searches, of which the second has the last ``rows`` rows."""
        answered = self.rows - self.left
        return self.without(rows), self._replace(rows=answered + rows, left=rows, suspect=0)

    def without(self, rows: int) -> Search:
        """So many of the rows left are no longer part of this search."""
        return self._replace(rows=self.rows - rows, left=self.left - rows)


def smaller_half(rows: int) -> int:
    """How many rows to post first of those that are known to contain a bad one.

    Near the middle, so that one of the two parts is a power of two, and the first part is not the larger one: a bad row that is
    known because all others were accepted costs one more call, since it has to be refused alone.
    """
    if rows == 1:
        return 1
    power = 1 << ((rows - 1).bit_length() - 1)
    return power // 2 if power > 1 and 2 * rows <= 3 * power else rows - power


def sample(rows: int, begins: Sequence[int], number: int) -> tuple[int, int] | None:
    """Which request to post alone, to learn whether the dashboard accepts anything: by turns the last one and a middle one.

    Taken from the largest part each time, the samples soon lie everywhere, whatever the bad rows have in common.

    :param begins: positions after 0 at which a request begins, ascending.
    :param number: samples taken before.
    :returns: positions of its first row and of the first row after it; ``None`` if all rows are of one request.
    """
    if not begins:
        return None
    chosen = len(begins) - 1 if number % 2 == 0 else (len(begins) - 1) // 2
    return begins[chosen], begins[chosen + 1] if chosen + 1 < len(begins) else rows


class Verdict(Enum):
    """The verdict on a single row that was refused, or failed, in a call of its own."""

    OPEN = "open"
    """Nothing is proved: it stays pending, and is posted again after the next acceptance."""

    STRIKE = "strike"
    """It counts against the row, but is not enough to refuse it."""

    REFUSE = "refuse"
    """The row is at fault."""


#: Number of rows of one batch that fail alone, with none accepted, after which the rows are not considered at fault.
FAILS_ON_EVERY_REPEAT_AFTER = 3


def may_be_repeats(totals: BatchTotals) -> bool:
    """Whether rows on which the dashboard fails may be rows that it already has, if it answers every repeat so.

    In that case nothing of their batch is accepted, although other batches are.
    """
    return not totals.delivered and (totals.answerless or totals.rows >= FAILS_ON_EVERY_REPEAT_AFTER)


def are_likely_repeats(totals: BatchTotals) -> bool:
    """Whether enough rows of a batch have failed alone to end its search."""
    return may_be_repeats(totals) and totals.failed_alone >= min(FAILS_ON_EVERY_REPEAT_AFTER, totals.rows)


def verdict(proof: Proof, *, refused: bool, may_be_access: bool = False, accepted: bool = True) -> Verdict:
    """Judge a single row.

    :param refused: by the dashboard's own answer; otherwise it failed on the row, which must happen in two passes.
    :param may_be_access: the answer may as well be about the access as a whole, such as a key that has expired.
    :param accepted: whether the dashboard has accepted anything in this pass.
    """
    if not proof.accepted_since or (may_be_access and not accepted):
        return Verdict.OPEN
    if refused or proof.strikes >= 1:
        return Verdict.REFUSE
    return Verdict.STRIKE


#: Single rows that may be refused for good without an acceptance that was begun afterwards, if nothing else is left to post.
MOST_UNPROVED = 4


def verdict_on_last(suspects: int, strikes: int, *, ever_delivered: bool, nothing_else_left: bool) -> Verdict:
    """Judge a single refused row if no later acceptance can prove anything, because nothing else is left to post.

    :param suspects: number of such rows.
    :param strikes: earlier passes in which this row was refused alone.
    """
    if not (ever_delivered and nothing_else_left and suspects <= MOST_UNPROVED):
        return Verdict.OPEN
    return Verdict.REFUSE if strikes >= 1 else Verdict.STRIKE


def may_stay_unproved(rows: int, *, accepted: int, accepted_after_refusal: int, only_suspects_left: bool) -> bool:
    """Whether single rows that were refused after an acceptance are refused for good, although there was none since: the
    dashboard may have begun to refuse everything. It degrades the run.

    :param rows: number of rows of which nothing is proved.
    :param accepted: calls that the dashboard has accepted in this pass.
    :param accepted_after_refusal: those among them that had been refused before: refusals are not always the fault of rows.
    :param only_suspects_left: nothing else is left whose acceptance could prove it.
    """
    return only_suspects_left and not accepted_after_refusal and (accepted > 0 or rows <= MOST_UNPROVED)


def cut_out(named: tuple[int, ...], rows: int) -> list[int]:
    """Where to split a batch so that each row named by an answer is alone; nowhere if it names none, or all.

    :returns: positions at which a part begins, ascending, without 0.
    """
    inside = [position for position in named if position < rows]
    if not inside or len(inside) == rows:
        return []
    return sorted({edge for position in inside for edge in (position, position + 1)} - {0, rows})


def between_requests(head: int, rows: int, begins: Sequence[int]) -> int:
    """A length for the head that splits no request if possible, since a request's changes are posted together.

    :param head: desired number of rows.
    :param rows: rows to choose from.
    :param begins: positions after 0 at which a request begins, ascending.
    """
    if head >= rows:
        return head
    return min((edge for edge in begins if edge < rows), key=lambda edge: abs(edge - head), default=head)
