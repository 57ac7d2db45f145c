"""MariaDB in Spanish, with and without TLS: errors by code, connection parameters, cancelled statements."""

from __future__ import annotations

import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy import event
from sqlalchemy.engine import URL
from tablero.contract.rules import validator
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import undated_window
from tablero.delivery.preflight import Level, inspect
from tablero.errors import SetupError, SourceUnavailable, WindowUnreadable
from tablero.source import parameters, reader
from tablero.source.dialects.base import CONNECT_WITHIN
from tablero.source.reader import Source
from tablero.source.view import Census

from tests.integration.samples import FEBRUARY, NOW, ZONE, counted, settings
from tests.interrupting import TimeIsUp, interrupted_once
from tests.sources import certificates
from tests.sources.background import reading
from tests.sources.mariadb import MariaDb, programs, running
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.system

VIEW = "tablero_status_changes"
EARLIEST = datetime(2020, 1, 1, 4, tzinfo=timezone.utc)
ROW = "'1041' service_id, 'R-1' request_id, '2020-02-01' opening_date, 2 status_id, CAST('2020-02-03' AS datetime)"

#: All that a task asks of the source.
QUESTIONS: list[Callable[[Source], Any]] = [
    lambda found: list(found.read(FEBRUARY)),
    lambda found: found.count([FEBRUARY]),
    lambda found: found.census(undated_window(date(2020, 1, 1), ZONE), NOW),
    lambda found: found.check(),
    lambda found: found.sample(10),
]


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with TemporaryDirectory(prefix="tablero-ca-") as folder:
        path = Path(folder)
        certificates.make(path)
        path.chmod(0o755)
        yield path


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[MariaDb]:
    if programs() is None:
        pytest.skip("needs mariadbd and mariadb-install-db (Debian: apt-get install mariadb-server)")
    pytest.importorskip("pymysql")
    files = (f"--ssl-ca={made}/ca.pem", f"--ssl-cert={made}/server.pem", f"--ssl-key={made}/server.key")
    with running("--lc-messages=es_ES", *files) as started:
        yield started


@pytest.fixture
def address(server: MariaDb, driver: str) -> Iterator[URL]:
    """An empty database, for each driver."""
    made = server.database(driver)
    yield made
    server.drop(made)


def run(server: MariaDb, address: URL, *statements: str) -> None:
    with server.admin(address.database or "") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def source(address: URL, **arguments: Any) -> Source:
    engine = sa.create_engine(address, poolclass=sa.NullPool, connect_args=arguments)
    return Source(engine, table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)


def by_extra(address: URL, **extra: Any) -> Source:
    """The connection as Airflow stores it."""
    saved: Any = SimpleNamespace(
        conn_id="tablero_source",
        login=address.username,
        password=address.password,
        host=address.host,
        port=address.port,
        schema=address.database,
        extra_dejson={"client": "mysqlclient" if address.drivername == "mysql+mysqldb" else "pymysql", **extra},
    )
    made, arguments = parameters.mysql(saved)
    return source(made, **arguments)


@pytest.mark.parametrize(
    ("changes", "code"), [({"password": "otra clave"}, "error 1045"), ({"database": "nada"}, "error 1044"), ({}, "error 1146")]
)
def test_errors_in_spanish(address: URL, changes: dict[str, str], code: str) -> None:
    """Errors in Spanish are judged by number, and quote the server's message."""
    with pytest.raises(SetupError, match=code) as caught:
        source(address.set(**changes)).check()  # type: ignore[arg-type]
    assert any(words in str(caught.value) for words in ("Acceso negado", "acceso negado", "no existe", "Acceso denegado"))
    assert "otra clave" not in "".join(traceback.format_exception(caught.value))


def test_a_value_is_in_no_error(server: MariaDb, address: URL) -> None:
    """If a function of the view raises with a row's values, the error has the number and none of the values."""
    run(
        server,
        address,
        "CREATE FUNCTION f() RETURNS datetime BEGIN"
        " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'JUAN PEREZ 402'; RETURN NULL; END",
        f"CREATE VIEW {VIEW} AS SELECT {ROW.rpartition(',')[0]}, f() last_modified_date",
        f"GRANT EXECUTE ON {address.database}.* TO {address.username}@'127.0.0.1'",
    )
    with pytest.raises(SetupError, match="error 1644") as caught:
        source(address).sample(1)
    assert "402" not in "".join(traceback.format_exception(caught.value))


