"""A lost outbox is rebuilt: rows that a person declares delivered are not sent again, all others are."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, day_window, first_instant
from tablero.delivery.adopting import adopt_all, plan_adoption
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage as stage_window
from tablero.errors import ParameterError, WindowBusy
from tablero.outbox import ledger
from tablero.outbox.adoption import adopt, adopt_batch
from tablero.outbox.batches import LeasedBatch
from tablero.outbox.queue import claiming, cutting, leasing, recording
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.reports import evidence as evidence_report

from tests.integration.fake_dashboard import Dashboard, refused
from tests.integration.institution import Institution
from tests.integration.samples import (
    FEBRUARY,
    NOW,
    ZONE,
    all_batches,
    attempts,
    change,
    changes,
    check_books,
    clock,
    rows_in,
    settings,
    stage,
    states,
)

SETTINGS = settings()

#: The last day that was delivered completely.
UNTIL = date(2020, 2, 14)
THEN = first_instant(UNTIL + timedelta(days=1), ZONE)

#: A change every six hours: 56 until that day, the others later.
ROWS = [change(number, at=FEBRUARY.start + number * timedelta(hours=6)) for number in range(100)]
BEFORE = [row for row in ROWS if row.last_modified_date < THEN]
AFTER = [row for row in ROWS if row.last_modified_date >= THEN]


def adopted(engine: Engine, institution: Institution, until: date = UNTIL, first: date | None = None) -> int:
    windows = plan_adoption(SETTINGS, first=first, until=until, now=NOW)
    found = adopt_all(engine, institution.source, SETTINGS, windows, by="ana", run_id="adopt__1", clock=clock)
    return sum(rows for _, rows in found)


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    """An institution whose rows the dashboard has up to a day, delivered by an outbox that was lost."""
    made = Institution(tmp_path / "source.db")
    made.add(ROWS)
    return made


def load(engine: Engine, institution: Institution, dashboard: Dashboard) -> None:
    """As historical_load does."""
    stage_window(engine, institution.source, SETTINGS, FEBRUARY, Run("load", clock))
    send(engine, lambda: dashboard, SETTINGS, [FEBRUARY], Run("load", clock))


def test_the_load_after_it_sends_only_the_rest(outbox: Engine, institution: Institution) -> None:
    """The next load sends only the remaining rows, and its reconciliation settles the month."""
    dashboard = Dashboard()
    assert adopted(outbox, institution) == len(BEFORE) == 56
    load(outbox, institution, dashboard)
    assert sorted(dashboard.accepted) == sorted(row.request_id for row in AFTER)
    (found,), failure = reconcile(
        outbox,
        institution.source,
        SETTINGS,
        [FEBRUARY],
        Run("load", clock),
        send=lambda _: pytest.fail("nothing to send"),
    )
    assert failure is None
    assert found.settled
    assert found.delivered == len(ROWS)
    check_books(outbox)


def test_rows_that_come_late_are_sent(outbox: Engine, institution: Institution) -> None:
    """A row entered after the adoption, for a day before it, is new and is sent."""
    adopted(outbox, institution)
    late = change(500, at=FEBRUARY.start + timedelta(hours=1))
    institution.add([late])
    dashboard = Dashboard()
    load(outbox, institution, dashboard)
    assert late.request_id in dashboard.accepted


def test_the_record_says_what_was_done(outbox: Engine, institution: Institution) -> None:
    """Each adopted batch has an attempt that says who declared it delivered, and that no call was made."""
    adopted(outbox, institution)
    for found in attempts(outbox):
        assert (found.outcome, found.run_id, found.http_status, found.seconds) == ("delivered", "adopt__1", None, None)
        assert "counted as delivered until 2020-02-15T04:00:00+00:00, by ana; nothing was posted" in found.message
    assert attempts(outbox)


def test_again_it_changes_nothing(outbox: Engine, institution: Institution) -> None:
    """An adoption can be interrupted and repeated."""
    adopted(outbox, institution)
    before = attempts(outbox)
    assert adopted(outbox, institution) == 0
    assert attempts(outbox) == before


def test_bad_rows_stay_rejected(outbox: Engine, institution: Institution) -> None:
    """Invalid rows stay rejected, since they were never delivered."""
    bad = ROWS[0]._replace(status_id=99, request_id="bad")
    institution.add([bad])
    adopted(outbox, institution)
    window = Window("month", "2020-02", FEBRUARY.start, THEN)
    assert ledger.account(outbox, window).rejected == {"unknown_status": 1}


def test_from_a_day_of_a_restored_backup_on(outbox: Engine, institution: Institution) -> None:
    """Rows pending in a restored backup that were delivered since count as delivered; the others stay as in the backup."""
    stage(outbox, ROWS)
    first = date(2020, 2, 10)
    assert adopted(outbox, institution, first=first) == 20
    dashboard = Dashboard()
    load(outbox, institution, dashboard)
    assert len(dashboard.accepted) == len(ROWS) - 20


def test_a_batch_across_the_edge_is_cut(outbox: Engine) -> None:
    """In a pending batch that extends beyond the adopted day, only the rows up to that day count as delivered."""
    stage(outbox, ROWS)
    window = Window("month", "2020-02", FEBRUARY.start, THEN)
    assert adopt(outbox, window, run_id="adopt__1", words="said so", zone=ZONE, now=NOW) == len(BEFORE)
    assert rows_in(outbox, "delivered") == set(BEFORE)
    assert rows_in(outbox, "pending") == set(AFTER)
    check_books(outbox)


def test_a_batch_around_the_window_without_a_row_in_it(outbox: Engine) -> None:
    """A batch that spans the window but has no row in it is left unchanged."""
    stage(outbox, [ROWS[0], ROWS[-1]])
    window = day_window(date(2020, 2, 10), ZONE)
    assert adopt(outbox, window, run_id="adopt__1", words="said so", zone=ZONE, now=NOW) == 0
    assert states(outbox) == {"pending": 2}
    assert attempts(outbox) == []


def test_what_was_under_way_when_the_copy_was_made(outbox: Engine, institution: Institution) -> None:
    """An attempt without an outcome in a restored backup becomes unknown, as in a normal run."""
    stage(outbox, BEFORE)
    claiming.claim(outbox, [FEBRUARY], Leaseholder("lost", "run", 180), limit=1, zone=ZONE, now=NOW - timedelta(days=1))
    assert adopted(outbox, institution) == len(BEFORE)
    assert [row.outcome for row in attempts(outbox)] == ["unknown", "delivered"]


def test_what_is_left_of_a_batch_under_way_may_have_arrived_too(outbox: Engine) -> None:
    """Where only some rows of a batch are adopted, the attempt of a dead worker leaves the others in doubt as well."""
    stage(outbox, ROWS)
    claiming.claim(outbox, [FEBRUARY], Leaseholder("lost", "run", 180), limit=1, zone=ZONE, now=NOW - timedelta(days=1))
    adopt(outbox, Window("month", "2020-02", FEBRUARY.start, THEN), run_id="adopt__1", words="ana", zone=ZONE, now=NOW)
    assert [(row.state, row.ever_unknown) for row in all_batches(outbox) if row.state == "pending"] == [("pending", True)]
    assert {row.outcome for row in attempts(outbox)} == {"unknown", "delivered"}


def test_who_held_a_batch_that_was_cut_does_not_take_it_apart(outbox: Engine) -> None:
    """A worker that was suspended cannot split a batch that was adopted meanwhile, when its refusal arrives: nothing is pending
    again."""
    stage(outbox, ROWS)
    (held,) = claiming.claim(
        outbox, [FEBRUARY], Leaseholder("slow", "run", 180), limit=1, zone=ZONE, now=NOW - timedelta(days=1)
    )
    window = Window("month", "2020-02", FEBRUARY.start, THEN)
    assert adopt(outbox, window, run_id="adopt__1", words="ana", zone=ZONE, now=NOW) == len(BEFORE)
    recording.record(outbox, [(held, refused())], now=NOW)
    assert cutting.cut(outbox, LeasedBatch(held.batch_id, held.changes), [50], worker="slow", zone=ZONE) == []
    assert states(outbox) == {"delivered": len(BEFORE), "pending": len(AFTER)}
    check_books(outbox)


def test_not_while_a_run_is_sending(outbox: Engine) -> None:
    """Adoption is refused while a run is sending, since it may be posting these rows; nothing is changed."""
    stage(outbox, changes(3))
    (held,) = claiming.claim(outbox, [FEBRUARY], Leaseholder("w", "load", 300), limit=1, zone=ZONE)
    with pytest.raises(WindowBusy, match="Pause both DAGs"):
        adopt(outbox, FEBRUARY, run_id="adopt__1", words="said so", zone=ZONE, now=NOW)
    assert states(outbox) == {"pending": 3}
    with pytest.raises(WindowBusy, match="Pause both DAGs"):
        adopt_batch(outbox, held.batch_id, run_id="adopt__1", words="said so", now=NOW)
    leasing.release(outbox, [held.batch_id], "w")
    assert adopt(outbox, FEBRUARY, run_id="adopt__1", words="said so", zone=ZONE, now=NOW) == 3


def test_one_batch_that_the_dashboard_has(outbox: Engine) -> None:
    """A single batch can be adopted if the dashboard has it but answers each repeat with an error; only its parts are meant."""
    stage(outbox, changes(20), size=10)
    held, _ = claiming.claim(outbox, [FEBRUARY], Leaseholder("w", "load", 300), limit=2, zone=ZONE, now=NOW)
    cutting.cut(outbox, LeasedBatch(held.batch_id, held.changes), [4], worker="w", zone=ZONE)
    leasing.release(outbox, [row.id for row in all_batches(outbox)], "w")
    assert adopt_batch(outbox, held.batch_id, run_id="adopt__1", words="said so", now=NOW) == 10
    assert rows_in(outbox, "delivered") == set(held.changes)
    assert {row.settled_how for row in all_batches(outbox) if row.state == "delivered"} == {"adopted"}
    check_books(outbox)
    for number in (held.batch_id, 999):
        with pytest.raises(ParameterError, match="nothing of it is pending"):
            adopt_batch(outbox, number, run_id="adopt__2", words="said so", now=NOW)


def test_the_windows_are_months_cut_at_both_days() -> None:
    """The windows are months, cut at both days; both days are included, in the institution's zone."""
    windows = plan_adoption(SETTINGS, first=date(2020, 1, 31), until=date(2020, 3, 1), now=NOW)
    assert [window.label for window in windows] == ["2020-01", "2020-02", "2020-03"]
    assert windows[0].start == first_instant(date(2020, 1, 31), ZONE)
    assert [one.end for one in windows[:-1]] == [other.start for other in windows[1:]]
    assert windows[-1].end == first_instant(date(2020, 3, 2), ZONE)
    assert plan_adoption(SETTINGS, first=None, until=UNTIL, now=NOW)[0].start == first_instant(SETTINGS.earliest, ZONE)


