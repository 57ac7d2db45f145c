"""Sending delivered rows again at a person's request: only after a plausible reading, and only what the source still has."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import Answer
from tablero.delivery.loading import load
from tablero.delivery.reconciling import reconcile, require_settled
from tablero.delivery.run import Run
from tablero.errors import DashboardUnavailable, ImplausibleReading

from tests.integration.fake_dashboard import DELIVERED, UNAVAILABLE, Dashboard, Entry, refused
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, check_books, clock, rows_in, settings, states

BEGINS = FEBRUARY.start + timedelta(days=3)
SETTINGS = settings(batch_size=10)


def row(number: int) -> StatusChange:
    at = BEGINS + timedelta(minutes=number)
    return StatusChange("1041", f"R-{number:03}", at - timedelta(days=9), 2, at)


ROWS = [row(number) for number in range(40)]


@pytest.fixture
def institution(outbox: Engine, tmp_path: Path) -> Institution:
    """An institution whose rows were all delivered."""
    made = Institution(tmp_path / "source.db")
    made.add(ROWS)
    post(outbox, made, Dashboard(), "first", resend=False)
    return made


def post(
    engine: Engine,
    institution: Institution,
    dashboard: Dashboard,
    run_id: str = "again",
    *,
    resend: bool = True,
    accept_changes: bool = False,
) -> None:
    load(
        engine,
        institution.source,
        lambda: dashboard,
        SETTINGS,
        [FEBRUARY],
        Run(run_id, clock, resend=resend, accept_changes=accept_changes),
    )


def shift(institution: Institution) -> list[StatusChange]:
    """The zone of the view changes by four hours, so that every row differs from what was delivered."""
    institution.remove(ROWS)
    shifted = [each._replace(last_modified_date=each.last_modified_date + timedelta(hours=4)) for each in ROWS]
    institution.add(shifted)
    return shifted


def test_each_row_is_sent_once_more(outbox: Engine, institution: Institution) -> None:
    """A run with resend posts each delivered row once more, however often it is retried."""
    dashboard = Dashboard()
    for _ in range(2):
        post(outbox, institution, dashboard)
    assert dashboard.accepted == {each.request_id: 1 for each in ROWS}
    assert states(outbox) == {"delivered": 40}


def test_rows_accepted_beside_others_are_sent_once_more(outbox: Engine, institution: Institution) -> None:
    """Rows that an answer accepted, naming others of their call, are not posted again by a retry of that run."""
    named = {each.request_id for each in ROWS[3:5]}

    def excepting(entries: list[Entry]) -> Answer:
        wrong = tuple(place for place, entry in enumerate(entries) if entry["request_id"] in named)
        return refused(*wrong, partial=len(wrong) < len(entries)) if wrong else DELIVERED

    dashboard = Dashboard(excepting)
    for _ in range(2):
        post(outbox, institution, dashboard)
    others = [each.request_id for each in ROWS if each.request_id not in named]
    posted = Counter(chain.from_iterable(dashboard.calls))
    assert {request: posted[request] for request in others} == dict.fromkeys(others, 1)


def test_the_brake_comes_first(outbox: Engine, institution: Institution) -> None:
    """An implausible reading stops the run before anything is sent again, and leaves the delivered rows as they are."""
    shift(institution)
    dashboard = Dashboard()
    with pytest.raises(ImplausibleReading):
        post(outbox, institution, dashboard)
    assert dashboard.calls == []
    assert rows_in(outbox, "delivered") == set(ROWS)
    assert states(outbox) == {"delivered": 40}


def test_the_brake_counts_what_is_to_be_sent_again(outbox: Engine, institution: Institution) -> None:
    """Rows that wait to be sent again are still delivered rows: a retry after the view has changed stops."""
    with pytest.raises(DashboardUnavailable):
        post(outbox, institution, Dashboard(lambda _: UNAVAILABLE))
    assert states(outbox) == {"pending": 40}
    shift(institution)
    dashboard = Dashboard()
    for resend in (True, False):
        with pytest.raises(ImplausibleReading):
            post(outbox, institution, dashboard, resend=resend)
    assert dashboard.calls == []
    assert states(outbox) == {"pending": 40}


@pytest.mark.parametrize("fails_first", [False, True])
def test_what_is_gone_is_not_sent_again(outbox: Engine, institution: Institution, fails_first: bool) -> None:
    """Rows that the source no longer has are not posted again, and remain on record as delivered."""
    if fails_first:
        with pytest.raises(DashboardUnavailable):
            post(outbox, institution, Dashboard(lambda _: UNAVAILABLE))
    institution.remove(ROWS[5:8])
    dashboard = Dashboard()
    post(outbox, institution, dashboard)
    assert set(dashboard.accepted) == {each.request_id for each in [*ROWS[:5], *ROWS[8:]]}
    assert states(outbox) == {"delivered": 40}
    check_books(outbox)
    accounts, failure = reconcile(outbox, institution.source, SETTINGS, [FEBRUARY], Run("again", clock), send=pytest.fail)
    assert failure is None
    require_settled(accounts)
    assert (accounts[0].delivered, accounts[0].gone) == (40, 3)


def test_accepted_changes(outbox: Engine, institution: Institution) -> None:
    """If the changes are accepted, only the new rows are posted, and the outbox knows that the dashboard has both."""
    shifted = shift(institution)
    dashboard = Dashboard()
    post(outbox, institution, dashboard, accept_changes=True)
    assert dashboard.accepted == {each.request_id: 1 for each in ROWS}
    assert rows_in(outbox, "delivered") == {*ROWS, *shifted}
    assert states(outbox) == {"delivered": 80}
