"""PostgreSQL as institutions here install it: in Spanish, with or without TLS, pooled, replicated, of any encoding and type."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from sqlalchemy.engine import URL
from tablero.contract.rules import Excluded, Rejected, validator
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, dateless_window, month_windows, undated_window
from tablero.delivery.preflight import Level, inspect
from tablero.errors import OutboxUnavailable, SetupError, SourceUnavailable, TableroError, WindowUnreadable
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import check_writable
from tablero.source import parameters, reader
from tablero.source.dialects.base import CONNECT_WITHIN
from tablero.source.reader import Source
from tablero.source.view import Census

from tests.integration.samples import NOW, ZONE, counted, month, settings
from tests.interrupting import TimeIsUp, interrupted_once
from tests.sources import certificates, views
from tests.sources import pooler as bouncer
from tests.sources.background import reading
from tests.sources.pooler import Pooler
from tests.sources.spanish import Server, folder_for_servers, own, running
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.system

VIEW = "tablero_status_changes"
JANUARY = month("2024-01")
BEFORE = undated_window(date(2020, 1, 1), ZONE)
EARLIEST = datetime(2020, 1, 1, 4, tzinfo=timezone.utc)

GOOD = "'1041' service_id, 'R-1' request_id, '2024-01-02'::timestamp opening_date, 2 status_id, '2024-01-03'::timestamp"


def source(address: URL, *, table: str = VIEW, sql: str | None = None) -> Source:
    return Source(sa.create_engine(address, poolclass=sa.NullPool), table=table, sql=sql, zone=ZONE, day_zone=ZONE)


def rows(found: Source, window: Window = JANUARY) -> list[Any]:
    return [row for row in found.read(window) if found.holds(window, row[-1])]


@pytest.fixture
def database(spanish: Server) -> str:
    return spanish.database()


def run(server: Server, database: str, *statements: str) -> None:
    with server.admin(database) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def make_view(server: Server, database: str, select: str = f"SELECT {GOOD} last_modified_date") -> None:
    run(server, database, f"CREATE VIEW {VIEW} AS {select}")


def whole(error: BaseException) -> str:
    """Everything that would be printed for an error."""
    return "".join(traceback.format_exception(error))


# -- errors in Spanish -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(spanish: Server) -> Server:
    """A server with users of all kinds."""
    with spanish.admin() as connection:
        for statement in (
            "CREATE ROLE clerk LOGIN PASSWORD 'x'",
            "CREATE ROLE nologin",
            "CREATE ROLE rejected LOGIN",
            "CREATE ROLE gente LOGIN",
            "CREATE DATABASE privada",
            "REVOKE ALL ON DATABASE privada FROM PUBLIC",
            "CREATE ROLE llena LOGIN CONNECTION LIMIT 0",
        ):
            connection.exec_driver_sql(statement)
    spanish.allow("host all clerk 127.0.0.1/32 scram-sha-256", "host all rejected 127.0.0.1/32 reject")
    spanish.reload()
    return spanish


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"username": "clerk", "password": "otra clave"}, "la autentificación password falló"),
        ({"username": "clerk"}, "no password supplied"),
        ({"username": "nadie"}, "no existe el rol"),
        ({"database": "nada"}, "no existe la base de datos"),
        ({"username": "nologin"}, "no se le permite conectarse"),
        ({"username": "rejected"}, "pg_hba.conf rechaza la conexión"),
        ({"username": "gente", "database": "privada"}, "permiso denegado a la base de datos"),
        ({"query": {"sslmode": "verify-full", "sslrootcert": "/no/such.pem"}}, "server does not support SSL"),
        ({"query": {"options": "-c nosuch=1"}}, "no reconocido"),
    ],
)
def test_a_login_that_is_refused(guarded: Server, login: dict[str, Any], words: str) -> None:
    """A refused login is a permanent error, with the server's own message."""
    with pytest.raises(SetupError) as caught:
        source(guarded.address().set(**login)).check()
    assert words in str(caught.value)
    assert "otra clave" not in whole(caught.value)


def test_a_server_that_is_full(guarded: Server) -> None:
    """A server without free connections is a transient error."""
    with pytest.raises(SourceUnavailable, match="demasiadas conexiones"):
        source(guarded.address(user="llena")).check()


def test_a_value_is_in_no_error(spanish: Server, database: str) -> None:
    """If a cast fails on a row's value, the error has the code and condition, and nothing of the row."""
    run(spanish, database, "CREATE TABLE crudo (f text)", "INSERT INTO crudo VALUES ('402-1234567-8 JUAN PEREZ')")
    make_view(spanish, database, f"SELECT {GOOD.rpartition(',')[0]}, f::timestamp last_modified_date FROM crudo")
    with pytest.raises(SetupError, match=r"SQLSTATE 22007, InvalidDatetimeFormat") as caught:
        rows(source(spanish.address(database)))
    assert "JUAN" not in whole(caught.value)
    assert "402" not in whole(caught.value)


