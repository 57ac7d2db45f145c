"""An incident is alerted once, when it is due, and so is its end."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.errors import (
    DashboardError,
    DashboardUnavailable,
    ImplausibleReading,
    NotSettledError,
    SetupError,
    SourceUnavailable,
)
from tablero.outbox import ledger
from tablero.outbox.alerts import incidents, troubles
from tablero.outbox.alerts.incidents import EndedRun
from tablero.outbox.alerts.troubles import OpenWindow, Trouble
from tablero.outbox.engine import reading, writing
from tablero.outbox.ledger import Account
from tablero.outbox.reports import health
from tablero.texts import delivery as delivery_texts
from tablero.texts.text import verbatim

from tests.integration.samples import FEBRUARY, NOW, changes, day, month, stage

DAG = "daily_send"


def night(number: int) -> EndedRun:
    """The scheduled run of one of the nights of November."""
    return EndedRun(DAG, f"scheduled__2026-11-{number:02}T06:00:00+00:00", scheduled=True)


def by_hand(name: str, dag: str = DAG) -> EndedRun:
    """A run triggered by hand."""
    return EndedRun(dag, f"manual__{name}", scheduled=False)


def fail(
    engine: Engine, run: EndedRun, *, threshold: int = 1, permanent: bool = False, cause: str = "down", now: datetime = NOW
) -> bool:
    """Record a failure; returns whether it is alerted."""
    with writing(engine) as connection:
        return bool(incidents.run_failed(connection, run, causes={cause: permanent}, threshold=threshold, now=now).causes)


def succeed(engine: Engine, run: EndedRun) -> bool:
    with writing(engine) as connection:
        return incidents.run_succeeded(connection, run, now=NOW)


def prove(engine: Engine, run: EndedRun, window: Window = FEBRUARY, *, settled: bool = True) -> None:
    """What ``reconcile`` of a run found in a window, later than every failure."""
    found = Account(window, read=1, delivered=int(settled), pending=int(not settled), recount=1)
    ledger.keep(engine, found, run.run_id, NOW + timedelta(minutes=1))


def test_alerted_once(outbox: Engine) -> None:
    """An incident is alerted once, not for every run or every try."""
    assert [fail(outbox, night(number)) for number in (1, 1, 2, 3)] == [True, False, False, False]


def test_alerted_from_the_threshold_on(outbox: Engine) -> None:
    """It is alerted from the threshold on: three failed days in a row, as in the guide's example."""
    assert [fail(outbox, night(number), threshold=3) for number in (1, 2, 3, 4)] == [False, False, True, False]


def test_a_cleared_run_is_no_second_failure(outbox: Engine) -> None:
    """Failures of a cleared run count as one night, even if an earlier night was cleared and failed as well."""
    assert [fail(outbox, night(1), threshold=3) for _ in range(5)] == [False] * 5
    assert [fail(outbox, night(number), threshold=3) for number in (2, 1, 2)] == [False] * 3
    assert fail(outbox, night(3), threshold=3)


def test_a_permanent_error_is_alerted_at_once(outbox: Engine) -> None:
    """A permanent error is alerted at once, since waiting will not help."""
    assert not fail(outbox, night(1), threshold=3)
    assert fail(outbox, night(2), threshold=3, permanent=True)


def test_its_end_is_alerted(outbox: Engine) -> None:
    """The end of an incident is reported once, if the incident was."""
    fail(outbox, night(1))
    assert [succeed(outbox, night(2)), succeed(outbox, night(3))] == [True, False]


def test_a_night_that_is_cleared_and_mended(outbox: Engine) -> None:
    """A failed run that is cleared and succeeds ends its own incident."""
    fail(outbox, night(1))
    assert succeed(outbox, night(1))


def test_a_night_before_the_failed_one_ends_nothing(outbox: Engine) -> None:
    """Clearing and repairing an earlier night does not end the incident of the last night."""
    fail(outbox, night(1))
    fail(outbox, night(2))
    assert not succeed(outbox, night(1))
    assert not fail(outbox, night(2))
    assert succeed(outbox, night(2))


def test_an_incident_that_nobody_heard_of_ends_in_silence(outbox: Engine) -> None:
    """An incident that was never alerted ends silently, and the count restarts."""
    fail(outbox, night(1), threshold=2)
    assert not succeed(outbox, night(2))
    assert not fail(outbox, night(3), threshold=2)


