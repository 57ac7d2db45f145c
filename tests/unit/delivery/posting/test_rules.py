"""What an answer means for its batch and for the pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting.rules import (
    GIVE_UP_AFTER,
    GIVE_UP_SEARCH_AFTER,
    IN_DOUBT_AFTER,
    IN_DOUBT_AFTER_PROVED,
    PROBES,
    SLOW_PROBES,
    WRONG_PATH_AFTER,
    Pass,
    Stop,
    interpret,
    is_cut_unposted,
    trouble_of,
)
from tablero.delivery.posting.search import Trouble
from tablero.outbox.queue.claims import History
from tablero.texts import delivery as texts

DELIVERED = Answer(Outcome.DELIVERED, status=201)
REFUSED = Answer(Outcome.REFUSED, status=400)
EXISTS = Answer(Outcome.REFUSED, status=409, is_repeat=True)
CRASHED = Answer(Outcome.UNKNOWN, status=500)
TIMED_OUT = Answer(Outcome.UNKNOWN, status=504)
DOWN = Answer(Outcome.TRANSIENT, status=503)
WAIT = Answer(Outcome.TRANSIENT, status=429, retry_after=30.0)
NOT_FOUND = Answer(Outcome.PERMANENT, status=404, may_be_content=True)
FORBIDDEN = Answer(Outcome.PERMANENT, status=401)
STRANGE = Answer(Outcome.UNKNOWN, status=204, unexpected=True)

NEW, FAILED_ONCE, MAYBE_THERE = History(), History(unknown_in_a_row=1, ever_unknown=True), History(ever_unknown=True)


@pytest.mark.parametrize(
    ("answer", "history", "outcome"),
    [
        (EXISTS, MAYBE_THERE, Outcome.DELIVERED),
        (EXISTS, NEW, Outcome.REFUSED),
        (Answer(Outcome.REFUSED, is_repeat=True, named=(3,)), MAYBE_THERE, Outcome.REFUSED),  # only that row had arrived
        (Answer(Outcome.REFUSED, is_repeat=True, partial=True, named=(3,)), MAYBE_THERE, Outcome.REFUSED),
        (REFUSED, MAYBE_THERE, Outcome.REFUSED),
        (NOT_FOUND, NEW, Outcome.REFUSED),
        (FORBIDDEN, NEW, Outcome.PERMANENT),
        (TIMED_OUT, MAYBE_THERE, Outcome.UNKNOWN),
    ],
)
def test_an_answer_in_the_light_of_what_is_on_record(answer: Answer, history: History, outcome: Outcome) -> None:
    """A recognised repeat is the missing acknowledgement of rows that may have arrived, and of no others."""
    assert interpret(answer, history).outcome is outcome


def test_a_recognised_repeat_is_on_record_as_that() -> None:
    """What is recorded says by which status the dashboard recognised the rows."""
    found = interpret(EXISTS, MAYBE_THERE)
    assert found.sentence == texts.RECOGNISED(status="409")
    assert found.error == str(found.sentence)


@pytest.mark.parametrize(
    ("answer", "history", "trouble"),
    [
        (DELIVERED, NEW, None),
        (REFUSED, NEW, Trouble.CONTENT),
        (Answer(Outcome.REFUSED, status=413, too_large=True), NEW, Trouble.SIZE),
        (CRASHED, NEW, None),
        (CRASHED, FAILED_ONCE, Trouble.CONTENT),
        (TIMED_OUT, NEW, None),
        (TIMED_OUT, FAILED_ONCE, Trouble.SIZE),
        (DOWN, FAILED_ONCE, None),
    ],
)
def test_what_a_batch_is_searched_for(answer: Answer, history: History, trouble: Trouble | None) -> None:
    """A batch is searched if it was refused, or twice in a row had no known outcome."""
    assert trouble_of(answer, history) is trouble


@pytest.mark.parametrize(
    ("history", "rows", "cut"),
    [
        (History(), 1000, False),
        (History(refusals=1), 1000, False),
        (History(refusals=2), 1000, True),
        (History(refusals=2), 2, True),
        (History(refusals=2), 1, False),
        (History(refusals=1, cuts=1), 500, True),
        (History(unknown_in_a_row=2), 1000, False),
        (History(unknown_in_a_row=3), 1000, True),
        (History(unknown_in_a_row=1, cuts=1), 500, False),
        (History(unknown_in_a_row=2, cuts=1), 500, True),
    ],
)
def test_what_is_cut_without_being_posted_again(history: History, rows: int, cut: bool) -> None:
    """A whole batch gets a second chance, since the night may have been bad; a part of one, or a single row, does not."""
    assert is_cut_unposted(history, rows) is cut


ANSWERS = st.sampled_from([DELIVERED, REFUSED, CRASHED, TIMED_OUT, DOWN, WAIT, NOT_FOUND, FORBIDDEN, STRANGE])


def a_pass(*answers: Answer, ever_delivered: bool = False) -> Pass:
    found = Pass(ever_delivered)
    for answer in answers:
        found.learn(interpret(answer, NEW), NEW)
    return found


@given(st.lists(ANSWERS, max_size=40), st.booleans())
def test_what_stops_a_pass(answers: list[Answer], ever: bool) -> None:
    """A pass stops only for one of these reasons; refused content alone never stops it."""
    found = a_pass(*answers, ever_delivered=ever)
    if FORBIDDEN in answers:
        assert found.stop is Stop.PERMANENT
        assert found.permanent is not None
    if set(answers) <= {DELIVERED, REFUSED}:
        assert found.stop is None
    if found.stop is Stop.WAIT:
        assert WAIT in answers
    if found.stop is Stop.DOWN:
        assert len(found.failures) >= GIVE_UP_AFTER


def test_failures_in_a_row() -> None:
    """An answer of any other kind interrupts the row of failures, since the dashboard is up."""
    assert a_pass(*[DOWN] * 4, REFUSED, *[CRASHED] * 4).stop is None
    assert a_pass(*[DOWN] * 4, CRASHED).stop is Stop.DOWN


@pytest.mark.parametrize(("failure", "probes"), [(CRASHED, PROBES), (TIMED_OUT, SLOW_PROBES), (DOWN, 0)])
def test_probes_decide_whether_the_dashboard_is_down(failure: Answer, probes: int) -> None:
    """Failures that may be due to the rows of these calls stop a pass only once other calls, posted one by one, fail too."""
    found = a_pass(*[failure] * GIVE_UP_AFTER)
    for _ in range(probes):
        assert found.stop is None
        assert found.must_probe
        found.probes += 1
        found.learn(failure, NEW)
    assert found.stop is Stop.DOWN


@pytest.mark.parametrize("answer", [DELIVERED, REFUSED])
def test_a_probe_that_is_answered_ends_the_doubt(answer: Answer) -> None:
    """The dashboard is up: all others may be posted again, and the next doubt has all its probes."""
    found = a_pass(*[CRASHED] * GIVE_UP_AFTER)
    found.probes += 1
    found.learn(answer, NEW)
    assert (found.must_probe, found.probes, found.stop) == (False, 0, None)


def test_a_probe_that_finds_the_dashboard_unavailable_is_the_last() -> None:
    """An answer that is certain, such as 503, does not depend on the rows of the call."""
    found = a_pass(*[CRASHED] * GIVE_UP_AFTER)
    found.probes += 1
    found.learn(DOWN, NEW)
    assert found.stop is Stop.DOWN


def test_the_path_itself() -> None:
    """Repeated 404 answers with nothing ever delivered mean a wrong path; after one acceptance they mean the content."""
    assert a_pass(*[NOT_FOUND] * (WRONG_PATH_AFTER - 1)).stop is None
    wrong = a_pass(*[NOT_FOUND] * WRONG_PATH_AFTER)
    assert (wrong.stop, wrong.permanent) == (Stop.PERMANENT, interpret(NOT_FOUND, NEW))
    assert a_pass(DELIVERED, *[NOT_FOUND] * 50).stop is None
    assert a_pass(*[NOT_FOUND] * 50, ever_delivered=True).stop is None


def test_another_server() -> None:
    """Two answers from another server stop the pass, unless the dashboard has ever accepted anything."""
    assert a_pass(STRANGE).stop is None
    wrong = a_pass(STRANGE, STRANGE)
    assert (wrong.stop, wrong.permanent) == (Stop.PERMANENT, STRANGE)
    assert a_pass(STRANGE, STRANGE, ever_delivered=True).stop is None
    again = Pass()
    again.learn(STRANGE, FAILED_ONCE)
    assert again.stop is Stop.PERMANENT


def test_what_a_pass_remembers() -> None:
    """It counts what was accepted, and keeps the first refusal, which its error quotes."""
    other = Answer(Outcome.REFUSED, status=422)
    found = a_pass(DELIVERED, REFUSED, other, DELIVERED)
    assert (found.accepted, found.refusal) == (2, REFUSED)


def test_closing_time_is_the_reason_unless_there_was_one_before() -> None:
    """Whatever stopped the pass first is what it reports."""
    closed, waiting = a_pass(), a_pass(WAIT)
    for found in (closed, waiting):
        found.close()
    assert (closed.stop, waiting.stop) == (Stop.CLOSED, Stop.WAIT)


def test_refused_batches_are_no_search() -> None:
    """Only calls of the search count towards its end, however many whole batches were refused before."""
    assert a_pass(*[REFUSED] * 2 * GIVE_UP_SEARCH_AFTER).may_search


def test_a_search_in_vain() -> None:
    """If nothing was accepted in the pass, the search stops after some calls; one acceptance lets it continue."""
    found = Pass(ever_delivered=True)
    for _ in range(GIVE_UP_SEARCH_AFTER):
        assert found.may_search
        found.learn(REFUSED, NEW, in_search=True)
    assert not found.may_search
    found.isolated = found.proved = 1
    found.learn(DELIVERED, NEW)
    assert found.may_search
    assert (found.searched, found.isolated, found.proved) == (0, 0, 0)


@given(st.lists(st.sampled_from(["accepted", "refused", "alone", "alone, proved"]), max_size=400))
def test_no_search_is_without_end(calls: list[str]) -> None:
    """Whatever the dashboard accepts and refuses, and in whichever order: once several rows were refused alone since it last
    accepted something, only some samples are posted, no row is set aside, and the next acceptance lets the search continue.
    """
    found = Pass()
    in_doubt = 0
    for call in calls:
        if not found.may_search or call == "accepted":
            found.learn(DELIVERED, NEW, in_search=True)
            in_doubt = 0
            assert found.may_search
            assert not found.must_sample
            continue
        in_doubt += found.must_sample
        found.learn(REFUSED, NEW, in_search=True)
        if call == "alone, proved" and not found.must_sample:
            found.proved += 1
        elif call != "refused":
            found.isolated += 1
        assert in_doubt <= GIVE_UP_SEARCH_AFTER
        assert found.isolated <= IN_DOUBT_AFTER + GIVE_UP_SEARCH_AFTER
        assert found.proved <= IN_DOUBT_AFTER_PROVED


def test_the_longest_wait() -> None:
    """The pass waits for the longest ``Retry-After`` received."""
    longer = Answer(Outcome.TRANSIENT, status=503, retry_after=90.0)
    assert a_pass(WAIT, longer, WAIT).asked_to_wait == 90.0
    assert a_pass(DOWN).asked_to_wait is None
