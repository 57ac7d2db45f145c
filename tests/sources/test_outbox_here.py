"""The outbox on a server as institutions here have them: in Spanish, in another zone, behind a pooler, with or without TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.delivery.preflight import Level, inspect
from tablero.errors import SetupError
from tablero.outbox import ledger
from tablero.outbox.engine import connect, reading, writing
from tablero.outbox.queue import claiming, recording
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.upgrade import migrate, schema_version
from tablero.source import parameters

from tests.integration.fake_dashboard import DELIVERED
from tests.integration.samples import FEBRUARY, NOW, ZONE, attempts, changes, check_books, settings, stage, staged, states
from tests.sources.pooler import Pooler
from tests.sources.spanish import Server


@pytest.fixture
def pooled(spanish: Server, pooler: Pooler) -> Iterator[Engine]:
    """An empty outbox behind the pooler."""
    engine = connect(pooler.address(spanish.database()))
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_whole_run_behind_a_pooler(pooled: Engine, spanish: Server) -> None:
    """A whole run works although other clients leave another zone and prepared statements in the session."""
    for zone in ("Asia/Tokyo", "America/New_York", "UTC"):
        other = sa.create_engine(pooled.url)
        with other.begin() as connection:
            connection.exec_driver_sql(f"SET timezone = '{zone}'")
        other.dispose()
        stage(pooled, changes(20), size=5)
        taken = claiming.claim(pooled, [FEBRUARY], Leaseholder("w", "run", 100), limit=1, zone=ZONE)
        recording.record(pooled, [(one, DELIVERED) for one in taken])
        assert staged(pooled) == set(changes(20))
        check_books(pooled)
    assert states(pooled) == {"delivered": 15, "pending": 5}
    assert {row.outcome for row in attempts(pooled)} == {"delivered"}
    assert ledger.account(pooled, FEBRUARY).accounted == 20


def test_a_commit_is_on_disk_behind_a_pooler(pooled: Engine, spanish: Server) -> None:
    """Commits are durable whatever the server's default, and other clients of the session are not affected."""
    with spanish.admin(pooled.url.database) as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {pooled.url.database} SET synchronous_commit = off")
    pooled.dispose()
    with writing(pooled) as connection:
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == "on"


def test_a_pooler_that_does_not_take_a_parameter(spanish: Server, pooler: Pooler) -> None:
    """A parameter refused by the pooler is one permanent error, with the pooler's message."""
    address = pooler.address(spanish.database()).set(query={"options": "-c search_path=citas"})
    with pytest.raises(SetupError, match="unsupported startup parameter"):
        schema_version(connect(address))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"username": "nadie"}, "no existe el rol"),
        ({"database": "ninguna"}, "no existe la base de datos"),
    ],
)
def test_a_refusal_in_spanish(spanish: Server, wrong: dict[str, str], words: str) -> None:
    """A refusal in Spanish is permanent, since a wrong name does not become right by itself."""
    with pytest.raises(SetupError, match=words):
        schema_version(connect(spanish.address(spanish.database()).set(**wrong)))


def test_no_right_to_a_table_in_spanish(spanish: Server) -> None:
    """A missing privilege is recognised by its code, whatever the language."""
    database = spanish.database()
    owner = connect(spanish.address(database))
    migrate(owner)
    owner.dispose()
    with spanish.admin(database) as connection:
        connection.exec_driver_sql("CREATE ROLE outbox_reader LOGIN")
        connection.exec_driver_sql("GRANT SELECT ON tablero_version TO outbox_reader")
    guest = connect(spanish.address(database).set(username="outbox_reader"))
    with pytest.raises(SetupError, match="permiso denegado a la tabla"), reading(guest) as connection:
        connection.execute(sa.text("SELECT 1 FROM batch"))
    guest.dispose()


@pytest.mark.parametrize(
    "options", ["ENCODING 'SQL_ASCII' LOCALE 'C'", "ENCODING 'LATIN1' LOCALE 'es_DO.ISO-8859-1'"], ids=["SQL_ASCII", "LATIN1"]
)
def test_an_outbox_that_is_not_utf8(spanish: Server, options: str) -> None:
    """An outbox that is not UTF-8 is refused, by the check too, before text is lost."""
    address = spanish.address(spanish.database(options))

    @contextmanager
    def opened() -> Iterator[Engine]:
        engine = connect(address)
        try:
            migrate(engine)
            yield engine
        finally:
            engine.dispose()

    def no_source() -> Any:
        raise SetupError("no source here")

    findings = inspect(settings(), source=no_source, outbox=opened, dashboard=None, clock=lambda: NOW)
    (finding,) = (one for one in findings if one.check == "outbox")
    assert finding.level is Level.FAILED
    assert "it must be UTF8" in str(finding.text)
    assert not finding.transient


def test_a_server_without_tls(spanish: Server) -> None:
    """A connection that requires TLS is refused without it."""
    saved: Any = SimpleNamespace(conn_id="tablero_outbox", extra_dejson={"sslmode": "require"})
    with pytest.raises(SetupError, match="does not support SSL"):
        schema_version(connect(parameters.postgresql(spanish.address(spanish.database()), saved)))
