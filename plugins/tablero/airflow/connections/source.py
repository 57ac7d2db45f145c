"""The engine of the institution's database, from its connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tablero.airflow.connections.lookup import SOURCE, require, translated
from tablero.errors import SetupError
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def source_engine() -> Engine:
    """The engine of connection ``tablero_source``.

    :raises SetupError: if the connection does not exist or is not an SQL connection, or its driver is not installed.
    :raises TransientError: if Airflow's metadata database does not answer.
    """
    from airflow.providers.common.sql.hooks.sql import DbApiHook

    connection = require(SOURCE)
    with translated(connection):
        hook = connection.get_hook()
        if not isinstance(hook, DbApiHook):
            raise SetupError(texts.NOT_SQL(conn_id=SOURCE, type=repr(hook.conn_type)))
        return _engine(hook, connection)


def _engine(hook: Any, connection: Any) -> Engine:
    """Airflow's hook resolves the credentials, but drops other parameters of the connection; those are added here."""
    import sqlalchemy as sa
    from tablero.source import parameters

    arguments: dict[str, Any] = {}
    match hook.conn_type:
        case "sqlite":
            address = sa.make_url(hook.get_uri())  # once: the hook asks Airflow for the connection each time
            _require_file(address.database)
        case "postgres":
            address = parameters.postgresql(hook.sqlalchemy_url, connection)
        case "mysql":
            address, arguments = parameters.mysql(connection)
        case "mssql":
            address, arguments = parameters.mssql(connection)
        case "oracle":
            address, arguments = parameters.oracle(connection)
        case _:
            engine: Engine = hook.get_sqlalchemy_engine(engine_kwargs={"hide_parameters": True})
            return engine
    return sa.create_engine(address, connect_args=arguments, hide_parameters=True)


def _require_file(path: str | None) -> None:
    # SQLite would create an empty database, and the error would then be about a missing view.
    if path and not path.startswith("file:") and not Path(path).is_file():
        raise SetupError(texts.NO_FILE(conn_id=SOURCE, path=path))