def test_a_function_that_raises(spanish: Server, database: str) -> None:
    """The message of a function that raises may contain anything, so only its code is shown."""
    run(
        spanish,
        database,
        "CREATE FUNCTION f() RETURNS timestamp LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '\"JUAN PEREZ\" sin fecha'; END $$",
    )
    make_view(spanish, database, f"SELECT {GOOD.rpartition(',')[0]}, f() last_modified_date")
    with pytest.raises(SetupError, match="SQLSTATE P0001") as caught:
        rows(source(spanish.address(database)))
    assert "JUAN" not in whole(caught.value)


@pytest.mark.parametrize("state", ["P0001", "U0001", "42501", "57014", "08000"])
def test_a_function_that_raises_any_code(spanish: Server, database: str, state: str) -> None:
    """Nothing of what a function says is shown, whichever code it chooses."""
    run(
        spanish,
        database,
        "CREATE FUNCTION f() RETURNS timestamp LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'paciente JUAN PEREZ ROSARIO' USING ERRCODE = '{state}'; END $$",
    )
    make_view(spanish, database, f"SELECT {GOOD.rpartition(',')[0]}, f() last_modified_date")
    with pytest.raises(TableroError, match=f"SQLSTATE {state}") as caught:
        rows(source(spanish.address(database)))
    assert "JUAN" not in whole(caught.value)


def test_columns_that_differ_only_in_capitals(spanish: Server, database: str) -> None:
    """Two columns that may be meant are named, and none of them is taken."""
    columns = f"""{CAPITALS}, 'otro' "Request_Id" """
    run(spanish, database, f"CREATE VIEW {VIEW} AS SELECT {columns}")
    with pytest.raises(SetupError, match="that differ only in capitals: REQUEST_ID, Request_Id"):
        source(spanish.address(database)).check()


@pytest.mark.parametrize("name", [".", "", '"', "citas.", "citas..cambios", '"citas'])
def test_a_name_that_is_none(spanish: Server, database: str, name: str) -> None:
    """A setting that names no view is a permanent error that says so."""
    with pytest.raises(SetupError, match="this is not the name of a view"):
        source(spanish.address(database), table=name).check()


def test_a_limit_of_time(spanish: Server, database: str) -> None:
    """A time limit is an error of its own kind: this window cannot be read, others may."""
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM pg_sleep(600)")
    run(spanish, database, f"ALTER DATABASE {database} SET statement_timeout = '2s'")
    with pytest.raises(WindowUnreadable, match=r"SQLSTATE 57014.*statement_timeout"):
        rows(source(spanish.address(database)))


# -- TLS ---------------------------------------------------------------------------------------------------------------------


@contextmanager
def with_tls() -> Iterator[tuple[Server, Path]]:
    """A server with a certificate, and the files of a client."""
    with folder_for_servers("tablero-tls-") as folder:
        certificates.make(folder / "made")
        private = own(folder / "private")
        for name in ("server.pem", "server.key", "ca.pem"):
            shutil.copy(folder / "made" / name, private / name)
            shutil.chown(private / name, *("postgres",) * 2) if private.owner() == "postgres" else None
        files = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key", "ssl_ca_file": "ca.pem"}
        lines = [f"{name} = '{private / file}'" for name, file in files.items()]
        server = Server(folder / "server", settings=("ssl = on", *lines)) if own(folder / "server") else None
        assert server is not None
        server.allow("hostssl all tablero 127.0.0.1/32 cert")
        server.start()
        try:
            with server.admin() as connection:
                connection.exec_driver_sql("CREATE ROLE tablero LOGIN")
                connection.exec_driver_sql(f"CREATE VIEW {VIEW} AS SELECT {GOOD} last_modified_date")
                connection.exec_driver_sql(f"GRANT SELECT ON {VIEW} TO tablero")
            yield server, folder / "made"
        finally:
            server.stop()


def by_extra(server: Server, user: str, **extra: Any) -> Source:
    """The connection as Airflow stores it, and as the hook would pass it on."""
    saved: Any = SimpleNamespace(conn_id="tablero_source", extra_dejson=extra)
    return source(parameters.postgresql(server.address(user=user), saved))


