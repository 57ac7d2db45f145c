"""The totals of all rows ever read, as ``tablero status --json`` and the digest report them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.reasons import Reason
from tablero.contract.windows import first_instant
from tablero.delivery.health import digest
from tablero.outbox import ledger
from tablero.outbox.ledger import Account
from tablero.outbox.reports.snapshot import COUNT_LIMIT
from tablero.outbox.schema import extraction, rejection
from tablero.settings import Settings
from tablero.web.status import status

from tests.integration.samples import FEBRUARY, NOW

SETTINGS = Settings.read({})

#: More than the page counts.
MANY = {Reason.UNKNOWN_STATUS.value: COUNT_LIMIT + 500, Reason.MISSING_REQUEST_ID.value: 3}


@pytest.fixture
def many(outbox: Engine) -> Engine:
    """An outbox that has read one month, with :data:`MANY` open rejections."""
    reading = {
        "id": 1,
        "kind": FEBRUARY.kind,
        "label": FEBRUARY.label,
        "window_start": FEBRUARY.start,
        "window_end": FEBRUARY.end,
        "run_id": "run",
        "started_at": NOW,
        "finished_at": NOW,
        "excluded": 5,
        "duplicates": 2,
    }
    rows = [
        {
            "digest": f"{reason[:8]}{number}",
            "reason": reason,
            "changed_at": FEBRUARY.start + number * timedelta(seconds=1),
            "extraction_id": 1,
        }
        for reason, count in MANY.items()
        for number in range(count)
    ]
    with outbox.begin() as connection:
        connection.execute(sa.insert(extraction).values(reading))
        connection.execute(sa.insert(rejection), rows)
    return outbox


def test_rejected_rows_are_counted_to_the_last_one(many: Engine) -> None:
    """However many rows are rejected for a reason, the number is exact, and the rows read are the sum of all others."""
    with many.connect() as connection:
        totals = status(connection, SETTINGS, NOW).to_json()["totals"]
    assert totals == {
        "read": sum(MANY.values()) + 7,
        "delivered": 0,
        "rejected": MANY,
        "excluded": 5,
        "duplicates": 2,
        "pending": 0,
    }


def test_a_digest_counts_the_rejected_rows_of_its_days(many: Engine) -> None:
    """Exactly, however many they are."""
    first = FEBRUARY.start.astimezone(SETTINGS.timezone).date()
    with many.connect() as connection:
        found = digest.gather(connection, SETTINGS, digest.Period("2020-02", first, date(first.year, 2, 28)))
    assert found.rejected == MANY


def test_a_month_that_is_proved_twice_is_one_in_one_digest(outbox: Engine) -> None:
    """Of two consecutive days each digest has the proofs of its own night, and a month once, however often it was proved."""
    first = date(2026, 11, 22)
    nights = [first_instant(first + timedelta(days=number), SETTINGS.timezone) + timedelta(hours=2) for number in (1, 1, 2)]
    for at in nights:
        ledger.keep(outbox, Account(FEBRUARY, read=0, recount=0), "run", at)
    days = [first + timedelta(days=number) for number in range(-1, 3)]
    with outbox.connect() as connection:
        found = [digest.gather(connection, SETTINGS, digest.Period("x", day, day)).audits for day in days]
        week = digest.gather(connection, SETTINGS, digest.Period("x", days[0], days[-1])).audits
    assert (found, week) == ([0, 1, 1, 0], 1)
