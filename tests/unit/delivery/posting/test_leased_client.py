"""A call is made only while its lease is known to outlast it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.posting import leased_client
from tablero.delivery.posting.leased_client import LeasedClient

LEASE, CALL = 190.0, 130.0


class Clock:
    """A clock that the test sets."""

    now = 1000.0


@pytest.fixture
def clock(mocker: MockerFixture) -> Clock:
    clock = Clock()
    mocker.patch.object(leased_client, "seconds_since_boot", side_effect=lambda: clock.now)
    return clock


@pytest.fixture
def client(clock: Clock) -> LeasedClient:
    accepting: Any = SimpleNamespace(post=lambda *_, **__: Answer(Outcome.DELIVERED, status=201))
    client = LeasedClient(lambda: accepting, LEASE, CALL)
    client.connect()
    client.deadlines.start([1], since=clock.now)
    return client


def post(client: LeasedClient) -> Outcome:
    claim: Any = SimpleNamespace(attempt_id=1, batch_id=1, message_id="m", changes=[])
    return client.post(claim).outcome


@pytest.mark.parametrize(("after", "outcome"), [(0.0, Outcome.DELIVERED), (59.0, Outcome.DELIVERED), (61.0, Outcome.TRANSIENT)])
def test_a_call_ends_before_its_lease(clock: Clock, client: LeasedClient, after: float, outcome: Outcome) -> None:
    """A claim that waited is posted only if the longest call would end before the lease does."""
    clock.now += after
    assert post(client) is outcome


def test_renewals_leave_room_for_a_call(clock: Clock, client: LeasedClient) -> None:
    """Leases are renewed early enough that a claim which has to wait can be posted at any time."""
    clock.now += client.deadlines.until_renewal
    assert post(client) is Outcome.DELIVERED


def test_a_lease_taken_long_ago_is_renewed_at_once(clock: Clock, client: LeasedClient) -> None:
    """If staging took longer than a renewal may wait, its batches are renewed before they are posted."""
    clock.now += 20.0
    client.deadlines.renewed([1], since=clock.now)
    assert client.deadlines.until_renewal > 0
    client.deadlines.start([2], since=clock.now - 100.0)
    assert client.deadlines.until_renewal == 0
    client.deadlines.renewed([1, 2], since=clock.now)
    assert client.deadlines.until_renewal > 0
    assert not client.deadlines.may_end_during_call(2)
