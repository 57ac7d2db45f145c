"""The parameters of a connection: each is passed to the driver, or the connection is refused; none is dropped.

Airflow's hooks drop most of *Extra* when they build a URL for SQLAlchemy: a ``sslmode`` that is dropped means an unencrypted
connection.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.engine import URL
from tablero.errors import SetupError
from tablero.source.dialects.session import is_utf8
from tablero.texts import source as texts


class Saved(Protocol):
    """An Airflow connection."""

    conn_id: str
    login: str | None
    password: str | None
    host: str | None
    port: int | None
    schema: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """Its *Extra*."""
        ...


#: Keys of *Extra* that Airflow's hooks handle themselves; the server does not get them.
_OF_AIRFLOW = {
    *("sqlalchemy_scheme", "sqlalchemy_query", "cursor", "client", "enable_log_db_messages", "dialect", "placeholder"),
    *("insert_statement_format", "replace_statement_format", "escape_word_format", "escape_column_names"),
    *("iam", "redshift", "redshift-serverless", "cluster-identifier", "workgroup-name", "aws_conn_id", "azure_conn_id"),
}


def postgresql(address: URL, connection: Saved) -> URL:
    """The URL with every parameter of *Extra*, which psycopg passes to libpq.

    :param address: from Airflow's hook, with login and host.
    :raises SetupError: names parameters that libpq does not know.
    """
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = dict(address.query) | _beyond_airflow(connection)
    if unknown := sorted(given.keys() - known):
        raise _not_known(connection, ", ".join(unknown))
    if not all(part.isdigit() for part in str(given.get("port") or 0).split(",")):
        raise _not_known(connection, f"port = {given['port']}")
    _require_utf8(connection, "client_encoding", given)
    query = {name: _as_text(connection, name, value) for name, value in given.items()}
    return address.set(drivername="postgresql+psycopg", query=query)


def mysql(connection: Saved) -> tuple[URL, dict[str, Any]]:
    """The URL for MariaDB or MySQL and the arguments of the driver.

    TLS is requested by ``ssl_mode`` (``REQUIRED``, ``VERIFY_CA``, ``VERIFY_IDENTITY``) or by naming files: ``ssl_ca``,
    ``ssl_cert``, ``ssl_key``, or ``ssl`` with ``ca``, ``cert``, ``key`` in it; or by the drivers' own ``ssl_verify_cert`` and
    ``ssl_verify_identity``. The driver itself refuses unknown parameters.
    """
    given = _beyond_airflow(connection)
    _require_utf8(connection, "charset", given)
    given.pop("charset", None)
    _require_file(connection, "read_default_file", given)
    client = connection.extra_dejson.get("client", "mysqlclient")
    driver = {"pymysql": "mysql+pymysql", "mysql-connector-python": "mysql+mysqlconnector"}.get(client, "mysql+mysqldb")
    mode, files = _tls(connection, given)
    if mode == "DISABLED":
        given["ssl_disabled" if client == "pymysql" else "ssl_mode"] = True if client == "pymysql" else mode
    elif client == "pymysql" and (mode or files):
        given["ssl"] = _context(connection, mode, files)
    elif mode or files:
        given |= ({"ssl": files} if files else {}) | ({"ssl_mode": mode} if mode else {})
    address = URL.create(
        driver, connection.login, connection.password, connection.host or "localhost", connection.port, connection.schema
    )
    return address, given


def mssql(connection: Saved) -> tuple[URL, dict[str, Any]]:
    """The URL for SQL Server and the arguments of the driver, pymssql unless ``sqlalchemy_scheme`` says ``mssql+pyodbc``.

    pymssql refuses unknown arguments. pyodbc passes them to ODBC, with the name of its own driver in ``driver``.
    """
    given = _beyond_airflow(connection)
    _require_utf8(connection, "charset", given)
    scheme = connection.extra_dejson.get("sqlalchemy_scheme") or "mssql+pymssql"
    by_odbc = "pyodbc" in scheme
    query = {name: _as_text(connection, name, value) for name, value in given.items()} if by_odbc else {}
    address = URL.create(
        scheme, connection.login, connection.password, connection.host, connection.port, connection.schema, query
    )
    return address, {} if by_odbc else given


def oracle(connection: Saved) -> tuple[URL, dict[str, Any]]:
    """The URL for Oracle and the arguments of the driver: ``dsn``, ``service_name`` or ``sid``, and others that it knows."""
    given = _beyond_airflow(connection)
    for name in ("thick_mode", "thick_mode_lib_dir", "thick_mode_config_dir", "fetch_decimals", "fetch_lobs"):
        if given.pop(name, None):
            raise _not_known(connection, name)
    service, sid = given.pop("service_name", None), given.pop("sid", None)
    address = URL.create(
        "oracle+oracledb",
        *(connection.login, connection.password, None if "dsn" in given else connection.host),
        None if "dsn" in given else connection.port or 1521,
        None if service or "dsn" in given else sid or connection.schema,
        {"service_name": service} if service else {},
    )
    return address, given


def _beyond_airflow(connection: Saved) -> dict[str, Any]:
    return {name: value for name, value in connection.extra_dejson.items() if name not in _OF_AIRFLOW and value is not None}


def _require_utf8(connection: Saved, name: str, given: Mapping[str, Any]) -> None:
    value = given.get(name)
    if value is not None and not is_utf8(str(value)):
        raise SetupError(texts.ENCODING_IS_OURS(connection=connection.conn_id, parameter=name, value=str(value)))


def _require_file(connection: Saved, name: str, given: Mapping[str, Any]) -> None:
    """Refuse a file of parameters that is not there: drivers would go on without it."""
    path = given.get(name)
    try:
        if path is not None:
            Path(str(path)).expanduser().open("rb").close()
    except (OSError, RuntimeError) as error:
        raise SetupError(texts.OPTION_FILE_NOT_READ(connection=connection.conn_id, parameter=name, path=str(path))) from error


def _as_text(connection: Saved, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise SetupError(texts.PARAMETER_NOT_TEXT(connection=connection.conn_id, name=name))


#: What a connection may ask of TLS with MariaDB and MySQL, from the least.
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")

_FILES = ("ca", "capath", "cert", "key", "cipher")

#: Names by which drivers ask for a mode.
_SWITCHES = {"verify_cert": "VERIFY_CA", "verify_identity": "VERIFY_IDENTITY", "check_hostname": "VERIFY_IDENTITY"}


def _tls(connection: Saved, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Remove what concerns TLS from ``given``, in whichever form it is given; returns the mode and the files.

    :returns: an empty mode if only files are named: the driver then verifies what it can.
    """
    asks = any(name.startswith("ssl") for name in given)
    named = _object(connection, given.pop("ssl", None) or {})
    if unknown := sorted(named.keys() - {*_FILES, *_SWITCHES}):
        raise _not_known(connection, ", ".join(f"ssl.{name}" for name in unknown))
    for name in (*_FILES, *_SWITCHES, "disabled"):
        if (value := given.pop(f"ssl_{name}", None)) is not None:
            named[name] = value
    mode = str(given.pop("ssl_mode", "")).upper()
    if mode and mode not in _MODES:
        raise _not_known(connection, f"ssl_mode = {mode}")
    files = {name: named[name] for name in _FILES if named.get(name)}
    modes = [mode] if mode else []
    modes += [_SWITCHES[name] for name in _SWITCHES if _is_on(named.get(name))]
    if _is_on(named.get("disabled")) or mode == "DISABLED":
        if files or len(set(modes)) > 1 or mode not in ("", "DISABLED"):
            raise _not_known(connection, "ssl_disabled")
        return "DISABLED", {}
    if "check_hostname" in named and not modes:
        modes.append("VERIFY_CA")
    if asks and not modes and not files:
        modes.append("REQUIRED")
    return max(modes, key=_MODES.index, default=""), files


