"""Finding a connection, or saying why there is none and what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tablero.errors import SetupError, TableroError, TransientError
from tablero.texts import airflow as texts

SOURCE, API, OUTBOX = "tablero_source", "tablero_api", "tablero_outbox"


def require(conn_id: str) -> Any:
    """A connection.

    :raises SetupError: if there is none, or its Extra is no JSON object.
    :raises TransientError: if Airflow's metadata database does not answer.
    """
    found = find(conn_id)
    if found is None:
        raise SetupError(texts.NO_CONNECTION(conn_id=conn_id, variable=variable_of(conn_id)))
    return found


def find(conn_id: str) -> Any | None:
    """The same; ``None`` if there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        # Airflow 3.3 raises this also for a variable that it cannot read, and while its database does not answer. A PostgreSQL
        # outbox that seems to be missing would be replaced by a new SQLite file, in which nothing has been delivered.
        if os.environ.get(variable_of(conn_id)):
            raise SetupError(texts.VARIABLE_UNREADABLE(conn_id=conn_id, variable=variable_of(conn_id))) from None
        _require_metadata(conn_id)
        try:
            found = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            return None
    _require_json(found)
    return found


def variable_of(conn_id: str) -> str:
    """The environment variable that may define a connection."""
    return f"AIRFLOW_CONN_{conn_id.upper()}"


def _require_json(connection: Any) -> None:
    # Airflow ignores an Extra that is not JSON, and with it the TLS that it asks for.
    extra = connection.extra
    if not isinstance(extra, str) or not extra.strip():
        return
    try:
        is_object = isinstance(json.loads(extra), dict)
    except ValueError:
        is_object = False
    if not is_object:
        raise SetupError(texts.EXTRA_IS_NO_JSON(conn_id=connection.conn_id))


@contextmanager
def translated(connection: Any) -> Iterator[None]:
    """Translate whatever making a hook or an address of a connection raises.

    :raises SetupError: names the connection and what to change in it.
    """
    from airflow.sdk.exceptions import AirflowException

    try:
        yield
    except TableroError:
        raise
    except (AirflowException, ImportError) as error:
        kind = repr(connection.conn_type)
        raise SetupError(texts.NO_DRIVER(conn_id=connection.conn_id, type=kind, words=error)) from error
    except Exception as error:  # the words of a library may quote the address, with its password
        raise SetupError(texts.CONNECTION_UNUSABLE(conn_id=connection.conn_id, error=type(error).__name__)) from error


def _require_metadata(conn_id: str) -> None:
    """Check that Airflow's metadata database answers; within a task, Airflow itself waits for it for a while.

    :raises TransientError: if it does not answer. If it cannot be asked, as in callbacks, it is assumed to answer.
    """
    from airflow.sdk import get_current_context
    from sqlalchemy.exc import SQLAlchemyError

    try:
        task = get_current_context()["ti"]
    except RuntimeError:
        task = None
    try:
        if task is not None:
            task.get_dr_count(dag_id=task.dag_id, run_ids=[task.run_id])
        else:
            _ask_metadata()
    except Exception as error:
        if task is None and not isinstance(error, SQLAlchemyError):
            return  # only Airflow's servers may query it directly
        raise TransientError(texts.METADATA_UNAVAILABLE(conn_id=conn_id, words=error)) from error


def _ask_metadata() -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import text

    with create_session() as session:
        session.execute(text("SELECT 1"))