def test_the_next_incident_is_alerted_again(outbox: Engine) -> None:
    """After a recovery the next incident is alerted again."""
    fail(outbox, night(1))
    succeed(outbox, night(2))
    assert fail(outbox, night(3))


def test_a_run_by_hand_between_failed_nights(outbox: Engine) -> None:
    """A manual run neither counts among failures in a row nor interrupts them."""
    assert not fail(outbox, night(1), threshold=3)
    assert not succeed(outbox, by_hand("other day"))
    assert not fail(outbox, night(2), threshold=3)
    assert fail(outbox, by_hand("broken"))
    assert fail(outbox, night(3), threshold=3)


def test_a_failed_manual_run_keeps_no_night_from_being_alerted(outbox: Engine) -> None:
    """A failed manual run is an incident of its own and does not suppress the alert of a night."""
    assert fail(outbox, by_hand("1"))
    assert fail(outbox, night(1))


def test_a_backfill_is_alerted_once(outbox: Engine) -> None:
    """A backfill is alerted once, since a hundred of its days may fail for one reason."""
    assert [fail(outbox, by_hand(str(number))) for number in range(3)] == [True, False, False]


def test_a_load_is_mended_by_another_one(outbox: Engine) -> None:
    """Another load that settles what the first left open ends its incident; the current month may end at a later instant."""
    failed, half, whole = (by_hand(name, "historical_load") for name in ("failed", "half", "whole"))
    november = month("2026-11")
    later = Window("month", november.label, november.start, november.end + timedelta(hours=1))
    for window in (FEBRUARY, november):
        prove(outbox, failed, window, settled=False)
    assert fail(outbox, failed)
    prove(outbox, half, later)
    assert not succeed(outbox, half)
    assert not fail(outbox, by_hand("again", "historical_load"))
    prove(outbox, whole, FEBRUARY)
    prove(outbox, whole, later)
    assert succeed(outbox, whole)


def test_a_load_that_read_nothing_is_mended_by_any_other_one(outbox: Engine) -> None:
    """A load whose preflight failed is resolved by any later load whose preflight passes."""
    assert fail(outbox, by_hand("1", "historical_load"))
    assert succeed(outbox, by_hand("2", "historical_load"))


def test_a_day_by_hand_is_mended_by_the_next_night(outbox: Engine) -> None:
    """A manual day is resolved by the next night if that one repaired the day, not by a run of another day."""
    failed, other = by_hand("failed"), by_hand("other")
    prove(outbox, failed, day("2026-11-20"), settled=False)
    fail(outbox, failed)
    prove(outbox, other, day("2026-11-01"))
    assert not succeed(outbox, other)
    prove(outbox, night(24), day("2026-11-20"))
    assert succeed(outbox, night(24))


def test_a_run_by_hand_that_read_nothing(outbox: Engine) -> None:
    """A night says nothing about a manual run that failed before it read anything: only another manual run, or itself, ends
    its incident. A later failure of that kind is alerted again, unless it may be of the same backfill.
    """
    assert fail(outbox, by_hand("1"))
    assert not succeed(outbox, night(2))
    assert not fail(outbox, by_hand("2"))
    assert succeed(outbox, by_hand("3"))
    assert fail(outbox, by_hand("4"))
    assert fail(outbox, by_hand("5"), now=NOW + timedelta(days=2))


def test_a_run_by_hand_that_read_and_did_not_prove(outbox: Engine) -> None:
    """What a manual run has read is mended by the night that proves that window, and by no other."""
    stage(outbox, changes(3), run_id=by_hand("1").run_id)
    fail(outbox, by_hand("1"))
    prove(outbox, night(2), day("2020-02-03"))
    assert not succeed(outbox, night(2))
    prove(outbox, night(3), settled=False)
    assert not succeed(outbox, night(3))
    prove(outbox, night(4))
    assert succeed(outbox, night(4))


def test_a_recovery_that_could_not_be_recorded(outbox: Engine) -> None:
    """If the outbox was down when a run succeeded, its proof shows the success, so the next failure is a new incident."""
    assert fail(outbox, night(1))
    prove(outbox, night(2), day("2026-11-01"))
    assert fail(outbox, night(3))
    assert fail(outbox, by_hand("1"))
    prove(outbox, by_hand("2"), day("2026-10-01"))
    assert fail(outbox, by_hand("3"))