@pytest.mark.parametrize(
    ("first", "until", "words"),
    [
        (None, date(2026, 11, 24), "must have ended"),
        (None, date(2019, 12, 31), "--from is 2020-01-01, after --until, 2019-12-31"),
        (date(2020, 3, 1), date(2020, 2, 1), "after --until"),
    ],
)
def test_days_that_make_no_sense(first: date | None, until: date, words: str) -> None:
    """Days that have not ended, or are reversed, are refused."""
    with pytest.raises(ParameterError, match=words):
        plan_adoption(SETTINGS, first=first, until=until, now=NOW)


def test_the_evidence_tells_it_from_an_acknowledgement(outbox: Engine, institution: Institution) -> None:
    """Adopted batches are counted separately from acknowledged ones, and only real acknowledgements give times."""
    adopted(outbox, institution)
    with outbox.connect() as connection:
        found = evidence_report.acknowledged(connection, FEBRUARY)
    assert (found.first, found.last) == (None, None)
    assert found.adopted == found.batches > 0
    stage_window(outbox, institution.source, SETTINGS, FEBRUARY, Run("run", clock))
    send(outbox, Dashboard, SETTINGS, [FEBRUARY], Run("run", clock))
    with outbox.connect() as connection:
        later = evidence_report.acknowledged(connection, FEBRUARY)
    assert later.first == later.last is not None
    assert later.adopted == found.adopted
    assert later.batches > later.adopted