def test_tls_as_the_connection_says() -> None:
    """A trusted CA, the right host name and a client certificate are accepted; anything less is refused."""
    with with_tls() as (server, made):
        trusted = {"sslmode": "verify-full", "sslrootcert": str(made / "ca.pem")}
        protected = made / "protected.key"
        protect = ["openssl", "rsa", "-aes256", "-passout", "pass:clave ñ", "-in", made / "client.key", "-out", protected]
        subprocess.run(protect, check=True, capture_output=True)
        protected.chmod(0o600)
        own_certificate = {"sslcert": str(made / "client.pem"), "sslkey": str(made / "client.key")}
        assert len(rows(by_extra(server, "postgres", **trusted))) == 1
        assert len(rows(by_extra(server, "tablero", **trusted, **own_certificate))) == 1
        with_password = trusted | own_certificate | {"sslkey": str(protected), "sslpassword": "clave ñ"}
        assert len(rows(by_extra(server, "tablero", **with_password))) == 1
        with pytest.raises(SetupError, match="private key file") as caught:
            by_extra(server, "tablero", **with_password | {"sslpassword": "otra clave"}).check()
        assert "otra clave" not in str(caught.value)
        for user, extra, words in (
            ("postgres", trusted | {"sslrootcert": str(made / "other.pem")}, "certificate verify failed"),
            ("postgres", trusted | {"sslrootcert": "/no/such.pem"}, "does not exist"),
            ("tablero", trusted, "certificado de cliente válido"),
            ("tablero", trusted | own_certificate | {"sslcert": str(made / "other.pem")}, "could not load"),
        ):
            with pytest.raises(SetupError, match=words):
                by_extra(server, user, **extra).check()
        by_name = parameters.postgresql(
            server.address().set(host="localhost"),
            SimpleNamespace(conn_id="x", extra_dejson=trusted),  # type: ignore[arg-type]
        )
        with pytest.raises(SetupError, match="does not match host name"):
            source(by_name).check()


