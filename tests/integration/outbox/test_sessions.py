"""PostgreSQL with other defaults, zones and encodings: the outbox relies on no session settings."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timezone
from typing import Any

import pytest
import sqlalchemy as sa
import tablero.outbox.engine
from sqlalchemy.engine import URL, Engine
from tablero.errors import OutboxUnavailable, SetupError
from tablero.outbox import ledger
from tablero.outbox.engine import connect, now_of, reading, writing
from tablero.outbox.queue.claiming import claim
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.queue.recording import record
from tablero.outbox.upgrade import check_writable, migrate, schema_version

from tests.integration.fake_dashboard import UNAVAILABLE
from tests.integration.samples import AWKWARD, FEBRUARY, NOW, all_batches, attempts, changes, stage, staged


@pytest.fixture
def address(backend: str, new_database: Callable[..., URL]) -> URL:
    """The URL of an empty PostgreSQL database."""
    if backend == "sqlite":
        pytest.skip("a file has no server")
    return new_database()


@pytest.fixture
def there(address: URL) -> Iterator[Engine]:
    """An outbox in that database."""
    engine = connect(address)
    migrate(engine)
    yield engine
    engine.dispose()


def asked(engine: Engine, question: str) -> Any:
    with reading(engine) as connection:
        return connection.scalar(sa.text(question))


def alter(engine: Engine, address: URL, setting: str) -> None:
    """Change a default of the database, which applies to new sessions."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {address.database} SET {setting}")
    engine.dispose()


@pytest.mark.parametrize(("default", "while_writing"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
def test_what_is_committed_is_on_disk(there: Engine, address: URL, default: str, while_writing: str) -> None:
    """Commits are durable whatever the server's default, by a setting of the transaction alone."""
    alter(there, address, f"synchronous_commit = {default}")
    with writing(there) as connection:
        assert connection.scalar(sa.text("SHOW synchronous_commit")) == while_writing
    assert asked(there, "SHOW synchronous_commit") == default


@pytest.mark.parametrize("default", ["repeatable read", "serializable"])
def test_a_transaction_that_waited_for_a_lock_sees_what_others_committed(there: Engine, address: URL, default: str) -> None:
    """Writing uses read committed whatever the default; otherwise two readings of a window could both count a row as new."""
    alter(there, address, f"default_transaction_isolation = '{default}'")
    with writing(there) as connection:
        assert connection.scalar(sa.text("SHOW transaction_isolation")) == "read committed"


def test_a_server_that_takes_the_connection_and_says_nothing() -> None:
    """The wait for a silent server is limited, since a task has 30 seconds to end."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = connect(f"postgresql://tablero@127.0.0.1:{silent.getsockname()[1]}/outbox")
        with pytest.raises(OutboxUnavailable), reading(engine):
            pass


def test_nothing_is_asked_of_the_session(there: Engine) -> None:
    """No session state is used, so that a pooler may give each transaction another session."""
    with there.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
        assert driver.prepare_threshold is None
        assert not driver.info.options
        for _ in range(10):
            stage(there, changes(3))
        assert connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements")) == 0


def test_a_transaction_is_all_or_nothing(there: Engine) -> None:
    """A transaction is atomic, and reading begins none, so that no session stays idle in a transaction."""
    with suppress(KeyError), writing(there) as connection:
        connection.execute(sa.text("CREATE TABLE half_way (x int)"))
        raise KeyError
    assert asked(there, "SELECT to_regclass('half_way')") is None
    with reading(there) as connection:
        connection.execute(sa.text("SELECT 1"))
        driver: Any = connection.connection.dbapi_connection
        assert driver.info.transaction_status.name == "IDLE"


def test_a_connection_that_died_out_of_use_is_replaced(there: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pooled connection that died, by a restart or a firewall, is replaced without an error."""
    monkeypatch.setattr(tablero.outbox.engine, "_REST", 0.0)
    pid = asked(there, "SELECT pg_backend_pid()")
    other = connect(there.url)
    assert asked(other, f"SELECT pg_terminate_backend({pid}, 300000)")
    other.dispose()
    assert asked(there, "SELECT pg_backend_pid()") != pid


@pytest.mark.parametrize("zone", ["America/Santo_Domingo", "Asia/Kolkata", "UTC"])
def test_instants_in_any_zone(there: Engine, address: URL, zone: str) -> None:
    """The session's zone changes neither stored nor returned instants, nor how they are formatted."""
    alter(there, address, f"timezone = '{zone}'")
    stage(there, changes(5))
    assert staged(there) == set(changes(5))
    for row in all_batches(there):
        assert row.first_change.tzinfo is timezone.utc
        assert row.first_change == changes(1)[0].last_modified_date
    assert ledger.account(there, FEBRUARY).pending == 5
    with reading(there) as connection:
        assert now_of(connection).tzinfo is timezone.utc


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_text_that_is_not_utf8(backend: str, new_database: Callable[..., URL], encoding: str) -> None:
    """A database that is not UTF-8 is refused before the first table is created."""
    if backend == "sqlite":
        pytest.skip("always UTF-8")
    engine = connect(new_database(options=f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"))
    for step in (check_writable, migrate):
        with pytest.raises(SetupError, match=f"keeps text in {encoding}; it must be UTF8"):
            step(engine)
    assert schema_version(engine) is None
    engine.dispose()


@pytest.mark.parametrize("standard", ["on", "off"])
def test_a_server_that_reads_backslashes_in_the_old_way(there: Engine, address: URL, standard: str) -> None:
    """What the dashboard says is stored as it is, whichever way the server reads literals."""
    alter(there, address, f"standard_conforming_strings = {standard}")
    stage(there, changes(1))
    (taken,) = claim(there, [FEBRUARY], Leaseholder("worker", AWKWARD, 60.0), limit=1)
    record(there, [(taken, replace(UNAVAILABLE, error=AWKWARD, message=AWKWARD))])
    assert [(row.run_id, row.error, row.message) for row in attempts(there)] == [(AWKWARD,) * 3]


def test_a_table_that_is_gone(there: Engine) -> None:
    """A missing table is a permanent error."""
    with there.begin() as connection:
        connection.exec_driver_sql("DROP TABLE extraction")
    with pytest.raises(SetupError, match='returned an error: relation "extraction" does not exist'):
        stage(there, changes(1))


def test_a_server_that_takes_no_writes(there: Engine, address: URL) -> None:
    """A server that is set to be read-only is a permanent error, unless it is a standby, or does not say."""
    alter(there, address, "default_transaction_read_only = on")
    with pytest.raises(SetupError, match="its server is no replica: cannot execute"):
        stage(there, changes(1))
    gone = connect(address.set(database="gone"))
    assert tablero.outbox.engine._may_be_standby(gone)
    gone.dispose()


def test_an_option_that_nobody_knows(address: URL) -> None:
    """An unknown connection option is refused, never dropped."""
    engine = connect(address.update_query_dict({"no_such_option": "1"}))
    with pytest.raises(SetupError, match="no_such_option"):
        schema_version(engine)
    engine.dispose()


def test_an_error_quotes_no_row(there: Engine) -> None:
    """Only a server's message is passed on, not its details, which may quote values."""
    stage(there, changes(1))
    with pytest.raises(SetupError) as caught, writing(there) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO rejection (digest, reason, request_id, changed_at, extraction_id) VALUES ('x', 'r', :v, :at, 1)"
            ),
            [{"v": "402-1234567-8", "at": NOW}] * 2,
        )
    assert "duplicate key" in str(caught.value)
    assert "402" not in str(caught.value)
