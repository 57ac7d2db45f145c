"""Alerts wait in the outbox until each channel has taken them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine
from tablero.outbox.alerts import digests, queue
from tablero.outbox.alerts.queue import Queued
from tablero.outbox.engine import reading, writing

from tests.integration.samples import NOW

BOTH = ("webhook", "mail")


def put(engine: Engine, *names: str, channels: Collection[str] = BOTH, now: datetime = NOW) -> None:
    """Queue alerts with these names."""
    with writing(engine) as connection:
        for name in names:
            queue.put(connection, channels, {"name": name}, now=now)


def claim(engine: Engine, channels: Collection[str] = BOTH, now: datetime = NOW) -> list[Queued]:
    return queue.claim(engine, channels, now=now, seconds=60)


def names(claimed: Collection[Queued]) -> list[str]:
    return [f"{one.channel} {one.message['name']}" for one in claimed]


def test_each_channel_has_its_own(outbox: Engine) -> None:
    """What one channel has taken still waits for the other; the order is that in which the alerts arose."""
    put(outbox, "failure", "recovery")
    claimed = claim(outbox)
    assert names(claimed) == ["webhook failure", "webhook recovery", "mail failure", "mail recovery"]
    taken = {one.id for one in claimed if one.channel == "mail"} | {claimed[0].id}
    queue.settle(outbox, claimed, taken=taken, refused=())
    assert names(claim(outbox)) == ["webhook recovery"]


def test_nobody_else_sends_it_meanwhile(outbox: Engine) -> None:
    """A claimed alert is not claimed again, until the callback that did is taken for dead."""
    put(outbox, "failure", channels=["mail"])
    assert names(claim(outbox)) == ["mail failure"]
    put(outbox, "recovery", channels=["mail"])
    assert names(claim(outbox)) == ["mail recovery"]
    assert names(claim(outbox, now=NOW + timedelta(minutes=2))) == ["mail failure", "mail recovery"]


def test_a_channel_that_is_no_longer_in_the_settings(outbox: Engine) -> None:
    """Its alerts are left alone, and are there if it comes back."""
    put(outbox, "failure")
    assert names(claim(outbox, ["mail"])) == ["mail failure"]
    assert claim(outbox, []) == []
    assert names(claim(outbox, ["webhook"])) == ["webhook failure"]


@pytest.mark.parametrize(("age", "kept"), [(queue.KEPT, True), (queue.KEPT + timedelta(seconds=1), False)])
def test_what_is_too_old_to_inform_anybody(age: timedelta, kept: bool, outbox: Engine) -> None:
    """A channel that was dead for months does not begin with what happened then."""
    put(outbox, "failure", channels=["mail"], now=NOW - age)
    assert names(claim(outbox)) == ["mail failure"] * kept


def test_a_callback_sends_a_bounded_number(outbox: Engine) -> None:
    """Others are left for the next one."""
    put(outbox, *map(str, range(30)), channels=["mail"])
    first, second = claim(outbox), claim(outbox)
    assert names([*first, *second]) == [f"mail {number}" for number in range(30)]
    assert len(first) == 20


def test_alerts_that_a_channel_refuses_hold_up_no_other(outbox: Engine) -> None:
    """They are tried again after all others, however many they are, until they are too old."""
    put(outbox, *map(str, range(30)), channels=["mail"])
    first = claim(outbox)
    queue.settle(outbox, first, taken=(), refused={one.id for one in first})
    assert names(claim(outbox)) == [f"mail {number}" for number in [*range(20, 30), *range(10)]]
    assert claim(outbox, now=NOW + queue.KEPT + timedelta(seconds=1)) == []


def test_nothing_is_queued_with_a_decision_that_is_not_recorded(outbox: Engine) -> None:
    """An alert is queued in the transaction that decides it."""

    def decide() -> None:
        with writing(outbox) as connection:
            queue.put(connection, BOTH, {}, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        decide()
    assert claim(outbox) == []


def test_the_digest_of_a_period(outbox: Engine) -> None:
    """Each period has marks of its own, and marking it twice is no error."""
    with writing(outbox) as connection:
        digests.mark(connection, "digest:daily", "2026-11-23", now=NOW)
        digests.mark(connection, "digest:daily", "2026-11-23", now=NOW)
    with reading(outbox) as connection:
        found = [digests.is_marked(connection, "digest:daily", f"2026-11-{day}") for day in (22, 23, 24)]
        assert found == [False, True, False]
        assert not digests.is_marked(connection, "digest:weekly", "2026-11-23")
