"""What degrades a run is reported after each try of its tasks: one that finds nothing more does not hide what another found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.contract.packing import pack
from tablero.contract.windows import Window, undated_window
from tablero.delivery.health.survey import Scope, survey
from tablero.delivery.loading import load
from tablero.delivery.reconciling import Reconciled, reconcile
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import DashboardUnavailable
from tablero.outbox.ledger import Account

from tests.integration.fake_dashboard import UNAVAILABLE, Dashboard, refused
from tests.integration.institution import Institution
from tests.integration.samples import FEBRUARY, ZONE, begin, changes, clock, day, month, settings

SETTINGS = settings()


@pytest.fixture
def institution(outbox: Engine, tmp_path: Path) -> Institution:
    """An institution with ten rows that another run delivered, and four that were entered late."""
    made = Institution(tmp_path / "institution.db")
    made.add(changes(10))
    load(outbox, made.source, Dashboard, SETTINGS, [FEBRUARY], Run("before", clock))
    made.add(changes(4, first=10))
    return made


@pytest.fixture
def audit(outbox: Engine, institution: Institution) -> Callable[[Dashboard], tuple[Reconciled, dict[str, int]]]:
    """Audits February in a try of ``reconcile``; returns its result, and the rows of each degradation."""

    def once(dashboard: Dashboard) -> tuple[Reconciled, dict[str, int]]:
        def send_found(window: Window) -> None:
            send(outbox, lambda: dashboard, SETTINGS, [window], Run("run", clock))

        proof = reconcile(outbox, institution.source, SETTINGS, [FEBRUARY], Run("run", clock), send=send_found)
        found = survey(outbox, SETTINGS, proof.accounts, Scope(None, [FEBRUARY]), run_id="run")
        return proof, {one.cause: one.rows for one in found}

    return once


def test_an_audit_whose_first_try_could_not_send(
    audit: Callable[[Dashboard], tuple[Reconciled, dict[str, int]]],
) -> None:
    """The rows that an audit found are reported after the try that failed, and after the one that sent them."""
    proof, told = audit(Dashboard(lambda _: UNAVAILABLE))
    assert isinstance(proof.failure, DashboardUnavailable)
    assert told == {"audit": 4}
    for _ in range(2):
        proof, told = audit(Dashboard())
        assert proof.failure is None
        assert told == {"audit": 4}


def test_an_audit_whose_first_reading_was_interrupted(
    outbox: Engine, audit: Callable[[Dashboard], tuple[Reconciled, dict[str, int]]]
) -> None:
    """Rows staged by a reading that never came to its end were found by that run all the same."""
    begin(outbox, run_id="run").stage(list(pack(changes(3, first=10), 1000, by_service=False)))
    _, told = audit(Dashboard())
    assert told == {"audit": 4}


def test_what_a_night_reads_first_it_judges(outbox: Engine, institution: Institution) -> None:
    """A night judges what no run has read before, as after a pause; the rest was judged by the runs that read it."""
    bad = Account(FEBRUARY, read=10, rejected=Counter({"service_id_empty": 10}))
    own = day("2020-03-01")
    load(outbox, institution.source, Dashboard, SETTINGS, [month("2020-01")], Run("night", clock))
    unread = Account(month("2020-01"), read=10, rejected=Counter({"service_id_empty": 10}))
    found = survey(outbox, SETTINGS, [bad, unread], Scope(own, is_night=True), run_id="night")
    assert [(one.cause, one.label) for one in found] == [("all_rejected", "2020-01")]


def test_rows_refused_without_proof(audit: Callable[[Dashboard], tuple[Reconciled, dict[str, int]]]) -> None:
    """Rows that reconcile refuses with no acceptance to prove that only they were at fault are reported, in later tries too."""
    refusing = Dashboard(lambda _: refused())
    _, told = audit(refusing)
    assert told == {"audit": 4}
    for _ in range(2):
        proof, told = audit(refusing)
        assert proof.failure is None
        assert told == {"audit": 4, "few_refusals": 4}


@pytest.mark.parametrize(("months", "label"), [(["2020-02", "2022-03"], "2020-2022"), (["2020-02", "2020-03"], "2020")])
def test_a_load_that_finds_no_row(outbox: Engine, months: list[str], label: str) -> None:
    """It is named by the years of its months; the window of undated rows begins before all of them."""
    windows = [undated_window(SETTINGS.earliest, ZONE), *map(month, months)]
    found = survey(outbox, SETTINGS, [Account(window, read=0) for window in windows], Scope(None), run_id="load")
    assert [(one.cause, one.label) for one in found] == [("no_rows", label)]
