"""An outbox delivers to one dashboard, and refuses another before its rows are assumed to be there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.dashboard.answer import Answer
from tablero.delivery.preflight import Finding, inspect
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.errors import DashboardError, DashboardUnavailable, SettingsError, SetupError, SourceUnavailable
from tablero.outbox import target
from tablero.settings import Settings

from tests.integration.fake_dashboard import DELIVERED, FORBIDDEN, LOST, Dashboard, in_turn
from tests.integration.samples import FEBRUARY, NOW, changes, clock, settings, stage

DEVELOPMENT = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"
PRODUCTION = "/r1/DO/GOB/CNC/MONITOREO/INTEGRACION/api/load"


def deliver(outbox: Engine, *answers: Answer) -> None:
    """Send what is pending, with these answers."""
    send(outbox, lambda: Dashboard(in_turn(*answers)), settings(), [FEBRUARY], Run("run", clock))


def test_a_new_outbox_takes_any_dashboard(outbox: Engine) -> None:
    """Checking the dashboard does not bind the outbox to it, and checking the same one again is allowed."""
    target.require(outbox, PRODUCTION)
    target.require(outbox, DEVELOPMENT)
    target.remember(outbox, DEVELOPMENT, NOW)
    target.remember(outbox, DEVELOPMENT, NOW)
    target.require(outbox, DEVELOPMENT)


def test_delivered_here_is_not_delivered_there(outbox: Engine) -> None:
    """After the first acknowledgement another dashboard is refused; the error names both and the options."""
    stage(outbox, changes(3))
    target.remember(outbox, DEVELOPMENT, NOW)
    deliver(outbox, DELIVERED)
    for asked in (lambda: target.require(outbox, PRODUCTION), lambda: target.remember(outbox, PRODUCTION, NOW)):
        with pytest.raises(SettingsError) as caught:
            asked()
        for words in (DEVELOPMENT, PRODUCTION, "tablero_outbox", "api_path back", "outbox nuevo"):
            assert words in str(caught.value)
    target.remember(outbox, DEVELOPMENT, NOW)


@pytest.mark.parametrize(
    ("answer", "error"), [(FORBIDDEN, DashboardError), (LOST, DashboardUnavailable)], ids=["refused", "answer lost"]
)
def test_a_mistyped_path_is_corrected(outbox: Engine, answer: Answer, error: type[Exception]) -> None:
    """Until something is acknowledged all rows are pending, and the path may be changed."""
    stage(outbox, changes(3))
    target.remember(outbox, "/r1/DO/GOB/CNC/MONITOREO/INTEGRACON/api/load", NOW)
    with pytest.raises(error):
        deliver(outbox, answer)
    target.remember(outbox, PRODUCTION, NOW)
    deliver(outbox, DELIVERED)
    with pytest.raises(SettingsError, match=f"delivers to {PRODUCTION}"):
        target.require(outbox, DEVELOPMENT)


def test_one_dashboard_under_a_new_name(outbox: Engine) -> None:
    """Following the error's instructions renames the dashboard, and delivered rows stay delivered."""
    stage(outbox, changes(3))
    target.remember(outbox, DEVELOPMENT, NOW)
    deliver(outbox, DELIVERED)
    with pytest.raises(SettingsError, match=target.FORGET):
        target.require(outbox, PRODUCTION)
    with outbox.begin() as connection:
        connection.execute(sa.text(target.FORGET))
    target.remember(outbox, PRODUCTION, NOW)
    target.require(outbox, PRODUCTION)


@pytest.mark.parametrize(
    ("given", "url", "name"),
    [
        ({"api_path": PRODUCTION}, f"https://ss1.example{PRODUCTION}", PRODUCTION),
        ({"api_path": PRODUCTION}, f"https://ss2.example:8443{PRODUCTION}", PRODUCTION),
        ({"api_path": f"{PRODUCTION}/"}, f"https://ss1.example{PRODUCTION}/", PRODUCTION),
        ({"api_path": "/api/load"}, "https://dev.example/api/load", "dev.example/api/load"),
        ({"api_path": "/api/load"}, "http://127.0.0.1:8090/api/load", "127.0.0.1:8090/api/load"),
    ],
)
def test_what_a_dashboard_is(given: dict[str, str], url: str, name: str) -> None:
    """A dashboard is identified by the service over X-Road, whatever the security server; without X-Road, by the host."""
    assert target.name_of(Settings.read(given), url) == name


def preflight(outbox: Engine, api_path: str, *, dashboard: bool = True) -> dict[str, Finding]:
    """The findings of the preflight while the source is down."""

    @contextmanager
    def open_outbox() -> Iterator[Engine]:
        yield outbox

    def open_source() -> Any:
        raise SourceUnavailable("down")

    def make_dashboard() -> Any:
        if not dashboard:
            raise SetupError("no connection")
        answer = Answer(FORBIDDEN.outcome, error="down")
        return SimpleNamespace(url=f"https://ss.example{api_path}", warnings=[], get=lambda _: SimpleNamespace(answer=answer))

    chosen = Settings.read({"api_path": api_path, "xroad_client": "DO/GOB/INST/SOLICITUDES"})
    findings = inspect(chosen, source=open_source, outbox=open_outbox, dashboard=make_dashboard, clock=clock)
    return {found.check: found for found in findings}


def test_the_preflight_tells(outbox: Engine) -> None:
    """The preflight reports another dashboard before anything is read or sent, as a permanent error."""
    assert str(preflight(outbox, PRODUCTION)["target"]).startswith("[ok] target: ")
    stage(outbox, changes(3))
    target.remember(outbox, DEVELOPMENT, NOW)
    deliver(outbox, DELIVERED)
    found = preflight(outbox, PRODUCTION)["target"]
    assert str(found).startswith(f"[failed] target: Este outbox entrega a {DEVELOPMENT}")
    assert not found.transient


def test_the_preflight_tells_of_a_missing_connection_once(outbox: Engine) -> None:
    """A missing connection is reported once, by the check of the dashboard and not by that of the outbox."""
    failed = preflight(outbox, PRODUCTION, dashboard=False)
    assert failed["dashboard"].text.en == "no connection"
    assert "target" not in failed
