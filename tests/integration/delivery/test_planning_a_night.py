"""What a scheduled run covers: its own day, everything that earlier nights left open, and some audits."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.engine import Engine
from tablero.delivery.planning import Night, plan_night
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.outbox import ledger
from tablero.outbox.ledger import Account

from tests.integration.fake_dashboard import Dashboard
from tests.integration.samples import FEBRUARY, NOW, begin, change, clock, day, finish, month, settings, stage

OWN = day("2020-06-20")


def night(engine: Engine, own: str = "2020-06-20", **options: object) -> Night:
    return plan_night(engine, settings(**{"audit_months": 0} | options), day(own))


def labels(engine: Engine, own: str = "2020-06-20", **options: object) -> list[str]:
    *windows, undated = night(engine, own, **options).windows
    assert undated.kind == "undated"  # each night looks for undated rows
    return [window.label for window in windows]


def read(engine: Engine, *months: str) -> None:
    for label in months:
        finish(begin(engine, month(label)), valid=0, new=0)


def read_day(engine: Engine, label: str) -> None:
    finish(begin(engine, day(label)), valid=0, new=0)


def _deliver(engine: Engine) -> None:
    send(engine, Dashboard, settings(), [FEBRUARY], Run("run", clock))


def test_the_first_night(outbox: Engine) -> None:
    """Nothing was ever read, so there is no gap before the first night; the last days are read for late rows."""
    assert labels(outbox) == ["2020-06-20", "2020-06-17", "2020-06-18", "2020-06-19"]
    assert labels(outbox, lookback_days=0) == ["2020-06-20"]
    assert labels(outbox, "2020-01-02") == ["2020-01-02", "2020-01-01"]


def test_a_gap_is_closed_however_old(outbox: Engine) -> None:
    """Gaps are closed oldest first, after the run's own day."""
    read(outbox, "2020-01", "2020-03", "2020-04", "2020-05")
    for number in range(1, 20):
        if number != 5:
            read_day(outbox, f"2020-06-{number:02}")
    assert labels(outbox, lookback_days=0) == ["2020-06-20", "2020-02", "2020-06-05"]


def test_a_long_outage_is_a_few_wide_readings(outbox: Engine) -> None:
    """An outage of sixty days is closed in three reads that begin and end with the gap."""
    read_day(outbox, "2020-04-20")
    *windows, _ = night(outbox, lookback_days=1).windows
    assert [window.label for window in windows] == ["2020-06-20", "2020-04", "2020-05", "2020-06", "2020-06-19"]
    assert windows[1].start == day("2020-04-21").start
    assert windows[3].end == day("2020-06-18").end


def test_a_day_that_was_read_in_part_is_a_gap(outbox: Engine) -> None:
    """A day that was read only in part, as at the end of a historical load, is a gap."""
    half = month("2020-05")
    finish(begin(outbox, half.__class__(half.kind, half.label, half.start, half.end - timedelta(hours=1))), valid=0, new=0)
    for number in range(1, 20):
        read_day(outbox, f"2020-06-{number:02}")
    assert labels(outbox, lookback_days=0) == ["2020-06-20", "2020-05-31"]


def test_what_is_pending_is_read_again(outbox: Engine) -> None:
    """Windows with pending rows are read again, however old, since rows that the source no longer has must not be posted."""
    read(outbox, "2020-01", "2020-02", "2020-03", "2020-04", "2020-05")
    for number in range(1, 20):
        read_day(outbox, f"2020-06-{number:02}")
    stage(outbox, [change(1, at=day("2020-02-05").start)])
    assert labels(outbox, lookback_days=0) == ["2020-06-20", "2020-02-05"]
    _deliver(outbox)
    assert labels(outbox, lookback_days=0) == ["2020-06-20"]


def test_what_was_found_unsettled_is_read_again(outbox: Engine) -> None:
    """A window that was not settled is read again until some window around it is settled, and fails the run until then."""
    read(outbox, "2020-01", "2020-02", "2020-03", "2020-04", "2020-05")
    for number in range(1, 20):
        read_day(outbox, f"2020-06-{number:02}")
    ledger.keep(outbox, Account(day("2020-02-05"), read=3, delivered=2, recount=3), "run", NOW)
    assert labels(outbox, lookback_days=0) == ["2020-06-20", "2020-02-05"]
    ledger.keep(outbox, Account(FEBRUARY, read=3, delivered=3, recount=3), "run", NOW)
    assert labels(outbox, lookback_days=0) == ["2020-06-20"]


def test_nothing_before_the_earliest_day(outbox: Engine) -> None:
    """Nothing is read before the earliest day, and no recent day is read a second time as a gap."""
    read_day(outbox, "2020-06-10")
    assert labels(outbox, earliest="2020-06-15", lookback_days=2) == [
        "2020-06-20",
        *(f"2020-06-{number}" for number in range(15, 20)),
    ]


def test_what_is_pending_from_before_the_earliest_day(outbox: Engine) -> None:
    """It is read once more, which withdraws it: since then ``earliest`` was set to a later day, and it must not be posted."""
    stage(outbox, [change(1, at=day("2020-02-05").start)])
    assert labels(outbox, earliest="2020-06-20", lookback_days=0) == ["2020-06-20", "2020-02-05"]
    assert labels(outbox, earliest="2020-06-20", lookback_days=200) == ["2020-06-20", "2020-02-05"]


def test_audits(outbox: Engine) -> None:
    """The months with the oldest proofs are audited, from the first one read to that of the run's day, cut at its end."""
    read(outbox, "2020-02", "2020-03", "2020-04", "2020-05")
    for ago, label in ((9, "2020-04"), (5, "2020-02"), (1, "2020-06")):
        ledger.keep(outbox, Account(month(label), read=0, recount=0), "run", NOW - timedelta(days=ago))
    audits = night(outbox, audit_months=5).audits
    assert [window.label for window in audits] == ["2020-03", "2020-05", "2020-04", "2020-02", "2020-06"]
    assert audits[-1].end == OWN.end
    assert len(night(outbox, audit_months=2).audits) == 2
    assert night(outbox).audits == []


def test_a_part_of_a_month_is_not_the_month(outbox: Engine) -> None:
    """The proof of a gap in a month, or of the month as far as it had come, is no proof of the whole month."""
    read(outbox, "2020-02", "2020-03", "2020-04", "2020-05")
    for ago, label in ((9, "2020-02"), (8, "2020-03"), (7, "2020-04"), (6, "2020-05")):
        ledger.keep(outbox, Account(month(label), read=0, recount=0), "run", NOW - timedelta(days=ago))
    part = replace(month("2020-04"), end=day("2020-04-20").end)
    ledger.keep(outbox, Account(part, read=0, recount=0), "run", NOW)
    assert [window.label for window in night(outbox, audit_months=4).audits] == ["2020-06", "2020-02", "2020-03", "2020-04"]


def test_no_audit_of_what_is_read_anyway(outbox: Engine) -> None:
    """A month that is read anyway, as a gap, is not audited."""
    read(outbox, "2020-02", "2020-04", "2020-05")
    plan = night(outbox, audit_months=9)
    assert "2020-03" in [window.label for window in plan.windows]
    assert "2020-03" not in [window.label for window in plan.audits]
