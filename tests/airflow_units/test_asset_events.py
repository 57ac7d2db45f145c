"""Asset events: one for each window with changed counts, and one for each run."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from tablero.airflow.assets import RECONCILIATIONS, SETTLED, WINDOWS
from tablero.airflow.metrics import announce
from tablero.outbox.findings import Degradation
from tablero.outbox.ledger import Account

from tests.integration.samples import FEBRUARY, month

JANUARY, MARCH = month("2020-01"), month("2020-03")


class Events:
    """Airflow's ``outlet_events`` of an alias."""

    def __init__(self) -> None:
        self.added: list[tuple[Any, Any]] = []

    def add(self, asset: Any, extra: Any) -> None:
        self.added.append((asset, extra))


def announced(accounts: list[Account], before: list[Account], unusual: tuple[Degradation, ...] = ()) -> Events:
    outlets: defaultdict[Any, Events] = defaultdict(Events)
    announce(outlets, accounts, {account.window: account for account in before}, unusual)
    assert set(outlets) <= {SETTLED}
    return outlets[SETTLED]


def settled(window: Any, rows: int, **counts: Any) -> Account:
    return Account(window, read=rows, delivered=rows, recount=rows, **counts)


def windows(events: Events) -> list[str]:
    return [extra["window"] for asset, extra in events.added if asset is WINDOWS]


def runs(events: Events) -> list[Any]:
    return [extra for asset, extra in events.added if asset is RECONCILIATIONS]


def test_windows_that_changed() -> None:
    """A new window and one with another count have events; an unchanged one and an unsettled one do not."""
    same, more, new = settled(JANUARY, 10), settled(FEBRUARY, 12), settled(MARCH, 5)
    opened = replace(new, pending=5, delivered=0)
    events = announced([same, more, new], [same, settled(FEBRUARY, 10), opened])
    assert windows(events) == ["2020-02", "2020-03"]
    (run,) = runs(events)
    assert [window["window"] for window in run["windows"]] == ["2020-02", "2020-03"]
    assert windows(announced([same, opened], [same])) == []


def test_other_reasons_are_a_change() -> None:
    """The same number of rows with other rejection reasons is a change."""
    before = Account(JANUARY, read=10, delivered=9, rejected=Counter(no_date=1), recount=10)
    after = replace(before, rejected=Counter(unknown_status=1))
    assert windows(announced([after], [before])) == ["2020-01"]


def test_nothing_changed() -> None:
    """If nothing changed there is still the run's event."""
    account = settled(JANUARY, 10)
    assert announced([account], [account]).added == [(RECONCILIATIONS, {"windows": []})]


def test_nothing_is_settled() -> None:
    """If nothing is settled there is no event, since there is no data to process."""
    assert announced([Account(JANUARY, read=10, pending=10)], []).added == []


def test_what_is_not_as_usual() -> None:
    """Degradations are part of the run's event."""
    account = settled(JANUARY, 10)
    (run,) = runs(announced([account], [account], (Degradation.of("rejected", JANUARY, 3, 10),)))
    assert run["degraded"] == [{"cause": "rejected", "window": "2020-01", "rows": 3, "of": 10}]
