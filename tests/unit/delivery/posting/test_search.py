"""The search against random dashboards: whatever they do, no good row is lost and none is posted for ever."""

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
    may_stay_unproved,
    sample,
    smaller_half,
    verdict,
    verdict_on_last,
)
from tablero.outbox.queue.suspects import BatchTotals, Proof


class Trial:
    """Searches a batch that was refused as a whole, like ``searched_batches``, at a dashboard that accepts something at last.

    :ivar calls: all calls, including the first, which was refused as a whole and those that repeat a single row.
    """

    def __init__(self, rows: int, bad: set[int], trouble: Trouble = Trouble.CONTENT, limit: int | None = None) -> None:
        self.rows, self.bad, self.limit = rows, bad, limit
        self.calls = 1
        self.found: set[int] = set()
        self.accepted: set[int] = set()
        self.first_accepted: int | None = None
        self._unproved = 0
        self._parts: list[range] = []
        self._samples = 0
        self._trouble = trouble

    def run(self) -> None:
        self._search(range(self.rows))
        while self._parts:
            if self.accepted:
                part = min(self._parts, key=lambda one: (len(one) == 1, one.start))
            else:
                part = max(self._parts, key=lambda one: (len(one), -one.start))
            self._parts.remove(part)
            self._take_up(part)

    def _take_up(self, part: range) -> None:
        between = None if self.accepted else sample(len(part), range(1, len(part)), self._samples)
        if between is not None:
            self._samples += 1
            start, end = between
            self._parts += [rest for rest in (part[:start], part[end:]) if rest]
            part = part[start:end]
        if not self._accepts(part):
            if len(part) == 1:
                self._isolate(part.start)
            else:
                self._search(part)

    def _search(self, part: range) -> None:
        found = Search.of(len(part), self._trouble)
        while found.left:
            size = found.next_head
            assert 1 <= size <= found.left
            if self._accepts(part[:size]):
                found, part = found.accepted(size), part[size:]
            elif size == 1:
                self._isolate(part.start)
                found, part = found.isolated(), part[1:]
            else:
                found = found.refused(size)
                if self.found and not self.accepted and found.found:
                    self._parts += [rest for rest in (part[:size], part[size:]) if rest]
                    return

    def _isolate(self, row: int) -> None:
        self.found.add(row)
        self._unproved += not self.accepted

    def _accepts(self, part: range) -> bool:
        self.calls += 1
        if (self.limit is not None and len(part) > self.limit) or not self.bad.isdisjoint(part):
            return False
        self.first_accepted = part.start if not self.accepted else self.first_accepted
        self.accepted |= set(part)
        self.calls += self._unproved  # each once more, since something has been accepted
        self._unproved = 0
        return True


BATCHES = st.integers(1, 1000).flatmap(lambda rows: st.tuples(st.just(rows), st.sets(st.integers(0, rows - 1), min_size=1)))


@given(BATCHES)
def test_each_bad_row_is_found_and_no_other(batch: tuple[int, set[int]]) -> None:
    """Each row gets its own verdict: good rows are accepted, bad rows are refused alone."""
    trial = Trial(*batch)
    trial.run()
    assert trial.found == trial.bad
    assert trial.accepted == set(range(trial.rows)) - trial.bad


# -- calls -----------------------------------------------------------------------------------------------------------------

#: Calls beyond ``k * (log2(n / k) + 3)`` in the worst case, whatever ``n`` and ``k``: not for each bad row.
BEYOND = 9


def bound(rows: int, bad: int) -> float:
    return bad * (log2(rows / bad) + 3)


