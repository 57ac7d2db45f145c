"""The dialect of an engine.

A new database also needs its error codes (``source.codes``), the parameters of its connection (``source.parameters``, called in
``airflow.configuration``), and its scheme (``airflow.lineage``).
"""

from __future__ import annotations

from datetime import tzinfo

from tablero.source.dialects.base import Dialect
from tablero.source.dialects.mssql import SQLServer
from tablero.source.dialects.mysql import MySQL
from tablero.source.dialects.oracle import Oracle
from tablero.source.dialects.postgres import PostgreSQL
from tablero.source.dialects.sqlite import SQLite

_BY_NAME: dict[str, type[Dialect]] = {
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "mariadb": MySQL,
    "sqlite": SQLite,
    "mssql": SQLServer,
    "oracle": Oracle,
}


def dialect_of(name: str, zone: tzinfo) -> Dialect:
    """The dialect for an engine's ``dialect.name``; for unknown ones the common base.

    :param zone: time zone of naive timestamps.
    """
    return _BY_NAME.get(name, Dialect)(zone)
