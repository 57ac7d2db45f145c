"""The parameters of a connection: each is passed to the driver, or the connection is refused; none is dropped.

Airflow's hooks drop most of *Extra* when they build a URL for SQLAlchemy: a ``sslmode`` that is dropped means an unencrypted
connection.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy.engine import URL
from tablero.errors import SetupError
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

_UTF8 = {"utf8", "utf-8", "unicode", "utf8mb3", "utf8mb4"}


def postgresql(address: URL, connection: Saved) -> URL:
    """The URL with every parameter of *Extra*, which psycopg passes to libpq.

    :param address: from Airflow's hook, with login and host.
    :raises SetupError: names parameters that libpq does not know.
    """
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    given = dict(address.query) | _beyond_airflow(connection)
    if unknown := sorted(given.keys() - known):
        raise SetupError(texts.PARAMETER_NOT_KNOWN(connection=connection.conn_id, names=", ".join(unknown)))
    _require_utf8(connection, "client_encoding", given)
    query = {name: _as_text(connection, name, value) for name, value in given.items()}
    return address.set(drivername="postgresql+psycopg", query=query)


def mysql(connection: Saved) -> tuple[URL, dict[str, Any]]:
    """The URL for MariaDB or MySQL and the arguments of the driver.

    TLS is requested by ``ssl_mode`` (``REQUIRED``, ``VERIFY_CA``, ``VERIFY_IDENTITY``) or by naming files: ``ssl_ca``,
    ``ssl_cert``, ``ssl_key``, or ``ssl`` with ``ca``, ``cert``, ``key`` in it. The driver itself refuses unknown parameters.
    """
    given = _beyond_airflow(connection)
    _require_utf8(connection, "charset", given)
    given.pop("charset", None)
    client = connection.extra_dejson.get("client", "mysqlclient")
    driver = {"pymysql": "mysql+pymysql", "mysql-connector-python": "mysql+mysqlconnector"}.get(client, "mysql+mysqldb")
    files = _tls_files(connection, given)
    mode = str(given.pop("ssl_mode", "")).upper()
    if files or mode:
        given |= _tls_of_pymysql(mode, files) if client == "pymysql" else {"ssl": files} | ({"ssl_mode": mode} if mode else {})
    address = URL.create(
        driver, connection.login, connection.password, connection.host or "localhost", connection.port, connection.schema
    )
    return address, given


def oracle(connection: Saved) -> tuple[URL, dict[str, Any]]:
    """The URL for Oracle and the arguments of the driver: ``dsn``, ``service_name`` or ``sid``, and others that it knows."""
    given = _beyond_airflow(connection)
    for name in ("thick_mode", "thick_mode_lib_dir", "thick_mode_config_dir", "fetch_decimals", "fetch_lobs"):
        if given.pop(name, None):
            raise SetupError(texts.PARAMETER_NOT_KNOWN(connection=connection.conn_id, names=name))
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
    if value is not None and str(value).lower() not in _UTF8:
        raise SetupError(texts.ENCODING_IS_OURS(connection=connection.conn_id, parameter=name, value=str(value)))


def _as_text(connection: Saved, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise SetupError(texts.PARAMETER_NOT_TEXT(connection=connection.conn_id, name=name))


def _tls_files(connection: Saved, given: dict[str, Any]) -> dict[str, Any]:
    """Remove the TLS files from ``given``, in whichever form they are given, and return them."""
    files = given.pop("ssl", None) or {}
    if isinstance(files, str):
        try:
            files = json.loads(files)
        except ValueError:
            files = None
    if not isinstance(files, dict):
        raise SetupError(texts.PARAMETER_NOT_TEXT(connection=connection.conn_id, name="ssl"))
    for name in ("ca", "capath", "cert", "key", "cipher"):
        if value := given.pop(f"ssl_{name}", None):
            files[name] = value
    return files


def _tls_of_pymysql(mode: str, files: dict[str, Any]) -> dict[str, Any]:
    # pymysql has no modes, and without a CA it verifies nothing.
    if mode == "DISABLED":
        return {"ssl_disabled": True}
    try:
        context = ssl.create_default_context(cafile=files.get("ca"), capath=files.get("capath"))
        if files.get("cert"):
            context.load_cert_chain(files["cert"], files.get("key"))
        if files.get("cipher"):
            context.set_ciphers(files["cipher"])
    except OSError as error:  # includes ssl.SSLError
        raise SetupError(texts.TLS_FILE_NOT_READ(words=str(error))) from error
    if mode in ("", "VERIFY_IDENTITY"):
        context.check_hostname = bool(files.get("check_hostname", True))
    else:
        context.check_hostname = False
        if mode != "VERIFY_CA" and not (files.get("ca") or files.get("capath")):
            context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}