def _object(connection: Saved, given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, dict):
        raise SetupError(texts.PARAMETER_NOT_TEXT(connection=connection.conn_id, name="ssl"))
    return dict(given)


def _is_on(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes", "on")


def _not_known(connection: Saved, names: str) -> SetupError:
    return SetupError(texts.PARAMETER_NOT_KNOWN(connection=connection.conn_id, names=names))


def _context(connection: Saved, mode: str, files: dict[str, Any]) -> ssl.SSLContext:
    """TLS for pymysql, which has no modes, and without a CA verifies nothing."""
    if mode == "PREFERRED":  # it cannot go on without
        raise _not_known(connection, f"ssl_mode = {mode}")
    try:
        context = ssl.create_default_context(cafile=files.get("ca"), capath=files.get("capath"))
        if files.get("cert"):
            context.load_cert_chain(files["cert"], files.get("key"))
        if files.get("cipher"):
            context.set_ciphers(files["cipher"])
    except OSError as error:  # includes ssl.SSLError
        raise SetupError(texts.TLS_FILE_NOT_READ(words=str(error))) from error
    context.check_hostname = mode in ("", "VERIFY_IDENTITY")
    if mode == "REQUIRED" and not (files.get("ca") or files.get("capath")):
        context.verify_mode = ssl.CERT_NONE
    return context