def test_every_parameter_reaches_the_server(spanish: Server, database: str) -> None:
    """All parameters take effect: ``options`` with a search path, the application name, the kind of server required."""
    run(spanish, database, "CREATE SCHEMA citas", f"CREATE VIEW citas.{VIEW} AS SELECT {GOOD} last_modified_date")
    address = spanish.address(database)
    saved: Any = SimpleNamespace(
        conn_id="tablero_source",
        extra_dejson={
            "options": "-c search_path=citas",
            "application_name": "tablero",
            "keepalives": True,
            "cursor": "dictcursor",
        },
    )
    assert len(rows(source(parameters.postgresql(address, saved)))) == 1
    saved.extra_dejson = {"target_session_attrs": "standby"}
    with pytest.raises(SourceUnavailable, match="not in hot standby mode"):
        source(parameters.postgresql(address, saved)).check()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("-c TimeZone=UTC", "time zone to UTC"),
        ("-c search_path=citas --timezone=Asia/Tokyo", "time zone to Asia/Tokyo"),
        ("-cclient_encoding=latin1", "always reads in UTF-8"),
    ],
)
def test_what_would_be_overruled_is_refused(
    spanish: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, words: str
) -> None:
    """A connection that sets another zone or encoding is refused, also by a service's file; the same zone is none."""
    address = spanish.address(database)
    with pytest.raises(SetupError, match=words):
        source(address.set(query={"options": options})).check()
    (tmp_path / "services").write_text(f"[fuente]\noptions={options}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    with pytest.raises(SetupError, match=words):
        source(address.set(query={"service": "fuente"})).check()
    make_view(spanish, database)
    assert len(rows(source(address.set(query={"options": "-c timezone=America/Santo_Domingo"})))) == 1


def test_a_server_that_takes_calls_and_says_nothing(spanish: Server, database: str) -> None:
    """``connect_timeout`` is that of the connection."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = spanish.address(database).set(port=silent.getsockname()[1], query={"connect_timeout": "2"})
        began = time.monotonic()
        with pytest.raises(SourceUnavailable):
            source(address).check()
        assert time.monotonic() - began < CONNECT_WITHIN


# -- pooler, standby ---------------------------------------------------------------------------------------------------------


def test_behind_a_pooler(spanish: Server, pooler: Pooler, database: str) -> None:
    """Windows, count, census and one request work repeatedly over a connection shared with other clients."""
    make_view(spanish, database, f"SELECT {GOOD} + n * interval '1 minute' last_modified_date FROM generate_series(1, 12000) n")
    address = pooler.address(database)
    found = source(address)
    for zone in ("UTC", "Asia/Tokyo"):
        other = sa.create_engine(address, connect_args={"prepare_threshold": None})
        with other.begin() as connection:
            connection.exec_driver_sql(f"SET timezone = '{zone}'")
        other.dispose()
        assert len(rows(found)) == counted(found, JANUARY) == 12_000
    assert found.census(BEFORE, NOW) == Census(12_000, 0, 0, 0)
    assert len(found.of_request("R-1") or []) == 1_000


def test_a_pooler_that_does_not_take_a_parameter(pooler: Pooler, database: str) -> None:
    """A parameter refused by the pooler is one permanent error, with the pooler's message."""
    with pytest.raises(SetupError, match="unsupported startup parameter"):
        source(pooler.address(database).set(query={"options": "-c search_path=citas"})).check()


def test_a_pooler_that_ends_in_the_midst_of_a_reading(spanish: Server, database: str) -> None:
    """A pooler that is stopped, as for an update, is a transient error for the readings under way."""
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date, repeat('x', 200) relleno FROM generate_series(1, 60000) n")
    with bouncer.running(spanish) as stopped:
        chunks = source(stopped.address(database)).chunks(JANUARY)
        next(chunks)
    with pytest.raises(SourceUnavailable, match="tried again"):
        list(chunks)


def test_conditions_are_not_compiled(spanish: Server, database: str) -> None:
    """Compiling the conditions of a count takes far longer than executing them, and it changes nothing of what a view means."""
    run(spanish, database, f"ALTER DATABASE {database} SET jit = on")
    make_view(
        spanish, database, f"SELECT {GOOD.replace(chr(39) + 'R-1' + chr(39), 'current_setting($$jit$$)')} last_modified_date"
    )
    ((_, shown, *_),) = rows(source(spanish.address(database)))
    assert shown == "off"


def test_a_materialized_view_that_is_refreshed_while_it_is_read(spanish: Server, database: str) -> None:
    """A reading shows one state, the one in which it began."""
    run(spanish, database, "CREATE TABLE h AS SELECT n, 2 e FROM generate_series(1, 12000) n")
    select = GOOD.replace("2 status_id", "e status_id").replace("'R-1'", "n")
    run(spanish, database, f"CREATE MATERIALIZED VIEW {VIEW} AS SELECT {select} last_modified_date FROM h")
    run(spanish, database, f"CREATE UNIQUE INDEX ON {VIEW} (request_id)")
    chunks = source(spanish.address(database)).chunks(JANUARY)
    found = next(chunks)
    run(spanish, database, "UPDATE h SET e = 3", f"REFRESH MATERIALIZED VIEW CONCURRENTLY {VIEW}")
    found += [row for rows in chunks for row in rows]
    assert Counter(row[3] for row in found) == {2: 12_000}
    assert Counter(row[3] for row in rows(source(spanish.address(database)))) == {3: 12_000}


def test_a_role_with_settings_of_its_own(spanish: Server, database: str) -> None:
    """What a role has by ALTER ROLE is as in psql, but for the zone: order of day and month, search path, another role."""
    lector, dueno = f"lector_de_{database}", f"dueno_de_{database}"
    make_view(
        spanish,
        database,
        f"SELECT {GOOD.rpartition(',')[0]}, d::timestamptz::timestamp last_modified_date"
        " FROM (VALUES ('02/01/2024 21:30'::text)) h (d)",
    )
    run(
        spanish,
        database,
        f"CREATE ROLE {lector} LOGIN",
        f"CREATE ROLE {dueno}",
        f"GRANT {dueno} TO {lector}",
        f"CREATE SCHEMA citas AUTHORIZATION {dueno}",
        f"ALTER VIEW {VIEW} SET SCHEMA citas",
        f"GRANT SELECT ON citas.{VIEW} TO {dueno}",
        *(
            f"ALTER ROLE {lector} SET {setting}"
            for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'SQL, MDY'", "search_path = citas", f"role = {dueno}")
        ),
    )
    ((_, _, _, shown),) = spanish.psql(database, f"SET datestyle = 'SQL, MDY'; {views.shown(f'citas.{VIEW}')}", PGTZ=ZONE.name)
    found = source(spanish.address(database, lector))
    (row,) = rows(found, month("2024-02"))
    assert found.place(row[-1]).replace(tzinfo=None).isoformat() == shown.removesuffix(".000000") == "2024-02-02T01:30:00"


def test_a_standby_and_its_conflicts(tmp_path: Path) -> None:
    """A standby can be read; a conflict with recovery is a transient error with the server's own cause.

    An outbox on a standby is a transient error too, since it may be one only until a failover has ended."""
    with running(settings=("wal_level = replica", "max_wal_senders = 4")) as primary, folder_for_servers("tablero-by-") as by:
        database = primary.database()
        run(
            primary,
            database,
            "CREATE TABLE h AS SELECT n, repeat('x', 200) relleno FROM generate_series(1, 60000) n",
            f"CREATE VIEW {VIEW} AS SELECT {GOOD} last_modified_date, relleno FROM h",
        )
        standby = primary.standby(by, settings=("max_standby_streaming_delay = 0", "hot_standby_feedback = off"))
        try:
            found = source(standby.address(database))
            assert len(rows(found)) == 60_000
            with pytest.raises(OutboxUnavailable, match="CREATE TABLE"):
                check_writable(connect(standby.address(database)))
            chunks = found.chunks(JANUARY)
            next(chunks)
            run(primary, database, f"DROP VIEW {VIEW}", "DROP TABLE h")
            ((end,),) = primary.psql("postgres", "SELECT pg_current_wal_lsn()")
            replayed = f"SELECT pg_last_wal_replay_lsn() >= '{end}'"
            wait_for("the standby has no such table either", lambda: standby.psql("postgres", replayed) == [["t"]])
            with pytest.raises(SourceUnavailable, match="conflicto con la recuperación") as caught:
                list(chunks)
            assert "connection is lost" not in str(caught.value)
        finally:
            standby.stop()


# -- cancelling --------------------------------------------------------------------------------------------------------------


def waiting(server: Server, database: str) -> int:
    """The server process that executes the hanging statement."""
    query = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND state = 'active' AND wait_event_type = 'Lock'"
    found = wait_for("it waits for the lock", lambda: server.psql("postgres", query))
    return int(found[0][0])


def test_a_reading_that_hangs_is_cancelled(spanish: Server, database: str) -> None:
    """A reading blocked by a lock is cancelled: the thread gets its error within seconds, and nothing runs on the server."""
    run(spanish, database, "CREATE TABLE h (n int)")
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM h")
    found = source(spanish.address(database))
    with sa.create_engine(spanish.address(database)).begin() as blocker:
        blocker.exec_driver_sql("LOCK TABLE h")
        thread, ended = reading(found, JANUARY)
        waiting(spanish, database)
        found.cancel()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    (error,) = ended
    assert isinstance(error, SourceUnavailable)
    assert "se interrumpió" in str(error)
    with pytest.raises(SourceUnavailable):
        counted(found, JANUARY)


def test_a_task_whose_time_is_up_leaves_no_statement(spanish: Server, database: str) -> None:
    """Whatever a signal handler raises ends the statement: psycopg itself would cancel it for some exceptions only."""
    run(spanish, database, "CREATE TABLE h (n int)")
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM h")
    with sa.create_engine(spanish.address(database)).begin() as blocker:
        blocker.exec_driver_sql("LOCK TABLE h")
        waits = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
        for question in (rows, lambda found: found.count([JANUARY])):
            with pytest.raises(TimeIsUp), interrupted_once(lambda: spanish.psql("postgres", waits)):
                question(source(spanish.address(database)))
            wait_for("nothing waits for the lock", lambda: not spanish.psql("postgres", waits))


def test_a_server_that_does_not_answer_is_cut(spanish: Server, database: str, mocker: MockerFixture) -> None:
    """If the server's process is frozen and cannot cancel, the connection is cut."""
    mocker.patch.object(reader, "GRACE", 0.5)
    run(spanish, database, "CREATE TABLE h (n int)")
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM h")
    found = source(spanish.address(database))
    with sa.create_engine(spanish.address(database)).begin() as blocker:
        blocker.exec_driver_sql("LOCK TABLE h")
        thread, ended = reading(found, JANUARY)
        process = waiting(spanish, database)
        os.kill(process, signal.SIGSTOP)
        try:
            found.cancel()
            thread.join(PATIENCE)
            assert not thread.is_alive()
        finally:
            os.kill(process, signal.SIGCONT)
    assert isinstance(ended[0], SourceUnavailable)


# -- encodings ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "stored"),
    [
        ("ENCODING 'SQL_ASCII' LOCALE 'C'", "ñandú €".encode()),
        ("ENCODING 'LATIN1' LOCALE 'es_DO.ISO-8859-1'", "ñandú".encode("latin-1")),
        ("ENCODING 'LATIN9' LOCALE 'es_ES@euro'", "ñandú €".encode("iso-8859-15")),
        ("ENCODING 'UTF8' LOCALE 'es_DO.UTF-8'", "ñandú €".encode()),
    ],
)
def test_encodings(spanish: Server, options: str, stored: bytes) -> None:
    """Text arrives as the institution wrote it, whatever the database's encoding."""
    database = spanish.database(options)
    expression = f"convert_from('\\x{stored.hex()}', getdatabaseencoding())"
    make_view(spanish, database, f"SELECT {GOOD.replace(chr(39) + 'R-1' + chr(39), expression)} last_modified_date")
    found = source(spanish.address(database))
    (row,) = rows(found)
    ((shown,),) = spanish.psql(database, f"SELECT request_id FROM {VIEW}")
    assert row[1] == shown
    assert shown in ("ñandú", "ñandú €")

    @contextmanager
    def opened() -> Iterator[Source]:
        yield found

    findings = inspect(settings(), source=opened, outbox=None, dashboard=None, clock=lambda: datetime.now(timezone.utc))
    assert {one.level for one in findings} == {Level.OK}