def test_no_recovery_is_made_up(outbox: Engine) -> None:
    """A recovery is not inferred from manual runs between nights, partial successes, or proofs older than the failure."""
    ledger.keep(outbox, Account(FEBRUARY, read=0, recount=0), night(1).run_id, NOW - timedelta(hours=1))
    assert not fail(outbox, night(1), threshold=3)
    prove(outbox, by_hand("1"))
    prove(outbox, night(2), day("2026-11-01"))
    prove(outbox, night(2), day("2026-10-31"), settled=False)
    assert not fail(outbox, night(2), threshold=3)
    assert fail(outbox, night(3), threshold=3)


def fail_by_count(engine: Engine, run: EndedRun, *, threshold: int) -> bool:
    """A run whose windows are all settled, and whose ``reconcile`` fails since the sum over the view does not add up."""
    prove(engine, run, day(run.run_id[len("scheduled__") :][:10]))
    found = Trouble("reconcile", True, "the sum does not add up", NotSettledError.__name__)
    troubles.record_trouble(engine, run.dag_id, run.run_id, found, now=NOW + timedelta(minutes=2))
    return fail(engine, run, threshold=threshold, cause=found.cause)


@pytest.mark.parametrize(("threshold", "alerted"), [(1, [True, False, False, False]), (3, [False, False, True, False])])
def test_nights_that_only_the_count_turned_red_are_failures_in_a_row(
    outbox: Engine, threshold: int, alerted: list[bool]
) -> None:
    """Settled windows of a run that failed after its proof are no success: neither of that run nor of one before it."""
    assert [fail_by_count(outbox, night(number), threshold=threshold) for number in (1, 2, 3, 4)] == alerted
    assert succeed(outbox, night(5))


def test_a_cleared_run_that_succeeded_unheard(outbox: Engine) -> None:
    """A failed run that was cleared and succeeded while the outbox could not record the end: its last proof is the newer."""
    assert fail_by_count(outbox, night(1), threshold=1)
    found = Account(day("2026-11-01"), read=1, delivered=1, recount=1)
    ledger.keep(outbox, found, night(1).run_id, NOW + timedelta(minutes=3))
    assert fail(outbox, night(2))


def test_an_incident_is_open_though_nobody_is_alerted(outbox: Engine) -> None:
    """Without a recipient an incident is stored for ``status``, and alerted once a recipient is configured."""
    for number in (1, 2):
        with writing(outbox) as connection:
            found = incidents.run_failed(connection, night(number), causes={"down": True}, threshold=None, now=NOW)
        assert found.causes == []
        with reading(outbox) as connection:
            assert health.is_failing(connection)
    assert fail(outbox, night(3))
    succeed(outbox, night(4))
    with reading(outbox) as connection:
        assert not health.is_failing(connection)


def test_dags_are_apart(outbox: Engine) -> None:
    """DAGs are independent: a failed load says nothing about the daily send."""
    load = by_hand("1", "historical_load")
    assert fail(outbox, night(1))
    assert fail(outbox, load)
    assert not succeed(outbox, by_hand("2", "another"))
    assert succeed(outbox, night(2))
    assert not fail(outbox, load)


def test_what_is_known_of_a_run(outbox: Engine) -> None:
    """A run's failed tasks are known in order, with the windows that its last reconciliation left open, of no other run."""
    for task, words in (("post", "no access"), ("reconcile", "w" * 5000)):
        troubles.record_trouble(outbox, DAG, "1", Trouble(task, True, words, "cause", task, -1, 2), now=NOW)
    troubles.record_trouble(outbox, DAG, "2", Trouble("post", False, "other"), now=NOW)
    stage(outbox, changes(7))
    ledger.keep(outbox, ledger.account(outbox, month("2020-03")), "1", NOW)
    ledger.keep(outbox, ledger.account(outbox, FEBRUARY), "1", NOW)
    ledger.keep(outbox, ledger.account(outbox, FEBRUARY), "1", NOW + timedelta(minutes=1))
    found = troubles.situation(outbox, DAG, "1", since=None)
    assert found.troubles == [
        Trouble("post", True, "no access", "cause", "post", -1, 2),
        Trouble("reconcile", True, "w" * 2000, "cause", "reconcile", -1, 2),
    ]
    march = month("2020-03")
    assert found.windows == [
        OpenWindow("2020-02", 7, FEBRUARY.start, FEBRUARY.end),
        OpenWindow("2020-03", 0, march.start, march.end),
    ]


