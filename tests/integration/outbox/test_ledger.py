"""The counts that prove that nothing was lost, the days covered, and the age of what is pending."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.outbox import ledger
from tablero.outbox.queue import claiming, recording, suspects
from tablero.outbox.queue.claims import Claim, Leaseholder
from tablero.outbox.reports.health import oldest_pending
from tablero.outbox.schema import batch

from tests.integration.fake_dashboard import DELIVERED, refused
from tests.integration.samples import FEBRUARY, NOW, ZONE, begin, change, changes, day, finish, month, stage, states


def take(engine: Engine, window: Window, worker: str, limit: int = 1000) -> list[Claim]:
    return claiming.claim(engine, [window], Leaseholder(worker, "run", 100), limit=limit, zone=ZONE, now=NOW)


def deliver(engine: Engine, window: Window = FEBRUARY, worker: str = "one", limit: int = 1000) -> None:
    recording.record(engine, [(taken, DELIVERED) for taken in take(engine, window, worker, limit)], now=NOW)


def hourly(count: int) -> list[object]:
    """One row an hour from the beginning of February."""
    return [change(number, at=FEBRUARY.start + timedelta(hours=number)) for number in range(count)]


def test_a_window_that_was_never_read(outbox: Engine) -> None:
    """The counts of a window that was never read are unknown, not zero."""
    account = ledger.account(outbox, FEBRUARY)
    assert account.read is None
    assert not account.settled


def test_an_unfinished_reading_says_nothing(outbox: Engine) -> None:
    """Only a reading that finished counts."""
    begin(outbox)
    assert ledger.account(outbox, FEBRUARY).read is None


def test_pending_then_delivered(outbox: Engine) -> None:
    """Each row is counted in exactly one column, and moves to another."""
    stage(outbox, changes(10), size=4)
    deliver(outbox, limit=1)
    account = ledger.account(outbox, FEBRUARY)
    assert (account.read, account.delivered, account.pending) == (10, 4, 6)
    deliver(outbox, worker="two")
    account = ledger.account(outbox, FEBRUARY)
    assert (account.read, account.delivered, account.pending) == (10, 10, 0)


def test_rows_that_the_dashboard_refused(outbox: Engine) -> None:
    """Rows refused by the dashboard count as rejected, with a reason of their own."""
    stage(outbox, changes(3), size=1)
    first, *rest = take(outbox, FEBRUARY, "one")
    recording.record(outbox, [(first, refused()), *((taken, DELIVERED) for taken in rest)], keep=[first.batch_id], now=NOW)
    suspects.refuse(outbox, [(first, "no")], now=NOW)
    finish(begin(outbox), valid=3, new=0, read=5, rejected={"too_long": 2})
    account = ledger.account(outbox, FEBRUARY)
    assert account.rejected == {"too_long": 2, "refused_by_dashboard": 1}
    assert account.accounted == account.read == 5


def test_days_of_a_batch_that_spans_several(outbox: Engine) -> None:
    """If a batch spans several days, each day counts its own rows."""
    stage(outbox, hourly(60))
    deliver(outbox, day("2020-02-02"))
    counts = {label: ledger.account(outbox, day(label)).delivered for label in ("2020-02-01", "2020-02-02", "2020-02-03")}
    assert counts == {"2020-02-01": 24, "2020-02-02": 24, "2020-02-03": 12}
    assert ledger.account(outbox, FEBRUARY).delivered == 60
    assert ledger.account(outbox, month("2020-01")).delivered == 0


def test_rows_that_are_gone_from_the_source(outbox: Engine) -> None:
    """Delivered rows deleted at the source are still counted, separately."""
    stage(outbox, changes(5))
    deliver(outbox)
    stage(outbox, changes(3))
    account = ledger.account(outbox, FEBRUARY)
    assert (account.read, account.delivered, account.gone) == (5, 5, 2)
    assert replace(account, recount=3).settled


def test_rows_that_the_outbox_has_lost(outbox: Engine) -> None:
    """If rows vanish from the outbox, by manual changes or a restored copy, the sum does not match, even if the source has what
    was read of it and other rows are gone from there.
    """
    stage(outbox, changes(150), size=50)
    deliver(outbox)
    stage(outbox, changes(100))
    with outbox.begin() as connection:
        connection.execute(sa.delete(batch).where(batch.c.id == 1))
    account = replace(ledger.account(outbox, FEBRUARY), recount=100)
    assert (account.read, account.accounted, account.gone) == (150, 100, 50)
    assert not account.closes
    stage(outbox, changes(100))
    deliver(outbox)
    assert replace(ledger.account(outbox, FEBRUARY), recount=100).settled


# -- refused rows that are corrected ---------------------------------------------------------------------------------------


def refuse_one(outbox: Engine) -> None:
    """Stage four rows; the first is refused and the others are delivered."""
    stage(outbox, changes(4), size=1)
    bad, *good = take(outbox, FEBRUARY, "one")
    recording.record(outbox, [(bad, refused()), *((taken, DELIVERED) for taken in good)], keep=[bad.batch_id], now=NOW)
    suspects.refuse(outbox, [(bad, "no such service")], now=NOW)


def test_a_refused_row_that_is_corrected_at_the_source(outbox: Engine) -> None:
    """A refused row that is corrected counts as neither refused nor gone: the corrected row replaces it."""
    refuse_one(outbox)
    corrected = [change(0, service="1042"), *changes(3, first=1)]
    stage(outbox, corrected)
    assert states(outbox) == {"withdrawn": 1, "delivered": 3, "pending": 1}
    deliver(outbox)
    account = replace(ledger.account(outbox, FEBRUARY), recount=4)
    assert (account.read, account.delivered, account.rejected.total(), account.gone) == (4, 4, 0, 0)
    assert account.settled


def test_a_refused_row_that_comes_back(outbox: Engine) -> None:
    """If a correction is reverted, the row is refused as before and not posted."""
    refuse_one(outbox)
    stage(outbox, changes(3, first=1))
    assert stage(outbox, changes(4)) == 0
    assert states(outbox) == {"refused": 1, "delivered": 3}
    assert replace(ledger.account(outbox, FEBRUARY), recount=4).settled


def test_another_window_does_not_withdraw(outbox: Engine) -> None:
    """Only a reading of the window that contains a refused row can withdraw it."""
    refuse_one(outbox)
    stage(outbox, [], month("2020-03"))
    stage(outbox, [], day("2020-02-02"))
    assert states(outbox)["refused"] == 1


# -- what is pending -------------------------------------------------------------------------------------------------------


def test_since_when_something_is_pending(outbox: Engine) -> None:
    """Pending rows have the age of their reading in seconds; if nothing is pending it is zero."""

    def age(now: datetime) -> float:
        with outbox.connect() as connection:
            return oldest_pending(connection, now)

    assert age(NOW) == 0.0
    stage(outbox, changes(2), size=1)
    assert age(NOW + timedelta(minutes=5)) == 300.0
    deliver(outbox)
    assert age(NOW + timedelta(minutes=5)) == 0.0


# -- proofs ----------------------------------------------------------------------------------------------------------------


def test_a_proof_is_kept(outbox: Engine) -> None:
    """A proof is stored with its result, its time and its run."""
    import sqlalchemy as sa
    from tablero.outbox.schema import reconciliation

    stage(outbox, changes(3))
    ledger.keep(outbox, ledger.account(outbox, FEBRUARY), "run", NOW)
    with outbox.connect() as connection:
        (kept,) = connection.execute(sa.select(reconciliation)).all()
    assert (kept.label, kept.rows_read, kept.pending, kept.settled, kept.recount) == ("2020-02", 3, 3, False, None)
    assert (kept.run_id, kept.counted_at, kept.window_start) == ("run", NOW, FEBRUARY.start)
    assert isinstance(kept.counted_at, datetime)
