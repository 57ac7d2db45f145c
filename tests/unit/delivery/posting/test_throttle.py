"""How many calls may be in flight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.throttle import Throttle

PROMPT = Answer(Outcome.DELIVERED, status=201, seconds=0.1)
SLOW = Answer(Outcome.DELIVERED, status=201, seconds=5.0)
BUSY = Answer(Outcome.TRANSIENT, status=503, seconds=0.1)
TOO_MANY = Answer(Outcome.TRANSIENT, status=429, seconds=0.1)
LOST = Answer(Outcome.UNKNOWN, seconds=120.0)
REFUSED = Answer(Outcome.REFUSED, status=400, seconds=0.1)


def throttle_after(*answers: Answer, ceiling: int = 8) -> Throttle:
    """The throttle after these answers, each of which arrived when nothing else was in flight."""
    throttle = Throttle(ceiling)
    for answer in answers:
        throttle.learn(answer, 0)
    return throttle


def test_starts_with_one() -> None:
    """It starts with one call, so that a failing dashboard is not hit by all at once."""
    assert Throttle(8).limit == 1


def test_grows_while_answers_are_prompt() -> None:
    """It grows by one for each prompt answer, up to ``concurrency``."""
    assert [throttle_after(*[PROMPT] * number).limit for number in (1, 2, 3, 7, 100)] == [2, 3, 4, 8, 8]


@pytest.mark.parametrize("trouble", [BUSY, TOO_MANY, LOST], ids=["503", "429", "time-out"])
def test_halved_by_trouble(trouble: Answer) -> None:
    """Each problem halves it, but never below one."""
    assert [throttle_after(*[PROMPT] * 7, *[trouble] * number).limit for number in (1, 2, 3, 4)] == [4, 2, 1, 1]


def test_calls_of_one_moment_halve_it_once() -> None:
    """Calls that were in flight at the first problem belong to the same moment and halve it once."""
    throttle = throttle_after(*[PROMPT] * 7)
    for in_flight in range(7, -1, -1):
        throttle.learn(BUSY, in_flight)
    assert throttle.limit == 4
    throttle.learn(BUSY, 3)
    assert throttle.limit == 2


def test_grows_slowly_after_trouble() -> None:
    """After a problem it grows by one for a whole round of prompt answers."""
    throttle = throttle_after(*[PROMPT] * 7, BUSY)
    limits = []
    for _ in range(10):
        throttle.learn(PROMPT, 0)
        limits.append(throttle.limit)
    assert limits[:4] == [4, 4, 4, 4]
    assert limits[-1] in (5, 6)


def test_does_not_grow_while_answers_get_slower() -> None:
    """Four times the usual response time means that the dashboard is saturated."""
    throttle = throttle_after(*[Answer(Outcome.DELIVERED, seconds=1.0)] * 3)
    before = throttle.limit
    throttle.learn(SLOW, 0)
    assert throttle.limit == before


def test_quick_answers_are_steady_whatever_they_vary_by() -> None:
    """Response times between 1 and 200 milliseconds are noise."""
    assert throttle_after(*[Answer(Outcome.DELIVERED, seconds=0.001)] * 3, Answer(Outcome.DELIVERED, seconds=0.2)).limit == 5


def test_a_refusal_says_nothing_about_load() -> None:
    """A refusal changes the limit neither up nor down."""
    assert throttle_after(PROMPT, REFUSED, REFUSED).limit == 2


@given(
    st.lists(st.tuples(st.sampled_from([PROMPT, SLOW, BUSY, TOO_MANY, LOST, REFUSED]), st.integers(0, 8))), st.integers(1, 8)
)
def test_always_between_one_and_the_ceiling(answers: list[tuple[Answer, int]], ceiling: int) -> None:
    """The limit stays between one and the ceiling, whatever the answers."""
    throttle = Throttle(ceiling)
    for answer, in_flight in answers:
        throttle.learn(answer, in_flight)
        assert 1 <= throttle.limit <= ceiling