def test_what_a_task_waits_for(outbox: Engine) -> None:
    """The last wait is known until the task is done or one fails, and counts among no failures."""
    run, post = night(1), Trouble("post", False, "the first time", "DashboardBusy", "post", -1, 1)

    def known() -> tuple[list[str], str | None]:
        found = troubles.situation(outbox, DAG, run.run_id, since=None)
        wait = troubles.last_wait(outbox, DAG, run.run_id, since=None)
        return [one.words for one in found.troubles], wait and wait.words

    for words in ("the first time", "the second time"):
        troubles.record_wait(outbox, DAG, run.run_id, post._replace(words=words), now=NOW)
    assert known() == ([], "the second time")
    troubles.record_wait(outbox, DAG, run.run_id, post._replace(task="extract", task_id="extract", words="down"), now=NOW)
    assert known() == ([], "down")
    troubles.forget_wait(outbox, DAG, run.run_id, "extract", -1)
    assert known() == ([], "the second time")
    troubles.record_trouble(outbox, DAG, run.run_id, post._replace(words="failed"), now=NOW + timedelta(minutes=3))
    assert known() == (["failed"], None)


def test_nothing_is_known(outbox: Engine) -> None:
    """Nothing is known of a run that failed before it did anything."""
    assert troubles.situation(outbox, DAG, "1", since=None) == ([], [])


# -- causes ----------------------------------------------------------------------------------------------------------------


def test_another_cause_is_alerted_though_the_first_one_is_open(outbox: Engine) -> None:
    """A new cause, such as revoked access, is alerted during another incident; both end with one recovery."""
    assert fail(outbox, night(1), cause="down")
    assert fail(outbox, night(2), cause="revoked", permanent=True)
    assert not fail(outbox, night(3), cause="down")
    assert not fail(outbox, night(4), cause="revoked", permanent=True)
    assert [succeed(outbox, night(5)), succeed(outbox, night(6))] == [True, False]


def test_failures_in_a_row_may_have_different_causes(outbox: Engine) -> None:
    """Failures in a row may have different causes; at the third night those not yet reported are alerted."""
    assert not fail(outbox, night(1), threshold=3, cause="source")
    assert not fail(outbox, night(2), threshold=3, cause="dashboard")
    assert fail(outbox, night(3), threshold=3, cause="dashboard")


def test_since_when(outbox: Engine) -> None:
    """An incident began with the first night of its failures in a row."""
    with writing(outbox) as connection:
        first = incidents.run_failed(connection, night(1), causes={"down": False}, threshold=2, now=NOW)
        second = incidents.run_failed(connection, night(2), causes={"down": False}, threshold=2, now=NOW + timedelta(days=1))
    assert (first.causes, second.causes, second.since) == ([], ["down"], NOW)


def refused(window: str, rows: int) -> DashboardError:
    """The error of a pass in which the dashboard refused everything."""
    return DashboardError(
        delivery_texts.REFUSES_EVERYTHING(windows=window, calls=rows, rows=rows, cause=verbatim("no such service"))
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (DashboardUnavailable("HTTP 503"), DashboardUnavailable("time-out"), True),  # it is down, whatever the symptom
        (DashboardUnavailable("HTTP 503"), SourceUnavailable("HTTP 503"), False),
        (SetupError("there is no view"), SetupError("no right to the view"), False),
        (SetupError("2026-11-23: no column 'x'"), SetupError("2026-11-24: no column 'y'"), True),
        (NotSettledError("2020-02: 7 rows pending"), NotSettledError("2020-03: the sum does not close"), True),
        (ImplausibleReading("2020-02: trigger the load"), ImplausibleReading("2020-02-07: trigger the day"), True),
        (refused("2020-02-06", 1), refused("2020-02-07", 12), True),  # whether it is one row or several
    ],
)
def test_what_one_cause_is(one: Exception, other: Exception, same: bool) -> None:
    """A cause does not depend on the window, the number of rows, or how a server is unavailable."""
    assert (troubles.cause_of(one) == troubles.cause_of(other)) is same


# -- degradations ----------------------------------------------------------------------------------------------------------


