"""How a real NestJS application, behind a real nginx, handles our calls, and how its answers are judged."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from tablero.dashboard.client import Dashboard
from tablero.delivery.run import Run
from tablero.delivery.sending import Delivery, send
from tablero.errors import DashboardBusy, DashboardError, DashboardUnavailable, TableroError
from tablero.outbox.engine import connect

from tests.integration.conftest import empty_sqlite_outbox
from tests.integration.samples import FEBRUARY, all_batches, change, changes, check_books, settings, stage, states
from tests.peers.servers import Peer, nest, nginx

pytestmark = pytest.mark.system


@pytest.fixture(scope="module", params=["express", "fastify"])
def application(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with nest(request.param) as peer:
        yield peer


@pytest.fixture(scope="module")
def gateway(application: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    with nginx(application.port, folder) as port:
        yield port


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "outbox.db"
    path.write_bytes(empty_sqlite_outbox())
    engine = connect(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def peer(application: Peer) -> Peer:
    application.behave("usual", lost=0, clear=True)
    return application


Deliver = Callable[..., Delivery]


@pytest.fixture
def deliver(outbox: Engine, monkeypatch: pytest.MonkeyPatch) -> Deliver:
    """Sends what is pending, through a port, to a path."""

    def now() -> datetime:
        return datetime.now(timezone.utc)

    def deliver(port: int, path: str = "/api/load", **more: str) -> Delivery:
        connection = {"conn_type": "http", "host": "127.0.0.1", "port": port}
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_API", json.dumps(connection))
        chosen = settings(api_path=path, **more)
        try:
            return send(outbox, lambda: Dashboard(chosen, clock=now), chosen, [FEBRUARY], Run("run", now))
        finally:
            check_books(outbox)

    return deliver


def test_a_thousand_rows(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """The wire form of a thousand rows passes class-validator."""
    stage(outbox, changes(2500))
    assert deliver(peer.port).rows == 2500


def test_what_class_validator_names_is_cut_out(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """Rows named by position in class-validator's messages are split off; all others are delivered."""
    rows = [change(n, status=21 if n in (3, 700) else 2) for n in range(1000)]
    stage(outbox, rows)
    delivery = deliver(peer.port)
    assert (delivery.rows, delivery.refused) == (998, 2)
    assert {row.words for row in all_batches(outbox) if row.state == "refused"} != {None}


def test_an_echo_of_what_was_saved(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """An answer of 150 KB that echoes the saved rows is read and judged."""
    peer.behave("echo")
    stage(outbox, changes(1000))
    assert deliver(peer.port).rows == 1000


def test_a_refusal_in_a_success(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """HTTP 201 with code 400 in the body is no acknowledgement."""
    peer.behave("says 400 in a 201")
    stage(outbox, changes(3))
    with pytest.raises(DashboardError):
        deliver(peer.port)
    assert states(outbox) == {"pending": 3}


@pytest.mark.parametrize("behaviour", ["not found", "forbidden", "some"])
def test_rows_of_an_unknown_service(outbox: Engine, peer: Peer, deliver: Deliver, behaviour: str) -> None:
    """With 404, 403, or a success with errors, six rows are refused with that message and the others are delivered."""
    peer.behave(behaviour)
    stage(outbox, [change(n, service="666" if n in (3, 90, 91, 400, 1004, 1505) else "1") for n in range(1506)])
    delivery = deliver(peer.port)
    assert (delivery.rows, delivery.refused) == (1500, 6)
    words = [row.words for row in all_batches(outbox) if row.state == "refused"]
    assert all("666" in errors or "unknown service" in errors for errors in words)


def test_rows_that_the_application_fails_on(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """Rows that cause a bare 500 are searched for from the second time on, and found."""
    peer.behave("fails")
    stage(outbox, [change(n, service="666" if n == 30 else "1") for n in range(100)])
    for _ in range(6):
        with contextlib.suppress(DashboardUnavailable):
            deliver(peer.port)
    assert states(outbox) == {"delivered": 99, "refused": 1}


def test_a_wrong_path_is_the_paths(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """NestJS's 404 for a wrong path is recognised at once."""
    stage(outbox, changes(30), size=1)
    with pytest.raises(DashboardError, match="Cannot POST /api/laod"):
        deliver(peer.port, "/api/laod")
    assert states(outbox) == {"pending": 30}


def test_no_content_for_ever(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """204 is not the dashboard's answer: the second one is a permanent error that says what is expected."""
    peer.behave("no content")
    stage(outbox, changes(2))
    with pytest.raises(DashboardUnavailable):
        deliver(peer.port)
    with pytest.raises(DashboardError, match='"success": true'):
        deliver(peer.port)


def test_a_repeat_that_is_recognised(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """After a lost answer, a 409 for the repeat is recognised."""
    peer.behave("unique", lost=1)
    stage(outbox, changes(10))
    with pytest.raises(DashboardUnavailable):
        deliver(peer.port)
    assert deliver(peer.port).recognised == 10
    assert states(outbox) == {"delivered": 10}


def test_a_repeat_that_it_fails_on(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """If every repeat gets a bare 500 no row is called bad, and the message says what to do."""
    peer.behave("fails on repeats", lost=1)
    stage(outbox, changes(20))
    errors = []
    for number in range(5):
        stage(outbox, [*changes(20), *changes(number + 1, first=500)])
        try:
            deliver(peer.port)
        except TableroError as error:
            errors.append(str(error))
    assert "refused" not in states(outbox)
    assert any("adopt --batch" in words for words in errors)


def test_a_throttler(outbox: Engine, peer: Peer, deliver: Deliver) -> None:
    """With 429 and Retry-After the task is deferred as long as it makes progress, and ends."""
    peer.behave("throttled")
    stage(outbox, changes(40), size=1)
    with pytest.raises(DashboardBusy) as caught:
        deliver(peer.port)
    assert states(outbox)["delivered"] >= 5
    assert caught.value.resume_at > datetime.now(timezone.utc)


# -- behind nginx ----------------------------------------------------------------------------------------------------------


def test_a_gateway_that_loses_patience(outbox: Engine, peer: Peer, gateway: int, deliver: Deliver) -> None:
    """Calls that take more than a second get 504: they are split from the second time on; a smaller batch_size helps too."""
    peer.behave("slow")
    stage(outbox, changes(160))
    for _ in range(4):
        with contextlib.suppress(DashboardUnavailable):
            deliver(gateway, "/impatient/api/load")
    assert states(outbox) == {"delivered": 160}


def test_a_gateway_with_a_limit_of_size(outbox: Engine, peer: Peer, gateway: int, deliver: Deliver) -> None:
    """A 413 of a gateway is about size only."""
    stage(outbox, changes(1000))
    assert deliver(gateway).rows == 1000


def test_a_redirect(outbox: Engine, peer: Peer, gateway: int, deliver: Deliver) -> None:
    """A redirect with a body is a permanent error that names its target."""
    stage(outbox, changes(3))
    with pytest.raises(DashboardError, match=r"https://otro\.gob\.do/api/load"):
        deliver(gateway, "/moved/api/load")


def test_a_login_page(outbox: Engine, peer: Peer, gateway: int, deliver: Deliver) -> None:
    """A login page, 200 with HTML, is recognised from the first call on."""
    stage(outbox, changes(2), size=1)
    with pytest.raises(DashboardError):
        deliver(gateway, "/login/api/load", concurrency="1")
    assert states(outbox) == {"pending": 2}
