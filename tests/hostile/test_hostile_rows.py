"""Ten thousand invalid rows: each ends in a named state, and the sums match."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta, timezone
from functools import cache
from typing import Any

import orjson
import pytest
from sqlalchemy.engine import Engine
from tablero.contract.reasons import Reason
from tablero.contract.rules import Excluded, Rejected, validator
from tablero.contract.status_change import StatusChange
from tablero.contract.statuses import STATUSES
from tablero.contract.wire import encode
from tablero.delivery.reconciling import reconcile
from tablero.delivery.run import Run
from tablero.delivery.staging import preview, stage
from tablero.outbox.schema import rejection

from tests.hostile.rows import HostileRow, Rows, rows
from tests.integration.fake_dashboard import Dashboard
from tests.integration.samples import FEBRUARY, NOW, ZONE, check_books, clock, settings, staged

COUNT = 10_000
EARLIEST = settings().earliest_instant


@cache
def content() -> list[HostileRow]:
    """The rows of the source."""
    return list(rows(random.Random(20261124), COUNT, FEBRUARY.start + timedelta(days=9)))


def found(row: HostileRow) -> StatusChange | Rejected | Excluded:
    return validator(zone=ZONE, earliest=EARLIEST, now=NOW)(row)


def test_every_row_is_valid_excluded_or_rejected_for_a_reason() -> None:
    """Validation has a verdict for every value that a driver may yield."""
    kinds: Counter[str] = Counter()
    for row in content():
        result = found(row)
        kinds[result.reason.name if isinstance(result, Rejected) else type(result).__name__] += 1
    assert kinds.total() == COUNT
    # The generator must reach all rules, except those about the dashboard and skipped hours.
    unreached = {reason.name for reason in Reason} - kinds.keys()
    assert unreached <= {Reason.REFUSED_BY_DASHBOARD.name, Reason.NO_SUCH_LOCAL_TIME.name}
    assert kinds["StatusChange"] > COUNT // 20
    assert kinds["Excluded"] > 0


def test_what_is_valid_can_be_sent() -> None:
    """A valid row is UTF-8 JSON with ids of 1 to 255 printable characters, a known status and two instants in order."""
    valid = [result for row in content() if isinstance(result := found(row), StatusChange)]
    for change in valid:
        assert 1 <= len(change.service_id.strip()) <= 255
        assert 1 <= len(change.request_id.strip()) <= 255
        assert change.status_id in STATUSES
        assert type(change.status_id) is int
        assert EARLIEST <= change.opening_date <= change.last_modified_date <= NOW
        assert change.opening_date.tzinfo is timezone.utc
    sent = orjson.loads(encode(valid))["requests"]
    assert [entry["request_id"] for entry in sent] == [change.request_id for change in valid]


def test_a_rehearsal_counts_them_all() -> None:
    """A dry run counts the same rows and writes nothing."""
    tally = preview(None, Rows(content(), ZONE), settings(), FEBRUARY, Run("run", clock))
    assert tally.read == Rows(content(), ZONE).rows_in(FEBRUARY)
    assert tally.read == tally.valid + tally.duplicates + tally.excluded + tally.rejected.total()


@pytest.mark.integration
def test_all_are_staged_or_set_aside_and_the_sum_closes(outbox: Engine) -> None:
    """Through staging, sending and reconciling nothing crashes, is lost, or is left over."""
    from tablero.delivery.sending import send

    source = Rows(content(), ZONE)
    tally = stage(outbox, source, settings(), FEBRUARY, Run("run", clock))
    assert tally.read == source.rows_in(FEBRUARY)
    assert tally.read == tally.valid + tally.duplicates + tally.excluded + tally.rejected.total()
    expected = {result for row in content() if isinstance(result := found(row), StatusChange) and _inside(result)}
    assert staged(outbox) == expected
    check_books(outbox)

    dashboard = Dashboard()
    send(outbox, lambda: dashboard, settings(), [FEBRUARY], Run("run", clock))
    accounts, failure = reconcile(outbox, source, settings(), [FEBRUARY], Run("run", clock), send=pytest.fail)
    assert failure is None
    assert accounts[0].settled
    assert accounts[0].delivered == len(expected) == dashboard.accepted.total()


@pytest.mark.integration
def test_rows_set_aside_can_be_shown(outbox: Engine) -> None:
    """A rejected row is stored as text of limited length, without control characters, that UTF-8 can encode."""
    tally = stage(outbox, Rows(content(), ZONE), settings(), FEBRUARY, Run("run", clock))
    with outbox.connect() as connection:
        kept = connection.execute(rejection.select()).mappings().all()
    assert 0 < len(kept) <= tally.rejected.total()
    assert {row["reason"] for row in kept} == set(tally.rejected)
    for row in kept:
        for name in StatusChange._fields:
            text: Any = row[name]
            assert text is None or (len(text) <= 300 and text.encode() is not None and not any(ord(char) < 32 for char in text))


@pytest.mark.integration
def test_reading_them_again_changes_nothing(outbox: Engine) -> None:
    """Even the oddest rows are identified by their content, so reading them again changes nothing."""
    first = stage(outbox, Rows(content(), ZONE), settings(), FEBRUARY, Run("run", clock))
    before = staged(outbox)
    again = stage(outbox, Rows(content()[::-1], ZONE), settings(), FEBRUARY, Run("run", clock))
    assert again.new == 0
    assert again.rejected == first.rejected
    assert staged(outbox) == before
    check_books(outbox)


def _inside(change: StatusChange) -> bool:
    return change.last_modified_date in FEBRUARY