def test_a_value_is_in_no_log(server: MariaDb, address: URL, caplog: pytest.LogCaptureFixture) -> None:
    """If a query fails in the middle of a stream, what SQLAlchemy and the driver say of it shows nothing of a row."""
    run(
        server,
        address,
        "CREATE FUNCTION g(n int) RETURNS datetime BEGIN"
        " IF n > 9000 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'fila de JUAN PEREZ'; END IF; RETURN '2020-02-03'; END",
        f"CREATE VIEW {VIEW} AS SELECT {ROW.rpartition(',')[0]}, g(seq) last_modified_date FROM seq_1_to_20000",
        f"GRANT EXECUTE ON {address.database}.* TO {address.username}@'127.0.0.1'",
    )
    with pytest.raises(SetupError, match="error 1644") as caught:
        list(source(address).read(FEBRUARY))
    assert "JUAN" not in "".join(traceback.format_exception(caught.value))
    assert "JUAN" not in caplog.text


def test_a_limit_of_time(server: MariaDb, address: URL) -> None:
    """A statement that hits a time limit is an error of its own kind."""
    run(server, address, f"CREATE VIEW {VIEW} AS SELECT {ROW} last_modified_date FROM (SELECT SLEEP(5) s) x WHERE s = 0")
    limited = source(address, init_command="SET max_statement_time = 0.3")
    with pytest.raises(WindowUnreadable, match=r"error 1969.*max_statement_time"):
        list(limited.read(FEBRUARY))


