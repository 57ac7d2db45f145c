"""Every parameter of an Airflow connection is applied, or refused by name; none is dropped."""

from __future__ import annotations

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.engine import URL, make_url
from tablero.errors import SetupError
from tablero.source import parameters

POSTGRES = make_url("postgresql+psycopg2://tablero:clave@db.inst.gob.do:5432/solicitudes")


def saved(**extra: Any) -> Any:
    """A connection as Airflow stores it."""
    return SimpleNamespace(
        conn_id="tablero_source",
        login="tablero",
        password="clave / 100% ñ",
        host="db.inst.gob.do",
        port=3306,
        schema="solicitudes",
        extra_dejson=extra,
    )


def test_every_parameter_of_libpq() -> None:
    """Every parameter of libpq is passed in the address as text; Airflow's own parameters are not."""
    address = parameters.postgresql(
        POSTGRES,
        saved(
            sslmode="verify-full",
            sslrootcert="/etc/ca.pem",
            options="-c search_path=citas",
            connect_timeout=5,
            keepalives=False,
            target_session_attrs="prefer-standby",
            cursor="dictcursor",
            sqlalchemy_scheme="postgresql+psycopg2",
        ),
    )
    assert address.drivername == "postgresql+psycopg"
    assert dict(address.query) == {
        "sslmode": "verify-full",
        "sslrootcert": "/etc/ca.pem",
        "options": "-c search_path=citas",
        "connect_timeout": "5",
        "keepalives": "0",
        "target_session_attrs": "prefer-standby",
    }


def test_what_the_hook_put_into_the_address_stays() -> None:
    """What the hook put into the address, from the connection's ``sqlalchemy_query``, is kept."""
    assert parameters.postgresql(POSTGRES.set(query={"sslmode": "require"}), saved()).query["sslmode"] == "require"


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"sslmod": "verify-full"}, "cannot be applied: sslmod"),
        ({"prepare_threshold": 5, "autocommit": True}, "cannot be applied: autocommit, prepare_threshold"),
        ({"sslrootcert": {"path": "x"}}, "not text, a number, true or false"),
        ({"client_encoding": "latin1"}, "always reads in UTF-8"),
        ({"port": "abc"}, "cannot be applied: port = abc"),
    ],
)
def test_what_libpq_does_not_know_is_refused(extra: dict[str, Any], words: str) -> None:
    """A parameter unknown to libpq is refused by name."""
    with pytest.raises(SetupError, match=words):
        parameters.postgresql(POSTGRES, saved(**extra))


@pytest.mark.parametrize(
    ("client", "driver"),
    [(None, "mysql+mysqldb"), ("mysqlclient", "mysql+mysqldb"), ("pymysql", "mysql+pymysql")],
)
def test_the_address_of_mysql(client: str | None, driver: str) -> None:
    """The address of MySQL uses the connection's driver, and a password may contain any character."""
    address, arguments = parameters.mysql(saved(client=client, read_timeout=30, charset="utf8"))
    assert address == URL.create(driver, "tablero", "clave / 100% ñ", "db.inst.gob.do", 3306, "solicitudes")
    assert arguments == {"read_timeout": 30}


def test_tls_of_mysqlclient() -> None:
    """TLS of mysqlclient is given in its own terms: files and a mode."""
    _, arguments = parameters.mysql(saved(ssl_mode="verify_identity", ssl_ca="/ca.pem", ssl_cert="/c.pem", ssl_key="/k.pem"))
    assert arguments == {"ssl": {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"}, "ssl_mode": "VERIFY_IDENTITY"}


@pytest.mark.parametrize(
    ("mode", "verifies", "checks_name"),
    [("REQUIRED", False, False), ("VERIFY_CA", True, False), ("VERIFY_IDENTITY", True, True)],
)
def test_tls_of_pymysql(mode: str, verifies: bool, checks_name: bool) -> None:
    """PyMySQL has no TLS modes, and verifies nothing if no CA is named."""
    _, arguments = parameters.mysql(saved(client="pymysql", ssl_mode=mode))
    context = arguments["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode is ssl.CERT_REQUIRED) == verifies
    assert context.check_hostname == checks_name


def test_no_tls_unless_it_is_asked_for() -> None:
    """TLS is off unless it is requested, or if it is switched off explicitly."""
    assert parameters.mysql(saved(client="pymysql"))[1] == {}
    assert parameters.mysql(saved(client="pymysql", ssl_mode="DISABLED"))[1] == {"ssl_disabled": True}


@pytest.mark.parametrize(
    ("extra", "verifies", "checks_name"),
    [
        ({"ssl": {}}, False, False),
        ({"ssl_disabled": False}, False, False),
        ({"ssl_verify_cert": True}, True, False),
        ({"ssl_verify_identity": True}, True, True),
        ({"ssl_verify_identity": "true", "ssl_mode": "REQUIRED"}, True, True),
        ({"ssl": {"check_hostname": False}}, True, False),
        ({"ssl": {"check_hostname": True}, "ssl_mode": "VERIFY_CA"}, True, True),
    ],
)
def test_what_else_asks_pymysql_for_tls(extra: dict[str, Any], verifies: bool, checks_name: bool) -> None:
    """Each form in which a connection asks for TLS is one context, the strictest that is asked for."""
    _, arguments = parameters.mysql(saved(client="pymysql", **extra))
    context = arguments.pop("ssl")
    assert arguments == {}
    assert (context.verify_mode is ssl.CERT_REQUIRED, context.check_hostname) == (verifies, checks_name)


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ({"ssl": {}}, {"ssl_mode": "REQUIRED"}),
        ({"ssl_verify_identity": True}, {"ssl_mode": "VERIFY_IDENTITY"}),
        ({"ssl": {"ca": "/ca.pem", "check_hostname": True}}, {"ssl": {"ca": "/ca.pem"}, "ssl_mode": "VERIFY_IDENTITY"}),
        ({"ssl_disabled": True}, {"ssl_mode": "DISABLED"}),
    ],
)
def test_what_else_asks_mysqlclient_for_tls(extra: dict[str, Any], arguments: dict[str, Any]) -> None:
    """The same in mysqlclient's terms, which would ignore what it does not know in ``ssl``."""
    assert parameters.mysql(saved(**extra))[1] == arguments


@pytest.mark.parametrize("client", ["pymysql", "mysqlclient"])
@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"ssl_mode": "VERIFY-FULL"}, "cannot be applied: ssl_mode = VERIFY-FULL"),
        ({"ssl": {"ca": "/ca.pem", "verify": True}}, "cannot be applied: ssl.verify"),
        ({"ssl_disabled": True, "ssl_mode": "REQUIRED"}, "cannot be applied: ssl_disabled"),
        ({"ssl_mode": "DISABLED", "ssl_ca": "/ca.pem"}, "cannot be applied: ssl_disabled"),
    ],
)
def test_tls_that_cannot_be_done_is_refused(client: str, extra: dict[str, Any], words: str) -> None:
    """A mode, a name or a contradiction that a driver would ignore is refused."""
    with pytest.raises(SetupError, match=words):
        parameters.mysql(saved(client=client, **extra))


