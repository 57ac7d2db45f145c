"""The search, driven through dashboards made at random: whatever they do, no good row is lost and none is asked for ever."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import ceil, floor, inf, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.delivery.posting.search import (
    MOST_UNPROVED,
    Search,
    Trouble,
    Verdict,
    are_likely_repeats,
    between_requests,
    cut_out,
    may_be_repeats,
    smaller_half,
    verdict,
    verdict_on_last,
)
from tablero.outbox.queue.suspects import BatchTotals, Proof


class Trial:
    """Searches a batch that was refused as a whole, the way ``cases`` does.

    :ivar calls: all of them, including the one that was refused as a whole and those that repeat a single row.
    """

    def __init__(self, rows: int, bad: set[int], trouble: Trouble = Trouble.CONTENT, limit: int | None = None) -> None:
        self.rows, self.bad, self.limit = rows, bad, limit
        self.calls = 1
        self.found: set[int] = set()
        self.accepted: set[int] = set()
        self._search = Search.of(rows, trouble)

    def accepts(self, first: int, size: int) -> bool:
        self.calls += 1
        return (self.limit is None or size <= self.limit) and self.bad.isdisjoint(range(first, first + size))

    def run(self) -> None:
        first = 0
        unproved = 0
        while self._search.left:
            size = self._search.next_head
            assert 1 <= size <= self._search.left
            if self.accepts(first, size):
                self._search = self._search.accepted(size)
                self.accepted |= set(range(first, first + size))
                first += size
                self.calls += unproved  # each once more, now that something was accepted
                unproved = 0
            elif size == 1:
                unproved += not self.accepted
                self._search = self._search.isolated()
                self.found.add(first)
                first += 1
            else:
                self._search = self._search.refused(size)


BATCHES = st.integers(1, 1000).flatmap(lambda rows: st.tuples(st.just(rows), st.sets(st.integers(0, rows - 1), min_size=1)))


@given(BATCHES)
def test_each_bad_row_is_found_and_no_other(batch: tuple[int, set[int]]) -> None:
    """Every row gets an answer of its own: the good ones are accepted, the bad ones refused alone."""
    trial = Trial(*batch)
    trial.run()
    assert trial.found == trial.bad
    assert trial.accepted == set(range(trial.rows)) - trial.bad


# -- calls -----------------------------------------------------------------------------------------------------------------

#: Calls beyond ``k * (log2(n / k) + 3)`` that the worst dashboard can cost, whatever ``n`` and ``k``: not for each bad row.
BEYOND = 9


def bound(rows: int, bad: int) -> float:
    return bad * (log2(rows / bad) + 3)


def most_beyond_bound(rows: int, most_found: int | None = None) -> float:
    """Calls beyond :func:`bound` at the worst of all dashboards: all sets of bad rows, without trying each of them.

    A search does not remember how it came to its state, so the worst that can follow is computed once for each state.

    :param most_found: dashboards with more bad rows are left out.
    """

    @cache
    def worst(search: Search) -> float:
        if not search.left:
            return -bound(rows, search.found)
        if most_found is not None and search.found == most_found:
            return (-bound(rows, search.found) + _calls_without_bad_rows(search)) if not search.suspect else -inf
        size = search.next_head
        outcomes = []
        if size != search.suspect:  # else it is known to contain a bad row
            outcomes.append(1 + worst(search.accepted(size)))
        if size > 1:
            outcomes.append(1 + worst(search.refused(size)))
        else:
            is_proved = search.left + search.found < rows  # something was accepted before it
            outcomes.append((1 if is_proved else 2) + worst(search.isolated()))
        return max(outcomes)

    return 1 + worst(Search.of(rows))


def _calls_without_bad_rows(search: Search) -> int:
    calls = 0
    while search.left:
        search = search.accepted(search.next_head)
        calls += 1
    return calls


@pytest.mark.parametrize("rows", [*range(1, 33), 64])
def test_no_dashboard_costs_more_calls(rows: int) -> None:
    """Whichever of all sets of rows it refuses. For every number of rows up to 1000 this was computed once: at most 8.41."""
    assert most_beyond_bound(rows) <= BEYOND


def test_no_dashboard_that_refuses_few_rows_of_many_costs_more_calls() -> None:
    """Up to four of 1000, wherever they are."""
    assert most_beyond_bound(1000, most_found=4) <= BEYOND


@pytest.mark.parametrize("rows", range(2, 11))
def test_the_worst_dashboard_is_the_worst_of_all(rows: int) -> None:
    """What is computed for all dashboards at once is what trying each of them gives."""

    def beyond(bad: tuple[int, ...]) -> float:
        trial = Trial(rows, set(bad))
        trial.run()
        return trial.calls - bound(rows, len(bad))

    tried = (beyond(bad) for number in range(1, rows) for bad in combinations(range(rows), number))
    assert max(tried) == pytest.approx(most_beyond_bound(rows))


@given(BATCHES)
def test_calls_stay_few(batch: tuple[int, set[int]]) -> None:
    """``k * (log2(n / k) + 3)``, and a few, however many rows and wherever they are."""
    trial = Trial(*batch)
    trial.run()
    assert trial.calls <= bound(trial.rows, len(trial.bad)) + BEYOND


@pytest.mark.parametrize("rows", [2, 3, 10, 400, 512, 1000])
def test_calls_for_one_bad_row(rows: int) -> None:
    """Wherever it is: ``log2(n) + 3``, rounded up."""
    for position in range(rows):
        trial = Trial(rows, {position})
        trial.run()
        assert trial.calls <= ceil(log2(rows)) + 3


def test_no_search_finds_one_bad_row_in_fewer_calls() -> None:
    """Rounded down, as a bound without any rounding would have it, is out of reach of every search between 1.5 and 2 times a
    power of two: see ``docs/adr/0010``.
    """

    @cache
    def most_rows(calls: int, *, good_ones_left: bool) -> int:
        """Suspects, one of them bad, for which so many calls suffice, the delivery of other good rows included."""
        if calls < 2:
            return 1 if calls == 1 and not good_ones_left else 0
        accepted, refused = most_rows(calls - 1, good_ones_left=False), most_rows(calls - 1, good_ones_left=True)
        alone = 1 + most_rows(calls - 1, good_ones_left=good_ones_left)  # refused alone, it is found; one call for all others
        return max(accepted + refused, alone)

    for calls in range(5, 14):
        rows = most_rows(calls - 1, good_ones_left=False)  # the first call was refused as a whole
        assert rows == 3 * 2 ** (calls - 4)
        assert floor(log2(rows + 1) + 3) == calls  # so many calls would do for a row more, and do not


@given(st.integers(2, 1000), st.integers(1, 999))
def test_calls_that_are_too_large_become_small_enough(rows: int, limit: int) -> None:
    """A limit of size says nothing about rows: all are accepted, and few calls are too large."""
    trial = Trial(rows, set(), Trouble.SIZE, min(limit, rows - 1))
    trial.run()
    assert trial.found == set()
    assert trial.accepted == set(range(rows))
    assert trial.calls <= ceil(log2(rows)) + 2 + 2 * ceil(rows / min(limit, rows - 1))


@given(st.data(), st.integers(2, 60), st.sampled_from(Trouble))
def test_every_search_ends(data: st.DataObject, rows: int, trouble: Trouble) -> None:
    """Also with a dashboard that answers as it likes."""
    search = Search.of(rows, trouble)
    for _ in range(20 * rows):
        if not search.left:
            return
        size = search.next_head
        assert 1 <= size <= search.left
        if data.draw(st.booleans()):
            search = search.accepted(size)
        elif size == 1:
            search = search.isolated()
        else:
            search = search.refused(size)
    pytest.fail("it goes on and on")


@given(st.integers(2, 50), st.integers(1, 49), st.integers(1, 49))
def test_a_search_continues_as_two(rows: int, head: int, rest: int) -> None:
    """No row is forgotten."""
    first, second = Search.of(rows + rest).refused(min(head, rows)).split(rest)
    assert (first.left, second.left) == (rows, rest)
    assert 1 <= second.next_head <= rest


@given(st.integers(1, 2000))
def test_the_first_part_is_not_the_larger_one(rows: int) -> None:
    """And one of the two is a power of two, so that no search is deeper than it must be."""
    first = smaller_half(rows)
    assert 1 <= first <= max(1, rows - first)
    assert any(part & (part - 1) == 0 for part in (first, rows - first))


# -- verdicts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "strikes", "refused", "expected"),
    [
        (True, 0, True, Verdict.REFUSE),  # refused alone, after the dashboard had accepted something
        (True, 0, False, Verdict.STRIKE),  # a failure may be a moment's
        (True, 1, False, Verdict.REFUSE),  # in two passes it is not
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
    if found is Verdict.REFUSE:
        assert suspects <= MOST_UNPROVED
        assert strikes >= 1
        assert ever
        assert alone


@pytest.mark.parametrize(
    ("batch_totals", "repeats", "likely_repeats"),
    [
        (BatchTotals(1, 1000, 400, 9, answerless=True), False, False),  # some of the batch passes: it is the rows
        (BatchTotals(1, 1000, 0, 2, answerless=True), True, False),
        (BatchTotals(1, 1000, 0, 3, answerless=True), True, True),
        (BatchTotals(1, 1, 0, 1, answerless=True), True, True),
        (BatchTotals(1, 2, 0, 2, answerless=False), False, False),  # two rows, each failed on from the first call on
        (BatchTotals(1, 1000, 0, 3, answerless=False), True, True),
    ],
)
def test_failures_on_every_repeat(batch_totals: BatchTotals, repeats: bool, likely_repeats: bool) -> None:
    """Nothing of a batch passes though others do: the dashboard may have it, and nothing is called bad."""
    assert may_be_repeats(batch_totals) is repeats
    assert are_likely_repeats(batch_totals) is likely_repeats


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