def test_bytes_that_are_no_text(spanish: Server) -> None:
    """Invalid bytes in SQL_ASCII reject their own row, for the right reason; the others are read."""
    database = spanish.database("ENCODING 'SQL_ASCII' LOCALE 'C'")
    run(
        spanish,
        database,
        "CREATE TABLE t (id text, f text)",
        "INSERT INTO t VALUES (E'\\xf1', '2024-01-05'), ('ñ', '2024-01-06')",
    )
    make_view(
        spanish, database, "SELECT '1' service_id, id request_id, f opening_date, 2 status_id, f last_modified_date FROM t"
    )
    found = source(spanish.address(database))
    validate = validator(zone=ZONE, earliest=EARLIEST, now=NOW)
    judged = [validate(row) for row in rows(found)]
    assert sorted(type(one).__name__ for one in judged) == ["Rejected", "StatusChange"]
    assert found.sample(5)


# -- types and names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "type_",
    [
        "cuando",
        "mas_cuando",
        "char(25)",
        "citext",
        "text COLLATE sin_mayusculas",
        "varchar(40)",
        "text",
        "name",
        "timestamptz(0)",
        "timestamp(3)",
        "date",
    ],
)
def test_types_of_dates(spanish: Server, database: str, type_: str) -> None:
    """Rows with domains, padded text and text types of extensions are read and valid."""
    run(
        spanish,
        database,
        "CREATE EXTENSION citext",
        "CREATE DOMAIN cuando AS timestamp CHECK (VALUE > '1990-01-01')",
        "CREATE DOMAIN mas_cuando AS cuando",
        "CREATE COLLATION sin_mayusculas (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        f"CREATE TABLE h (a {type_}, b {type_})",
        "INSERT INTO h VALUES ('2024-01-02', '2024-01-03')",
    )
    make_view(
        spanish, database, "SELECT '1' service_id, 'R' request_id, a opening_date, 2 status_id, b last_modified_date FROM h"
    )
    found = source(spanish.address(database))
    found.check()
    (row,) = rows(found)
    change = validator(zone=ZONE, earliest=EARLIEST, now=NOW)(row)
    assert isinstance(change, StatusChange)
    ((_, _, opening, changed),) = spanish.psql(database, views.shown(VIEW), PGTZ=ZONE.name)
    instants = [moment.replace(tzinfo=None) for moment in (change.opening_date, change.last_modified_date)]
    assert instants == [datetime.fromisoformat(shown) for shown in (opening, changed)]
    assert found.census(BEFORE, NOW) == Census(1, 0, 0, 0)