def degrade(engine: Engine, run: EndedRun, *causes: str, is_complete: bool = True) -> tuple[list[str], list[str]]:
    with writing(engine) as connection:
        return incidents.run_degraded(connection, run, causes, events={"audit"}, is_complete=is_complete, now=NOW)


def test_a_degradation_is_alerted_once_and_its_end_too(outbox: Engine) -> None:
    """Forty nights of an empty view give one alert, and a notice when it is over; another cause gives another alert."""
    assert degrade(outbox, night(1), "no_rows") == (["no_rows"], [])
    assert degrade(outbox, night(2), "no_rows") == ([], [])
    assert degrade(outbox, night(3), "no_rows", "undated") == (["undated"], [])
    assert degrade(outbox, night(4), "undated") == ([], ["no_rows"])
    assert degrade(outbox, night(5)) == ([], ["undated"])
    assert degrade(outbox, night(6), "no_rows") == (["no_rows"], [])


def test_what_happens_again_is_alerted_again(outbox: Engine) -> None:
    """Each night reports what its audits found, once even if cleared, and never as over: no night undoes it."""
    assert degrade(outbox, night(1), "audit", "undated") == (["audit", "undated"], [])
    assert degrade(outbox, night(1), "audit", "undated") == ([], [])
    assert degrade(outbox, night(2), "audit", "undated") == (["audit"], [])
    assert degrade(outbox, night(3), "undated") == ([], [])


def test_a_cause_that_returns_while_another_lasts(outbox: Engine) -> None:
    """A cause that a later failed run no longer had is over, so its return is alerted; not if the run did not get that far."""

    def failed(number: int, *causes: str, is_complete: bool = True) -> list[str]:
        with writing(outbox) as connection:
            found = dict.fromkeys(causes, True)
            return incidents.run_failed(
                connection, night(number), causes=found, threshold=1, now=NOW, is_complete=is_complete
            ).causes

    assert failed(1, "dashboard", "source") == ["dashboard", "source"]
    assert failed(2, "outbox", is_complete=False) == ["outbox"]
    assert failed(3, "dashboard", "source") == []
    assert failed(4, "dashboard") == []
    assert failed(5, "dashboard", "source") == ["source"]


def test_an_earlier_night_that_is_cleared_ends_nothing(outbox: Engine) -> None:
    """Clearing an earlier night does not end what the last night found."""
    degrade(outbox, night(2), "no_rows")
    assert degrade(outbox, night(1)) == ([], [])


def test_an_earlier_night_that_is_cleared_reports_nothing_that_is_over(outbox: Engine) -> None:
    """A night that found a day without rows finds it again when it is cleared; what a later night has found since is new."""
    degrade(outbox, night(1), "no_rows")
    assert degrade(outbox, night(2)) == ([], ["no_rows"])
    assert degrade(outbox, night(1), "no_rows") == ([], [])
    assert degrade(outbox, night(3)) == ([], [])
    assert degrade(outbox, night(4), "no_rows") == (["no_rows"], [])


def test_a_manual_run_is_alerted_by_itself(outbox: Engine) -> None:
    """A manual run reports its own degradation once, even if cleared; it neither ends nor suppresses those of nights."""
    assert degrade(outbox, by_hand("1"), "rejected") == (["rejected"], [])
    assert degrade(outbox, by_hand("1"), "rejected") == ([], [])
    assert degrade(outbox, by_hand("2"), "rejected") == (["rejected"], [])
    assert degrade(outbox, night(1), "rejected") == (["rejected"], [])


def test_failures_and_what_is_not_as_usual_are_apart(outbox: Engine) -> None:
    """A success ends a failure but not a degradation such as an empty view."""
    degrade(outbox, night(1), "no_rows")
    assert fail(outbox, night(1))
    assert succeed(outbox, night(2))
    assert degrade(outbox, night(2), "no_rows") == ([], [])


def test_a_failed_night_ends_no_degradation(outbox: Engine) -> None:
    """A run that failed did not judge all its windows: what it did not find is not over, and what it found is alerted."""
    degrade(outbox, night(1), "undated")
    assert degrade(outbox, night(2), is_complete=False) == ([], [])
    assert degrade(outbox, night(3), "no_rows", is_complete=False) == (["no_rows"], [])
    assert degrade(outbox, night(4), "undated", "no_rows") == ([], [])
    assert degrade(outbox, night(5), "no_rows") == ([], ["undated"])
