"""The search, driven through dashboards made at random: whatever they do, no good row is lost and none is asked for ever."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.delivery.posting.search import (
    MOST_ON_FAITH,
    Search,
    Trouble,
    Verdict,
    between_requests,
    cut_out,
    is_in_vain,
    may_be_repeats,
    verdict,
    verdict_on_last,
)
from tablero.outbox.queue.evidence import Kin, Proof


class Trial:
    """Looks through a batch that was refused as a whole, the way ``cases`` does.

    :ivar calls: all of them, the one that was refused as a whole and those that repeat a single row included.
    """

    def __init__(self, rows: int, bad: set[int], trouble: Trouble = Trouble.CONTENT, limit: int | None = None) -> None:
        self.rows, self.bad, self.limit = rows, bad, limit
        self.calls = 1
        self.found: set[int] = set()
        self.passed: set[int] = set()
        self._search = Search(rows, trouble)

    def passes(self, first: int, size: int) -> bool:
        self.calls += 1
        return (self.limit is None or size <= self.limit) and not self.bad & set(range(first, first + size))

    def run(self) -> None:
        first = 0
        suspects: list[int] = []
        while self._search.left:
            size = self._search.next_head()
            assert 1 <= size <= self._search.left
            if self.passes(first, size):
                self._search.passed(size)
                self.passed |= set(range(first, first + size))
                first += size
                self.calls += len(suspects)  # each once more, now that something was accepted
                suspects.clear()
            elif size == 1:
                if not self.passed:
                    suspects.append(first)
                self._search.found()
                self.found.add(first)
                first += 1
            else:
                self._search.failed(size)


BATCHES = st.integers(2, 400).flatmap(lambda rows: st.tuples(st.just(rows), st.sets(st.integers(0, rows - 1), min_size=1)))


@given(BATCHES)
def test_each_bad_row_is_found_and_no_other(batch: tuple[int, set[int]]) -> None:
    """Every row gets an answer of its own: the good ones pass, the bad ones stand alone."""
    trial = Trial(*batch)
    trial.run()
    assert trial.found == trial.bad
    assert trial.passed == set(range(trial.rows)) - trial.bad


@given(BATCHES)
def test_calls_stay_few(batch: tuple[int, set[int]]) -> None:
    """``k * (log2(n / k) + 3)`` or so; however the bad rows lie, less than two calls more for each."""
    trial = Trial(*batch)
    trial.run()
    bad = len(trial.bad)
    assert trial.calls <= ceil(bad * (log2(trial.rows / bad) + 5)) + 4


@pytest.mark.parametrize("rows", [2, 3, 10, 400, 512, 1000])
def test_calls_for_one_bad_row(rows: int) -> None:
    """Wherever it is, the bound as it stands."""
    for position in range(rows):
        trial = Trial(rows, {position})
        trial.run()
        assert trial.calls <= ceil(log2(rows)) + 3


@given(st.integers(2, 1000), st.integers(1, 999))
def test_calls_that_are_too_large_become_small_enough(rows: int, limit: int) -> None:
    """A limit of size says nothing about rows: all pass, and not more calls are too large than it takes to find the limit."""
    trial = Trial(rows, set(), Trouble.SIZE, min(limit, rows - 1))
    trial.run()
    assert trial.found == set()
    assert trial.passed == set(range(rows))
    assert trial.calls <= ceil(log2(rows)) + 2 + 2 * ceil(rows / min(limit, rows - 1))


@given(st.data(), st.integers(2, 60), st.sampled_from(Trouble))
def test_every_search_ends(data: st.DataObject, rows: int, trouble: Trouble) -> None:
    """Also with a dashboard that answers as it likes."""
    search = Search(rows, trouble)
    for _ in range(20 * rows):
        if not search.left:
            return
        size = search.next_head()
        assert 1 <= size <= search.left
        if data.draw(st.booleans()):
            search.passed(size)
        elif size == 1:
            search.found()
        else:
            search.failed(size)
    pytest.fail("it goes on and on")


@given(st.integers(2, 50), st.integers(1, 49), st.integers(1, 49))
def test_what_is_split_off_is_looked_at_as_well(rows: int, head: int, rest: int) -> None:
    """Two searches then, of which none forgets a row."""
    search = Search(rows + rest)
    search.failed(min(head, rows))
    other = search.split_off(rest)
    assert (search.left, other.left) == (rows, rest)
    assert 1 <= other.next_head() <= rest


# -- verdicts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "strikes", "refused", "expected"),
    [
        (True, 0, True, Verdict.SET_ASIDE),  # refused alone, after the dashboard had accepted something
        (True, 0, False, Verdict.STRIKE),  # a failure may be a moment's
        (True, 1, False, Verdict.SET_ASIDE),  # in two passes it is not
        (False, 0, True, Verdict.OPEN),  # nothing accepted since: it may be the dashboard
        (False, 9, True, Verdict.OPEN),
        (False, 9, False, Verdict.OPEN),
    ],
)
def test_a_single_row(accepted: bool, strikes: int, refused: bool, expected: Verdict) -> None:
    """Set aside only on evidence in the right order."""
    assert verdict(Proof(accepted, strikes), refused=refused) is expected


@given(st.integers(1, 9), st.integers(0, 3), st.booleans(), st.booleans())
def test_the_last_rows(suspects: int, strikes: int, ever: bool, alone: bool) -> None:
    """Without an acceptance since: only few, in two passes, with nothing else left, at a dashboard that has taken rows."""
    found = verdict_on_last(suspects, strikes, ever_delivered=ever, nothing_else_left=alone)
    if found is Verdict.SET_ASIDE:
        assert suspects <= MOST_ON_FAITH
        assert strikes >= 1
        assert ever
        assert alone


@pytest.mark.parametrize(
    ("kin", "repeats", "in_vain"),
    [
        (Kin(1, 1000, 400, 9, answerless=True), False, False),  # some of the batch passes: it is the rows
        (Kin(1, 1000, 0, 2, answerless=True), True, False),
        (Kin(1, 1000, 0, 3, answerless=True), True, True),
        (Kin(1, 1, 0, 1, answerless=True), True, True),
        (Kin(1, 2, 0, 2, answerless=False), False, False),  # two rows, each failed on from the first call on
        (Kin(1, 1000, 0, 3, answerless=False), True, True),
    ],
)
def test_failures_on_every_repeat(kin: Kin, repeats: bool, in_vain: bool) -> None:
    """Nothing of a batch passes though others do: the dashboard may have it, and nothing is called bad."""
    assert may_be_repeats(kin) is repeats
    assert is_in_vain(kin) is in_vain


# -- cuts ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "cuts"),
    [
        ((3,), [3, 4]),
        ((0,), [1]),
        ((9,), [9]),
        ((0, 9), [1, 9]),
        ((3, 4), [3, 4, 5]),
        ((), []),  # it names none
        (tuple(range(10)), []),  # all: that says nothing about any
        ((3, 5000), [3, 4]),  # what is not in the batch does not count
        ((5000,), []),
    ],
)
def test_named_rows_are_cut_out(named: tuple[int, ...], cuts: list[int]) -> None:
    """Each that is named stands alone; the others stay together between them."""
    assert cut_out(named, 10) == cuts


@pytest.mark.parametrize(
    ("head", "rows", "begins", "cut"),
    [
        (2, 4, [1, 2, 3], 2),
        (2, 4, [3], 3),  # between two requests, not through one
        (3, 6, [1], 1),
        (2, 4, [], 2),  # one request alone: through it
        (4, 4, [2], 4),  # all of it
        (2, 4, [5], 2),  # a request that ends further on
    ],
)
def test_heads_end_between_requests(head: int, rows: int, begins: list[int], cut: int) -> None:
    """Near the length wished for, where a request ends."""
    assert between_requests(head, rows, begins) == cut