@pytest.mark.parametrize(
    "extra",
    [
        {"ssl_mode": "REQUIRED"},
        {"ssl_mode": "VERIFY_CA", "ssl_ca": "MADE/ca.pem"},
        {"ssl_mode": "VERIFY_IDENTITY", "ssl_ca": "MADE/ca.pem"},
        {"ssl": {"ca": "MADE/ca.pem"}},
        {"ssl": '{"ca": "MADE/ca.pem", "cert": "MADE/client.pem", "key": "MADE/client.key"}'},
    ],
)
def test_tls_as_the_connection_says(server: MariaDb, address: URL, made: Path, extra: dict[str, Any]) -> None:
    """Each way of requesting TLS is obeyed: the server sees an encrypted connection."""
    run(server, address, f"CREATE VIEW {VIEW} AS SELECT {ROW} last_modified_date")
    run(server, address, f"ALTER USER {address.username}@'127.0.0.1' REQUIRE SSL")
    with_paths = json.loads(json.dumps(extra).replace("MADE", str(made)))
    assert len(list(by_extra(address, **with_paths).read(FEBRUARY))) == 1


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"ssl_mode": "VERIFY_IDENTITY", "ssl_ca": "other.pem"}, "CERTIFICATE_VERIFY_FAILED|self-signed certificate"),
        ({"ssl_ca": "/no/such.pem"}, "cannot be read|certificate verify failed|No such file"),
        ({"charset": "latin1"}, "always reads in UTF-8"),
        ({"init_command": "SET NAMES latin1"}, "always reads in UTF-8"),
        ({"init_command": "SET sql_mode = '', time_zone = '+00:00'"}, r"time zone to \+00:00"),
        ({"read_default_file": "/no/such.cnf"}, "/no/such.cnf of read_default_file"),
        ({"no_such_parameter": 1}, "TypeError"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(address: URL, made: Path, extra: dict[str, Any], words: str) -> None:
    """A parameter that cannot be obeyed is refused at once and permanently."""
    with_paths = {name: str(made / value) if value == "other.pem" else value for name, value in extra.items()}
    with pytest.raises(SetupError, match=words):
        by_extra(address, **with_paths).check()


def test_a_server_without_tls(mariadb: MariaDb, driver: str) -> None:
    """If the server has no TLS the connection is refused, although drivers would continue in plain text."""
    address = mariadb.database(driver)
    try:
        with pytest.raises(SetupError, match="does not use it"):
            by_extra(address, ssl_mode="REQUIRED").check()
    finally:
        mariadb.drop(address)


def test_a_reading_that_hangs_is_cancelled(server: MariaDb, address: URL) -> None:
    """A reading that hangs is cancelled: the thread gets its error within seconds, and nothing runs on the server."""
    run(server, address, "CREATE TABLE h (n int)", f"CREATE VIEW {VIEW} AS SELECT {ROW} last_modified_date FROM h")
    found = source(address)
    with server.admin(address.database or "") as blocker:
        blocker.exec_driver_sql("LOCK TABLES h WRITE")
        thread, ended = reading(found, FEBRUARY)
        wait_for("it waits for the lock", lambda: server.is_running(address))
        found.cancel()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        blocker.exec_driver_sql("UNLOCK TABLES")
    assert isinstance(ended[0], SourceUnavailable)


@pytest.mark.parametrize("question", QUESTIONS, ids=["read", "count", "census", "check", "sample"])
def test_a_task_whose_time_is_up_does_not_wait(server: MariaDb, address: URL, question: Callable[[Source], Any]) -> None:
    """Whatever the main thread asks, a signal ends the wait, in which mysqlclient runs no handler, and the statement."""
    run(server, address, "CREATE TABLE h (n int)", f"CREATE VIEW {VIEW} AS SELECT {ROW} last_modified_date FROM h")
    with server.admin(address.database or "") as blocker:
        blocker.exec_driver_sql("LOCK TABLES h WRITE")
        unlock = threading.Timer(PATIENCE, blocker.exec_driver_sql, ("UNLOCK TABLES",))  # a test that hangs would fail
        unlock.start()
        with pytest.raises(TimeIsUp), interrupted_once(lambda: server.is_running(address)):
            question(source(address))
        assert unlock.is_alive()
        unlock.cancel()
        wait_for("its statement has ended", lambda: not server.is_running(address))


def test_a_server_that_does_not_answer_is_cut(made: Path, driver: str, mocker: MockerFixture) -> None:
    """If the server is frozen and cannot cancel, the connection is cut."""
    mocker.patch.object(reader, "GRACE", 0.5)
    with running() as frozen:
        address = frozen.database(driver)
        run(frozen, address, f"CREATE VIEW {VIEW} AS SELECT {ROW} last_modified_date FROM (SELECT SLEEP(600) s) x")
        found = source(address)
        thread, ended = reading(found, FEBRUARY)
        wait_for("it is executed", lambda: frozen.is_running(address))
        with frozen.paused():
            found.cancel()  # it needs a connection, which the server does not accept
            thread.join(PATIENCE)
            assert not thread.is_alive()
    assert isinstance(ended[0], SourceUnavailable)


def test_a_server_that_freezes_while_a_connection_is_set_up_is_cut(made: Path, driver: str, mocker: MockerFixture) -> None:
    """A connection can be cut from the moment it is open: most drivers wait without a limit for its first answers."""
    mocker.patch.object(reader, "GRACE", 0.5)
    with running() as frozen, ExitStack() as freezing:
        found = source(frozen.database(driver))
        opened = threading.Event()

        def freeze(*_: object) -> None:
            freezing.enter_context(frozen.paused())
            opened.set()

        event.listen(found.engine, "connect", freeze, insert=True)
        thread, ended = reading(found, FEBRUARY)
        assert opened.wait(PATIENCE)
        found.cancel()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        freezing.close()
    assert isinstance(ended[0], SourceUnavailable)


def test_a_server_that_takes_calls_and_says_nothing(address: URL) -> None:
    """``connect_timeout`` applies to the server's greeting too, but not to the rows of a query."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            source(address.set(port=silent.getsockname()[1]), connect_timeout=1).check()
        assert time.monotonic() - began < CONNECT_WITHIN
    engine = sa.create_engine(address, poolclass=sa.NullPool, connect_args={"connect_timeout": 4})
    sql = (
        "SELECT 1 service_id, 2 request_id, :start opening_date, 3 status_id, :end last_modified_date FROM (SELECT SLEEP(6)) x"
    )
    assert len(list(Source(engine, table=VIEW, sql=sql, zone=ZONE, day_zone=ZONE).read(FEBRUARY))) == 1


def test_a_reader_of_five_columns(server: MariaDb, address: URL) -> None:
    """A user who may read just the five columns passes the check, and everything is read and counted."""
    run(
        server,
        address,
        f"CREATE VIEW {VIEW} AS SELECT {ROW} last_modified_date, 'secreto' nombre_del_ciudadano",
        f"REVOKE SELECT ON {address.database}.* FROM {address.username}@'127.0.0.1'",
        "GRANT SELECT (service_id, request_id, opening_date, status_id, last_modified_date)"
        f" ON {address.database}.{VIEW} TO {address.username}@'127.0.0.1'",
    )
    found = source(address)

    @contextmanager
    def opened() -> Iterator[Source]:
        yield found

    findings = list(inspect(settings(), source=opened, outbox=None, dashboard=None, clock=lambda: NOW))
    assert Level.FAILED not in {one.level for one in findings}, findings
    assert {one.check: one.level for one in findings}["source coverage"] is Level.OK
    assert len(list(found.read(FEBRUARY))) == counted(found, FEBRUARY) == len(found.of_request("R-1") or []) == 1
    assert found.census(undated_window(date(2020, 1, 1), ZONE), NOW) == Census(1, 0, 0, 0)


#: How the DBA's own session shows a date of any type as an instant in UTC.
INSTANT = "CONVERT_TZ(CAST(CAST(last_modified_date AS char) AS datetime(6)), '-04:00', '+00:00')"

TYPES = ["char(25)", "varchar(40)", "text", "enum('2020-02-03')", "datetime", "timestamp(3) NULL", "date"]


@pytest.mark.parametrize("type_", TYPES)
def test_types_of_dates(server: MariaDb, address: URL, type_: str) -> None:
    """Each type of date is read, as the instant that the DBA's own session shows."""
    run(
        server,
        address,
        f"CREATE TABLE h (`FECHA` {type_})",
        "INSERT INTO h VALUES ('2020-02-03')",
        f"CREATE VIEW {VIEW} AS SELECT '1' service_id, 'R' request_id, `FECHA` opening_date, 2 status_id,"
        " `FECHA` last_modified_date FROM h",
    )
    found = source(address)
    found.check()
    (row,) = (row for row in found.read(FEBRUARY) if found.holds(FEBRUARY, row[-1]))
    judged = validator(zone=ZONE, earliest=EARLIEST, now=NOW)(row)
    assert isinstance(judged, StatusChange)
    ((shown,),) = server.client(address.database or "", f"SET time_zone = '-04:00'; SELECT {INSTANT} FROM {VIEW}")
    assert judged.last_modified_date.replace(tzinfo=None) == datetime.fromisoformat(shown)
    assert found.census(undated_window(date(2020, 1, 1), ZONE), NOW) == Census(1, 0, 0, 0)


@pytest.mark.parametrize("type_", ["int", "decimal(20,0)", "bit(8)", "time", "year", "double"])
def test_types_that_tell_no_instant(server: MariaDb, address: URL, type_: str) -> None:
    """The check reports types without a definite instant before anything is read."""
    run(
        server,
        address,
        f"CREATE TABLE h (b {type_})",
        f"CREATE VIEW {VIEW} AS SELECT '1' service_id, 'R' request_id, now() opening_date, 2 status_id,"
        " b last_modified_date FROM h",
    )
    with pytest.raises(SetupError, match="holds no date and time"):
        source(address).check()


@pytest.mark.parametrize(("view", "asked"), [("CAMBIOS", "CAMBIOS"), ("Cambios de Estado", "`Cambios de Estado`")])
def test_names_in_capitals(server: MariaDb, address: URL, view: str, asked: str) -> None:
    """Names in capitals, as tools write them, work for the view and its columns."""
    columns = (
        ROW.replace("service_id", "`SERVICE_ID`").replace("request_id", "`REQUEST_ID`").replace("status_id", "`STATUS_ID`")
    )
    run(server, address, f"CREATE VIEW `{view}` AS SELECT {columns} `LAST_MODIFIED_DATE`")
    engine = sa.create_engine(address, poolclass=sa.NullPool)
    found = Source(engine, table=asked, sql=None, zone=ZONE, day_zone=ZONE)
    assert len(found.check()) == 5
    assert len(list(found.read(FEBRUARY))) == 1


def test_system_versioned_and_generated(server: MariaDb, address: URL) -> None:
    """A view over a system-versioned table is read like any other."""
    run(
        server,
        address,
        "CREATE TABLE h (id int PRIMARY KEY, estado int, pedido varchar(20) AS (concat('R-', id)) PERSISTENT)"
        " WITH SYSTEM VERSIONING",
    )
    with server.admin(address.database or "") as connection:
        connection.exec_driver_sql("SET timestamp = unix_timestamp('2020-02-03 10:00:00')")
        connection.exec_driver_sql("INSERT INTO h (id, estado) VALUES (1, 2)")
        connection.exec_driver_sql("SET timestamp = unix_timestamp('2020-02-04 10:00:00')")
        connection.exec_driver_sql("UPDATE h SET estado = 3")
        connection.exec_driver_sql(
            f"CREATE VIEW {VIEW} AS SELECT '1041' service_id, pedido request_id, CAST('2020-02-01' AS datetime) opening_date,"
            " estado status_id, row_start last_modified_date FROM h FOR SYSTEM_TIME ALL"
        )
    found = source(address)
    assert len(found.check()) == 5
    assert sorted(row[3] for row in found.read(FEBRUARY)) == [2, 3]