@pytest.mark.parametrize("type_", ["integer", "bigint", "numeric", "boolean", "bytea", "interval", "estado", "jsonb"])
def test_types_that_tell_no_instant(spanish: Server, database: str, type_: str) -> None:
    """The check reports types without a definite instant by name."""
    run(spanish, database, "CREATE TYPE estado AS ENUM ('a')", f"CREATE TABLE h (b {type_})")
    make_view(
        spanish,
        database,
        "SELECT '1' service_id, 'R' request_id, now() opening_date, 2 status_id, b last_modified_date FROM h",
    )
    with pytest.raises(SetupError, match=rf"holds no date and time \({type_}\)"):
        source(spanish.address(database)).check()


def test_other_columns_of_any_type(spanish: Server, database: str) -> None:
    """Enums, domains, generated columns and uuids are sent as their text."""
    run(
        spanish,
        database,
        "CREATE EXTENSION citext",
        "CREATE TYPE servicio AS ENUM ('pasaporte')",
        "CREATE DOMAIN paso AS smallint",
        "CREATE TABLE h (s servicio, n int, r citext GENERATED ALWAYS AS ('R-' || n::text) STORED, p paso, t timestamptz)",
        "INSERT INTO h (s, n, p, t) VALUES ('pasaporte', 7, 14, '2024-01-03')",
        f"CREATE MATERIALIZED VIEW {VIEW} AS SELECT s service_id, r request_id, t opening_date, p status_id,"
        " t last_modified_date FROM h",
    )
    (row,) = rows(source(spanish.address(database)))
    change = validator(zone=ZONE, earliest=EARLIEST, now=NOW)(row)
    assert isinstance(change, StatusChange)
    assert (change.service_id, change.request_id, change.status_id) == ("pasaporte", "R-7", 14)


CAPITALS = ", ".join(
    f'{value} "{name.upper()}"'
    for value, _, name in (part.rpartition(" ") for part in f"{GOOD} last_modified_date".split(", "))
)


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        ('"TABLERO_STATUS_CHANGES"', "tablero_status_changes"),
        ('"TABLERO_STATUS_CHANGES"', "TABLERO_STATUS_CHANGES"),
        ('"Cambios de Estado"', '"Cambios de Estado"'),
        ('"Citas.Viejas"."Cambios"', '"Citas.Viejas"."Cambios"'),
        ('"Citas"."Cambios"', '"Citas".cambios'),
        ("cambios", "cambios"),
        ("cambios", "CAMBIOS"),
        ('"Citas"."Cambios"', ' "Citas" . "Cambios" '),
        ('" cambios "', '" cambios "'),
        ("cambios", "DATABASE.public.cambios"),
        ('"Citas"."Cambios"', '"DATABASE"."Citas"."Cambios"'),
    ],
)
def test_names_in_capitals(spanish: Server, database: str, made: str, asked: str) -> None:
    """Names in capitals, as tools leave them after migrating from Oracle, work for the view and its columns."""
    run(spanish, database, 'CREATE SCHEMA "Citas"', 'CREATE SCHEMA "Citas.Viejas"', f"CREATE VIEW {made} AS SELECT {CAPITALS}")
    found = source(spanish.address(database), table=asked.replace("DATABASE", database))
    assert len(found.check()) == 5
    assert len(rows(found)) == counted(found, JANUARY) == 1


