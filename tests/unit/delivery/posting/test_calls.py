"""Several calls at a time, but the changes of one request one after the other."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.calls import Calls

from tests.waiting import PATIENCE

#: Calls that may be in flight.
LIMIT = 4

#: Attempts are numbered below this.
MOST = 10


class Dashboard:
    """Answers a call when the test releases it.

    :ivar begun: attempts in the order in which they were posted.
    """

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._started = [threading.Event() for _ in range(MOST)]
        self._answers = [threading.Event() for _ in range(MOST)]

    def post(self, claim: Any) -> Answer:
        self.begun.append(claim.attempt_id)
        self._started[claim.attempt_id].set()
        self._answers[claim.attempt_id].wait(PATIENCE)
        return Answer(Outcome.DELIVERED, status=201)

    def is_posted(self, attempt: int) -> None:
        assert self._started[attempt].wait(PATIENCE)

    def answer(self, calls: Calls, attempt: int, *, and_post: bool = True) -> None:
        """Answer a call; returns once the call has ended, and what waited for it is posted."""
        self._answers[attempt].set()
        while attempt in {claim.attempt_id for claim in calls.claims}:
            calls.wait(PATIENCE)
            calls.take()
        if and_post:
            calls.post_waiting(LIMIT)


@pytest.fixture
def dashboard() -> Dashboard:
    return Dashboard()


def claim(attempt: int, *requests: str) -> Any:
    return SimpleNamespace(attempt_id=attempt, changes=[SimpleNamespace(request_id=name) for name in sorted(requests)])


def test_others_do_not_wait(dashboard: Dashboard) -> None:
    """Batches without a common request are posted at the same time."""
    calls = Calls(dashboard.post)
    for attempt in range(4):
        calls.begin(claim(attempt, f"R-{attempt}"))
    for attempt in range(4):
        dashboard.is_posted(attempt)
    for attempt in reversed(range(4)):
        dashboard.answer(calls, attempt)
    assert len(calls) == 0
    calls.close()


def test_a_request_changes_in_order(dashboard: Dashboard) -> None:
    """The last status of a request is posted only after the answers to the earlier ones."""
    calls = Calls(dashboard.post)
    calls.begin(claim(1, "R-1", "LONG"))
    calls.begin(claim(2, "LONG", "R-2"))
    calls.begin(claim(3, "R-3"))
    calls.begin(claim(4, "R-2"))
    dashboard.is_posted(1)
    dashboard.is_posted(3)
    assert len(calls) == 4  # all of them are leased
    dashboard.answer(calls, 3)
    assert sorted(dashboard.begun) == [1, 3]
    dashboard.answer(calls, 1)
    dashboard.is_posted(2)
    assert 4 not in dashboard.begun  # a waiting batch is not overtaken by one that shares a request with it
    dashboard.answer(calls, 2)
    dashboard.is_posted(4)
    dashboard.answer(calls, 4)
    calls.close()


def test_what_waits_is_posted_when_asked_for(dashboard: Dashboard) -> None:
    """A claim that waited for an answer is not posted when the answer is taken, but when it is on record."""
    calls = Calls(dashboard.post)
    calls.begin(claim(1, "R-1"))
    calls.begin(claim(2, "R-1"))
    dashboard.answer(calls, 1, and_post=False)
    calls.begin(claim(3, "R-3"))
    dashboard.answer(calls, 3, and_post=False)
    assert dashboard.begun == [1, 3]
    calls.post_waiting(LIMIT)
    dashboard.is_posted(2)
    dashboard.answer(calls, 2)
    calls.close()


def test_what_waited_for_a_failed_call_is_dropped(dashboard: Dashboard) -> None:
    """Claims behind a failed one are removed, directly or through each other; others stay, and those under way too."""
    calls = Calls(dashboard.post)
    failed = claim(1, "R-1")
    for each in (failed, claim(2, "R-1", "R-2"), claim(3, "R-2"), claim(4, "R-4"), claim(5, "R-4")):
        calls.begin(each)
    dashboard.answer(calls, 1, and_post=False)
    assert [each.attempt_id for each in calls.drop_waiting([failed])] == [2, 3]
    assert [each.attempt_id for each in calls.claims] == [4, 5]
    assert [each.attempt_id for each in calls.drop_waiting()] == [5]
    dashboard.answer(calls, 4)
    assert (len(calls), sorted(dashboard.begun)) == (0, [1, 4])
    calls.close()


def test_a_call_that_waits_takes_no_place(dashboard: Dashboard) -> None:
    """Others are posted while a claim waits; once it need not, it comes before them, and no call too many is in flight."""
    calls = Calls(dashboard.post)
    for attempt, request in enumerate(("R-0", "R-0", "R-0", "R-3")):
        calls.begin(claim(attempt, request))
    assert (calls.in_flight, calls.free(LIMIT), calls.free(2)) == (2, 2, 0)
    calls.begin(claim(4, "R-4"))
    dashboard.answer(calls, 0, and_post=False)
    assert (calls.in_flight, calls.free(LIMIT)) == (2, 1)  # one place is kept for the second change of R-0
    calls.post_waiting(2)
    assert calls.in_flight == 2
    calls.post_waiting(LIMIT)
    for attempt in (1, 3, 4):
        dashboard.is_posted(attempt)
    assert (calls.in_flight, sorted(dashboard.begun)) == (3, [0, 1, 3, 4])
    for attempt in (1, 2, 3, 4):
        dashboard.answer(calls, attempt)
    calls.close()


def test_few_claims_wait(dashboard: Dashboard) -> None:
    """At most as many claims wait as calls may be in flight: their attempts are on record, but have not been made."""
    calls = Calls(dashboard.post)
    for attempt in range(6):
        calls.begin(claim(attempt, "LONG"))
    assert (calls.in_flight, calls.free(LIMIT)) == (1, 2)
    for attempt in range(6):
        dashboard.answer(calls, attempt)
    calls.close()