def test_pymysql_cannot_prefer_tls() -> None:
    """PyMySQL either uses TLS or does not; what it cannot do is refused."""
    with pytest.raises(SetupError, match="ssl_mode = PREFERRED"):
        parameters.mysql(saved(client="pymysql", ssl_mode="PREFERRED"))
    assert parameters.mysql(saved(ssl_mode="PREFERRED"))[1] == {"ssl_mode": "PREFERRED"}


@pytest.mark.parametrize("given", ["no json", "[1]", 7])
def test_ssl_that_is_no_table(given: Any) -> None:
    """An ``ssl`` value that is not an object is refused."""
    with pytest.raises(SetupError, match="has ssl in its Extra"):
        parameters.mysql(saved(ssl=given))


def test_the_address_of_oracle() -> None:
    """Oracle is addressed by service, SID or descriptor; other parameters are passed to the driver."""
    by_service, arguments = parameters.oracle(saved(service_name="ORCLPDB1", tcp_connect_timeout=5))
    assert by_service.query == {"service_name": "ORCLPDB1"}
    assert by_service.database is None
    assert arguments == {"tcp_connect_timeout": 5}
    assert parameters.oracle(saved(sid="ORCL"))[0].database == "ORCL"
    by_descriptor, arguments = parameters.oracle(saved(dsn="(DESCRIPTION=...)"))
    assert by_descriptor.host is None
    assert arguments == {"dsn": "(DESCRIPTION=...)"}
    for name in ("thick_mode", "thick_mode_lib_dir", "thick_mode_config_dir", "fetch_decimals", "fetch_lobs"):
        with pytest.raises(SetupError, match=f"cannot be applied: {name}"):
            parameters.oracle(saved(**{name: "x"}))
        assert parameters.oracle(saved(**{name: False}))[1] == {}, "what is switched off is not asked for"


def test_sql_server() -> None:
    """SQL Server's parameters reach the driver with their types: pymssql's as arguments, pyodbc's in the address."""
    address, arguments = parameters.mssql(saved(timeout=600, tds_version="7.3"))
    assert (address.drivername, address.host, address.database) == ("mssql+pymssql", "db.inst.gob.do", "solicitudes")
    assert arguments == {"timeout": 600, "tds_version": "7.3"}
    by_odbc, arguments = parameters.mssql(saved(sqlalchemy_scheme="mssql+pyodbc", driver="ODBC Driver 18 for SQL Server"))
    assert by_odbc.drivername == "mssql+pyodbc"
    assert dict(by_odbc.query) == {"driver": "ODBC Driver 18 for SQL Server"}
    assert arguments == {}
    with pytest.raises(SetupError, match="always reads in UTF-8"):
        parameters.mssql(saved(charset="cp1252"))


def test_a_file_of_parameters_that_is_not_there(tmp_path: Path) -> None:
    """Drivers would go on without a file that cannot be read."""
    with pytest.raises(SetupError, match=r"no\.cnf of read_default_file"):
        parameters.mysql(saved(read_default_file=str(tmp_path / "no.cnf")))
    (tmp_path / "yes.cnf").touch()
    _, arguments = parameters.mysql(saved(read_default_file=str(tmp_path / "yes.cnf")))
    assert arguments == {"read_default_file": str(tmp_path / "yes.cnf")}