@pytest.mark.parametrize("made", ['"TABLERO_STATUS_CHANGES"', VIEW])
def test_a_name_in_capitals_changes_no_instant(spanish: Server, database: str, made: str) -> None:
    """What a view means depends on the session, which is the same while its name is looked up and afterwards."""
    columns = CAPITALS.replace("'2024-01-03'::timestamp", "('2024-01-31 21:30:00-04'::timestamptz)::timestamp")
    run(spanish, database, f"CREATE VIEW {made} AS SELECT {columns}", f"ALTER DATABASE {database} SET timezone = 'UTC'")
    ((shown,),) = spanish.psql(
        database, f"SELECT \"LAST_MODIFIED_DATE\"::timestamptz AT TIME ZONE 'UTC' FROM {made}", PGTZ="America/Santo_Domingo"
    )
    found = source(spanish.address(database))
    for _ in range(2):
        (row,) = rows(found)
        assert found.place(row[-1]).replace(tzinfo=None) == datetime.fromisoformat(shown)
    assert counted(source(spanish.address(database)), JANUARY) == 1


def test_bytes_that_are_no_text_in_a_view_in_capitals(spanish: Server) -> None:
    """Nor does looking up a name change how text is read in SQL_ASCII."""
    database = spanish.database("ENCODING 'SQL_ASCII' LOCALE 'C'")
    run(spanish, database, "CREATE TABLE t (id text)", "INSERT INTO t VALUES (E'\\xf1')")
    run(spanish, database, f'CREATE VIEW "{VIEW.upper()}" AS SELECT {CAPITALS.replace(chr(39) + "R-1" + chr(39), "id")} FROM t')
    ((_, request, *_),) = rows(source(spanish.address(database)))
    assert request == "\udcf1"


def test_a_view_in_another_database(spanish: Server, database: str) -> None:
    """A view in another database is a permanent error of PostgreSQL's own."""
    with pytest.raises(SetupError):
        source(spanish.address(database), table="otra.public.cambios").check()


def test_a_view_that_was_never_filled(spanish: Server, database: str) -> None:
    """A materialized view WITH NO DATA is an error: the DBA must refresh it."""
    run(spanish, database, f"CREATE MATERIALIZED VIEW {VIEW} AS SELECT {GOOD} last_modified_date WITH NO DATA")
    with pytest.raises(SetupError, match="SQLSTATE 55000"):
        rows(source(spanish.address(database)))


def test_own_sql_with_casts(spanish: Server, database: str) -> None:
    """Own SQL may have ``:start::timestamp``, and comments and literals with colons."""
    make_view(spanish, database)
    sql = f"""-- a las 10:30 :no
        SELECT *, '10:30' hora FROM {VIEW}
         WHERE last_modified_date >= :start::timestamp AND last_modified_date < :end::timestamptz"""
    found = source(spanish.address(database), sql=sql)
    assert len(found.check()) == 6
    assert len(rows(found)) == 1
    assert found.count([JANUARY]) is None, "the bounds of own SQL may be wider than the window"


def test_own_sql_with_a_column_twice(spanish: Server, database: str) -> None:
    """Of two columns that may be meant, own SQL gives neither."""
    make_view(spanish, database)
    bounds = "last_modified_date >= :start AND last_modified_date < :end"
    for name in ("request_id", '"Request_Id"'):
        found = source(spanish.address(database), sql=f"SELECT *, 'otro' {name} FROM {VIEW} WHERE {bounds}")
        for use in (found.check, lambda found=found: rows(found)):
            with pytest.raises(SetupError, match=f"capitals: request_id, {name.strip(chr(34))}"):
                use()


def test_own_sql_with_another_parameter(spanish: Server, database: str) -> None:
    """An unknown parameter in own SQL is a permanent error that names it."""
    make_view(spanish, database)
    with pytest.raises(SetupError, match=":oficina"):
        source(spanish.address(database), sql=f"SELECT * FROM {VIEW} WHERE :start < :end AND :oficina > 1")
    with pytest.raises(SetupError, match=":end"):
        source(spanish.address(database), sql=f"SELECT * FROM {VIEW} WHERE last_modified_date >= :start::timestamp")


# -- least privilege ---------------------------------------------------------------------------------------------------------


def test_a_reader_of_five_columns(spanish: Server, database: str) -> None:
    """A user who may read just the five columns passes the check, and everything is read."""
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date, 'secreto' nombre_del_ciudadano")
    run(
        spanish,
        database,
        f"CREATE ROLE lector_{database} LOGIN",
        f"GRANT SELECT (service_id, request_id, opening_date, status_id, last_modified_date) ON {VIEW} TO lector_{database}",
    )
    found = source(spanish.address(database, f"lector_{database}"))

    @contextmanager
    def opened() -> Iterator[Source]:
        yield found

    findings = list(inspect(settings(), source=opened, outbox=None, dashboard=None, clock=lambda: datetime.now(timezone.utc)))
    assert {one.level for one in findings} == {Level.OK}, findings
    assert len(rows(found)) == counted(found, JANUARY) == len(found.of_request("R-1") or []) == 1


