"""The one search: which rows of a batch are to be posted next, once the batch was refused or failed.

Plain values only: numbers of rows from the first one on. A batch is looked through from its beginning; what is posted is always
a *head* of what is left. ``docs/adr`` says why there is one search for everything.
"""

from __future__ import annotations

from enum import Enum

from tablero.outbox.queue.evidence import Kin, Proof


class Trouble(Enum):
    """What a batch is searched for."""

    CONTENT = "content"
    """Some rows are refused, or the dashboard fails on them: where a head passes, what is left holds one of them."""

    SIZE = "size"
    """The call is too large, or takes too long: nothing is said about any row."""


class Search:
    """Where to cut what is left of a batch, told how each head fared.

    *Content*: the first ``_suspect`` rows are known to hold a bad one. Half of them is posted; if they pass, the other half
    need not be asked as a whole. Once one is found, what follows is posted in calls as long as the rows found so far lie
    apart: ``k`` of ``n`` rows are found in about ``k * (log2(n / k) + 3)`` calls.

    *Size*: half of what was too much, and as much again each time.

    :param rows: of the batch, which was refused as a whole, or has failed.
    """

    def __init__(self, rows: int, trouble: Trouble = Trouble.CONTENT) -> None:
        self._left = rows
        self._trouble = trouble
        self._suspect = rows
        self._most = max(1, rows // 2)
        self._found = 0
        self._passed = 0
        self._run = 0

    @property
    def left(self) -> int:
        """Rows without an answer of their own."""
        return self._left

    def next_head(self) -> int:
        """How many rows to post next, the first ones of those left; at least one."""
        if self._trouble is Trouble.SIZE:
            return min(self._most, self._left)
        if self._suspect:
            return max(1, self._suspect // 2)
        if self._found < 2:
            return self._left
        apart = (self._passed + self._found) // self._found
        return min(self._left, max(1, apart << min(self._run, 16)))

    def passed(self, rows: int) -> None:
        """The head was accepted."""
        if not self._suspect:
            self._run += 1
        self._left -= rows
        self._passed += rows
        self._suspect = max(0, self._suspect - rows)

    def failed(self, rows: int) -> None:
        """The head, of more than one row, was refused or failed, too."""
        self._suspect = rows
        self._most = max(1, rows // 2)
        self._run = 0

    def found(self) -> None:
        """The head was a single row, and it is a verdict on it that is open now, not on what is left."""
        self._left -= 1
        self._found += 1
        self._suspect = 0
        self._most = max(1, self._left)
        self._run = 0

    def split_off(self, rows: int) -> Search:
        """The last rows are looked at by a search of their own, which knows what this one has learnt."""
        other = Search(rows, self._trouble)
        other._suspect, other._most, other._found, other._passed = 0, self._most, self._found, self._passed
        self._left -= rows
        return other

    def set_apart(self, rows: int) -> None:
        """So many rows, which follow one that was found, are no longer looked at here."""
        self._left -= rows


class Verdict(Enum):
    """What becomes of a single row that was refused, or failed, alone."""

    OPEN = "open"
    """Nothing is proved: it stays pending, and is posted once more after the next acceptance."""

    STRIKE = "strike"
    """It counts against the row, and does not settle it."""

    SET_ASIDE = "set aside"
    """The row is bad."""


#: Rows of one batch that fail alone, none of it accepted, after which it is not the rows.
FAILS_ON_EVERY_REPEAT_AFTER = 3


def may_be_repeats(kin: Kin) -> bool:
    """Whether rows on which the dashboard fails may be rows that it has already, and answers each repeat of them so.

    Nothing of their batch passes then, though other batches do.
    """
    return not kin.delivered and (kin.answerless or kin.rows >= FAILS_ON_EVERY_REPEAT_AFTER)


def is_in_vain(kin: Kin) -> bool:
    """Whether enough rows of a batch have failed alone to stop the search in it."""
    return may_be_repeats(kin) and kin.failed_alone >= min(FAILS_ON_EVERY_REPEAT_AFTER, kin.rows)


def verdict(proof: Proof, *, refused: bool) -> Verdict:
    """Judge a single row.

    :param refused: by the dashboard's word; else it failed on the row, which may be a moment's trouble: in two passes, then.
    """
    if not proof.accepted_since:
        return Verdict.OPEN
    if refused or proof.strikes >= 1:
        return Verdict.SET_ASIDE
    return Verdict.STRIKE


#: Single rows that may be set aside without an acceptance since they were refused, where nothing else is left to post.
MOST_ON_FAITH = 4


def verdict_on_last(suspects: int, strikes: int, *, ever_delivered: bool, nothing_else_left: bool) -> Verdict:
    """Judge a single row that was refused, of which nothing accepted since can prove anything: nothing is left to be accepted.

    :param suspects: how many such rows there are.
    :param strikes: earlier passes in which this one was refused alone.
    """
    if not (ever_delivered and nothing_else_left and suspects <= MOST_ON_FAITH):
        return Verdict.OPEN
    return Verdict.SET_ASIDE if strikes >= 1 else Verdict.STRIKE


def cut_out(named: tuple[int, ...], rows: int) -> list[int]:
    """Where to cut a batch so that each row which an answer names stands alone; nowhere if it names none, or all.

    :returns: positions at which a part begins, ascending, without 0.
    """
    inside = [position for position in named if position < rows]
    if not inside or len(inside) == rows:
        return []
    return sorted({edge for position in inside for edge in (position, position + 1)} - {0, rows})


def between_requests(head: int, rows: int, begins: list[int]) -> int:
    """A head's length that tears no request, if there is one near: a request's changes travel together.

    :param head: rows wished for.
    :param rows: of what is known to hold the trouble, or of all that is left.
    :param begins: positions, after 0, at which a request begins; ascending.
    """
    if head >= rows:
        return head
    return min((edge for edge in begins if edge < rows), key=lambda edge: abs(edge - head), default=head)