def most_beyond_bound(rows: int, most_found: int | None = None) -> float:
    """Calls beyond :func:`bound` in the worst case over all sets of bad rows without the first row, without trying each set.

    Where the first row is good, something is accepted before a row is isolated, and no samples are taken. The rest of a search
    depends on its state alone, so the worst case is computed once for each state.

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
        if size != search.suspect:  # otherwise it is known to contain a bad row
            outcomes.append(1 + worst(search.accepted(size)))
        if size > 1:
            outcomes.append(1 + worst(search.refused(size)))
        elif search.left < rows:
            outcomes.append(1 + worst(search.isolated()))
        return max(outcomes)

    return 1 + worst(Search.of(rows))


def _calls_without_bad_rows(search: Search) -> int:
    calls = 0
    while search.left:
        search = search.accepted(search.next_head)
        calls += 1
    return calls


@pytest.mark.parametrize("rows", [*range(2, 33), 64])
def test_no_dashboard_costs_more_calls(rows: int) -> None:
    """The bound holds for every set of bad rows without the first; computed once for up to 1000 rows, the excess was at most
    8.41.
    """
    assert most_beyond_bound(rows) <= BEYOND


def test_no_dashboard_that_refuses_few_rows_of_many_costs_more_calls() -> None:
    """The bound holds for up to four bad rows of 1000, wherever they are."""
    assert most_beyond_bound(1000, most_found=4) <= BEYOND


@pytest.mark.parametrize("rows", range(2, 11))
def test_the_worst_dashboard_is_the_worst_of_all(rows: int) -> None:
    """The worst case computed at once equals that found by trying each dashboard; so do those that refuse the first row."""

    def beyond(bad: tuple[int, ...]) -> float:
        trial = Trial(rows, set(bad))
        trial.run()
        return trial.calls - bound(rows, len(bad))

    tried = {bad: beyond(bad) for number in range(1, rows) for bad in combinations(range(rows), number)}
    assert max(calls for bad, calls in tried.items() if bad[0]) == pytest.approx(most_beyond_bound(rows))
    assert max(tried.values()) <= BEYOND


@given(BATCHES, st.integers(0, 100), st.integers(0, 9))
def test_calls_stay_few(batch: tuple[int, set[int]], first: int, samples: int) -> None:
    """A search takes ``k * (log2(n / k) + 3)`` calls and a few more, however many rows there are, also if the first rows are
    bad, and those that are posted as samples.
    """
    rows, bad = batch
    bad |= set(range(min(first, rows)))
    for _ in range(samples):
        trial = Trial(rows, bad)
        trial.run()
        bad |= {trial.first_accepted} if trial.first_accepted is not None else set()
    trial = Trial(rows, bad)
    trial.run()
    if trial.accepted:
        assert trial.calls <= bound(rows, len(bad)) + BEYOND


@given(st.integers(2, 2000), st.integers(0, 9))
def test_a_sample_is_one_request(rows: int, number: int) -> None:
    """By turns the last request and one in the middle; none where all rows are of one request."""
    begins = range(3, rows, 3)
    found = sample(rows, begins, number)
    if not begins:
        assert found is None
    else:
        assert found is not None
        start, end = found
        assert start in begins
        assert end in (*begins, rows)
        assert end == rows or number % 2


@pytest.mark.parametrize(
    ("begins", "number", "found"),
    [
        ([3, 5, 9], 0, (9, 12)),
        ([3, 5, 9], 1, (5, 9)),
        ([3, 5, 9], 2, (9, 12)),
        ([3, 5], 1, (3, 5)),
        ([3], 1, (3, 12)),
        ([], 0, None),
    ],
)
def test_where_samples_are_taken(begins: list[int], number: int, found: tuple[int, int] | None) -> None:
    """A sample begins and ends where its request does."""
    assert sample(12, begins, number) == found


@pytest.mark.parametrize("rows", [2, 3, 10, 400, 512, 1000])
def test_calls_for_one_bad_row(rows: int) -> None:
    """One bad row takes at most ``log2(n) + 3`` calls, rounded up, wherever it is."""
    for position in range(rows):
        trial = Trial(rows, {position})
        trial.run()
        assert trial.calls <= ceil(log2(rows)) + 3


def test_no_search_finds_one_bad_row_in_fewer_calls() -> None:
    """No search can reach the bound rounded down if the number of rows is between 1.5 and 2 times a
    power of two: see ``docs/adr/0010``.
    """

    @cache
    def most_rows(calls: int, *, good_ones_left: bool) -> int:
        """The most suspects, one of them bad, for which this many calls suffice, including the delivery of the other rows."""
        if calls < 2:
            return 1 if calls == 1 and not good_ones_left else 0
        accepted, refused = most_rows(calls - 1, good_ones_left=False), most_rows(calls - 1, good_ones_left=True)
        alone = 1 + most_rows(calls - 1, good_ones_left=good_ones_left)  # refused alone, it is found; one call for all others
        return max(accepted + refused, alone)

    for calls in range(5, 14):
        rows = most_rows(calls - 1, good_ones_left=False)  # the first call was refused as a whole
        assert rows == 3 * 2 ** (calls - 4)
        assert floor(log2(rows + 1) + 3) == calls  # the bound would allow one row more, which no search can do


@given(st.integers(2, 1000), st.integers(1, 999))
def test_calls_that_are_too_large_become_small_enough(rows: int, limit: int) -> None:
    """A size limit says nothing about rows: all rows are accepted, and few calls are too large."""
    trial = Trial(rows, set(), Trouble.SIZE, min(limit, rows - 1))
    trial.run()
    assert trial.found == set()
    assert trial.accepted == set(range(rows))
    assert trial.calls <= ceil(log2(rows)) + 2 + 2 * ceil(rows / min(limit, rows - 1))


def test_what_is_posted_of_calls_that_are_too_large() -> None:
    """Half of what was too much, down to one row; once that row is found, all others together."""
    search = Search.of(8, Trouble.SIZE)
    assert search.next_head == 4
    assert search.refused(4).next_head == 2
    assert Search.of(2, Trouble.SIZE).next_head == 1
    assert search.refused(4).refused(2).isolated().next_head == 7


@given(st.data(), st.integers(2, 60), st.sampled_from(Trouble))
def test_every_search_ends(data: st.DataObject, rows: int, trouble: Trouble) -> None:
    """A search ends even if the dashboard answers at random."""
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
    """A search split in two forgets no row."""
    first, second = Search.of(rows + rest).refused(min(head, rows)).split(rest)
    assert (first.left, second.left) == (rows, rest)
    assert 1 <= second.next_head <= rest


def test_what_two_searches_know_that_were_one() -> None:
    """Both count the rows answered before and the bad ones found; only the first one has the suspects."""
    search = Search(rows=20, left=15, trouble=Trouble.CONTENT, suspect=6, found=1, most=9)
    assert search.split(4) == (search._replace(rows=16, left=11), search._replace(rows=9, left=4, suspect=0))


@given(st.integers(1, 2000))
def test_the_first_part_is_not_the_larger_one(rows: int) -> None:
    """One of the two parts is a power of two, so that no search is deeper than necessary."""
    first = smaller_half(rows)
    assert 1 <= first <= max(1, rows - first)
    assert any(part & (part - 1) == 0 for part in (first, rows - first))


# -- verdicts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "strikes", "refused", "expected"),
    [
        (True, 0, True, Verdict.REFUSE),  # refused alone, after the dashboard had accepted something
        (True, 0, False, Verdict.STRIKE),  # a single failure may be temporary
        (True, 1, False, Verdict.REFUSE),  # failing in two passes is not
        (False, 0, True, Verdict.OPEN),  # nothing accepted since: it may be the dashboard
        (False, 9, True, Verdict.OPEN),
        (False, 9, False, Verdict.OPEN),
    ],
)
def test_a_single_row(accepted: bool, strikes: int, refused: bool, expected: Verdict) -> None:
    """A row is refused for good only on evidence in the right order."""
    assert verdict(Proof(accepted, strikes), refused=refused) is expected


@pytest.mark.parametrize(
    ("pass_", "expected"),
    [
        ({"may_be_access": True, "accepted": False}, Verdict.OPEN),
        ({"may_be_access": True, "accepted": True}, Verdict.REFUSE),
        ({"may_be_access": True}, Verdict.REFUSE),
        ({"accepted": False}, Verdict.REFUSE),
    ],
)
def test_a_refusal_that_may_be_about_the_access(pass_: dict[str, bool], expected: Verdict) -> None:
    """Where a key may have expired, a row is refused only in a pass that has accepted something."""
    assert verdict(Proof(True, 0), refused=True, **pass_) is expected


@pytest.mark.parametrize(
    ("suspects", "strikes", "ever", "alone", "expected"),
    [
        (MOST_UNPROVED, 0, True, True, Verdict.STRIKE),
        (MOST_UNPROVED, 1, True, True, Verdict.REFUSE),
        (1, 2, True, True, Verdict.REFUSE),
        (MOST_UNPROVED + 1, 1, True, True, Verdict.OPEN),
        (1, 1, False, True, Verdict.OPEN),
        (1, 1, True, False, Verdict.OPEN),
    ],
)
def test_the_last_rows(suspects: int, strikes: int, ever: bool, alone: bool, expected: Verdict) -> None:
    """Without a later acceptance only a few rows are refused, in two passes, at a dashboard that has accepted rows before."""
    assert verdict_on_last(suspects, strikes, ever_delivered=ever, nothing_else_left=alone) is expected


@pytest.mark.parametrize(
    ("rows", "accepted", "after_refusal", "alone", "expected"),
    [
        (50, 1, 0, True, True),
        (50, 1, 0, False, False),  # others are left, and may show what the dashboard accepts
        (50, 2, 1, True, False),  # what was refused before was accepted now
        (MOST_UNPROVED, 0, 0, True, True),
        (MOST_UNPROVED + 1, 0, 0, True, False),  # a pass in which nothing was accepted
    ],
)
def test_the_rows_refused_since_the_last_acceptance(
    rows: int, accepted: int, after_refusal: int, alone: bool, expected: bool
) -> None:
    """They are refused for good if nothing else is left, and nothing speaks for them."""
    found = may_stay_unproved(rows, accepted=accepted, accepted_after_refusal=after_refusal, only_suspects_left=alone)
    assert found is expected


@pytest.mark.parametrize(
    ("batch_totals", "repeats", "likely_repeats"),
    [
        (BatchTotals(1, 1000, 400, 9, answerless=True), False, False),  # some rows were accepted, so the others are at fault
        (BatchTotals(1, 1000, 0, 2, answerless=True), True, False),
        (BatchTotals(1, 1000, 0, 3, answerless=True), True, True),
        (BatchTotals(1, 1, 0, 1, answerless=True), True, True),
        (BatchTotals(1, 2, 0, 2, answerless=False), False, False),  # two rows, both failing from the first call
        (BatchTotals(1, 3, 0, 3, answerless=False), True, True),
        (BatchTotals(1, 1000, 0, 3, answerless=False), True, True),
    ],
)
def test_failures_on_every_repeat(batch_totals: BatchTotals, repeats: bool, likely_repeats: bool) -> None:
    """If no row of a batch is accepted though others are, the dashboard may already have them, and none is refused."""
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
        (tuple(range(10)), []),  # all of them, which singles out none
        ((3, 5000), [3, 4]),  # what is not in the batch does not count
        ((10,), []),
        ((5000,), []),
    ],
)
def test_named_rows_are_cut_out(named: tuple[int, ...], cuts: list[int]) -> None:
    """Each named row gets a part of its own; the others stay together between them."""
    assert cut_out(named, 10) == cuts


@pytest.mark.parametrize(
    ("head", "rows", "begins", "cut"),
    [
        (2, 4, [1, 2, 3], 2),
        (2, 4, [3], 3),  # between two requests, not through one
        (3, 6, [1], 1),
        (2, 4, [], 2),  # one request alone: through it
        (4, 4, [2], 4),  # all of it
        (2, 4, [5], 2),  # a request that ends later
        (3, 4, [1, 4], 1),
    ],
)
def test_heads_end_between_requests(head: int, rows: int, begins: list[int], cut: int) -> None:
    """A head has about the desired length and ends where a request ends."""
    assert between_requests(head, rows, begins) == cut