# -- one request -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["text", "integer", "char(20)", "numeric"])
def test_what_the_source_says_of_one_request(spanish: Server, database: str, type_: str) -> None:
    """The rows of a request are found by an id of any type; an unknown request has none."""
    run(spanish, database, f"CREATE TABLE h (id {type_})", "INSERT INTO h SELECT n FROM generate_series(1, 50) n")
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM h".replace("'R-1'", "id"))
    found = source(spanish.address(database))
    (row,) = found.of_request("7") or []
    assert str(row[1]).strip() == "7"
    assert found.of_request("REQ-77") == []


@pytest.mark.parametrize("stored", [" 7", "7  ", "\t7", "\u00a07"])
def test_blanks_around_an_id(spanish: Server, database: str, stored: str) -> None:
    """An id is sent without blanks, so its rows are found by that; ids that contain it are others."""
    run(spanish, database, "CREATE TABLE h (id text)", "INSERT INTO h SELECT n || '7' FROM generate_series(1, 3000) n")
    run(spanish, database, f"INSERT INTO h VALUES ('{stored}'), ('7%')")
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM h".replace("'R-1'", "id"))
    found = source(spanish.address(database))
    assert [row[1] for row in found.of_request("7") or []] == [stored]
    assert [row[1] for row in found.of_request("7%") or []] == ["7%"]


def test_a_question_takes_no_longer_than_it_may(spanish: Server, database: str, mocker: MockerFixture) -> None:
    """A query for the page ends within its time limit, since the user is waiting."""
    mocker.patch.object(reader, "QUESTION", 0.3)
    make_view(spanish, database, f"SELECT {GOOD} last_modified_date FROM pg_sleep(30)")
    with pytest.raises(WindowUnreadable):
        source(spanish.address(database)).of_request("R-1")


# -- the whole view ----------------------------------------------------------------------------------------------------------

#: Dates as text, most of them invalid or outside all months.
HOSTILE = """
  SELECT n, (ARRAY[
    '2024-01-15 10:00:00', '2024-01-15T10:00:00Z', ' 2023-05-05', '2022-02-29', '2020-02-30 10:00', '15/01/2024 09:00:00',
    '31/12/2019', '2024/01/15', '20240115', '1706091600', '2019-12-31 23:59:59', '1999-01-01', '2031-01-01', 'infinity', '',
    'pendiente', '2021-13-01', '2021-06-31', '0000-00-00', '2024-01-15 25:00', '2024-01-1', E'2024-01-15\\t', 'ñ', '~', NULL,
    '2020-01-01T03:59:59Z',    '2020-01-01T04:00:00Z', '2026-11-24T05:59:59Z', '2026-11-24T06:00:00Z'
  ])[1 + (n * 7919) % 29] f FROM generate_series(1, 10000) n
"""
TYPED = """
  SELECT n, (ARRAY['2024-01-15 10:00', '2019-12-31 23:59:59.999999', '2020-01-01', 'infinity', '-infinity', '0044-03-15 BC',
    '20020-01-01', '2031-01-01', NULL, '1850-01-01'])[1 + (n * 7919) % 10]::{0} f FROM generate_series(1, 10000) n
"""


@pytest.mark.parametrize("select", [HOSTILE, *(TYPED.replace("{0}", kind) for kind in ("timestamp", "timestamptz", "date"))])
def test_the_sum_over_the_whole_view_closes(spanish: Server, database: str, select: str) -> None:
    """Each of 10,000 hostile rows lies in one month, is undated, older or in the future, and is judged."""
    make_view(
        spanish,
        database,
        "SELECT '1041' service_id, 'R-' || n request_id, '2019-06-01'::text opening_date, 2 status_id, f last_modified_date"
        f" FROM ({select}) h",
    )
    found = source(spanish.address(database))
    census = found.census(BEFORE, NOW)
    assert census is not None
    assert [[str(census.rows)]] == spanish.psql(database, f"SELECT count(*) FROM {VIEW}")
    months = month_windows(date(2020, 1, 1), date(2026, 11, 24), ZONE, NOW)
    requests: Counter[str] = Counter()
    judged: Counter[type] = Counter()
    validate = validator(zone=ZONE, earliest=datetime(1, 1, 2, tzinfo=timezone.utc), now=NOW)
    for window in (*months, BEFORE):
        of_window = rows(found, window)
        assert counted(found, window) == len(of_window), window.label
        requests.update(row[1] for row in of_window)
        judged.update(type(validate(row)) for row in of_window)
    assert max(requests.values()) == 1
    assert len(requests) + census.future == census.rows == 10_000
    in_months = census.rows - census.undated - census.older - census.future
    assert in_months == len(requests) - counted(found, BEFORE) == sum(counted(found, window) for window in months)
    assert counted(found, dateless_window()) == census.undated
    assert counted(found, BEFORE) == census.undated + census.older
    assert judged.total() == len(requests)
    assert set(judged) <= {StatusChange, Rejected, Excluded}
