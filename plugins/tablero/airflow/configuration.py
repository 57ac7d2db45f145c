"""Turns Airflow's configuration and connections into our objects. The only module that reads either.

DAG files import it, so it imports heavy modules only within functions.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from tablero.errors import SetupError, TableroError, TransientError
from tablero.settings import Settings, is_indirect
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine
    from tablero.airflow.alerts.budget import Budget
    from tablero.dashboard.client import Dashboard
    from tablero.source.reader import Source

SOURCE, API, OUTBOX = "tablero_source", "tablero_api", "tablero_outbox"

#: Executors whose tasks all run on the scheduler's machine.
_LOCAL_EXECUTORS = {"LocalExecutor", "SequentialExecutor"}

_SECTION = "tablero"
_PREFIX = f"AIRFLOW__{_SECTION.upper()}__"


def read_settings() -> Settings:
    """The settings of section ``[tablero]``: environment, then ``airflow.cfg``, then defaults. Reads no connection.

    :raises SettingsError: names each wrong or unknown key.
    """
    keys = {*Settings.model_fields, *_keys_in_environment()}
    if not any(map(is_indirect, keys)):  # for which Airflow itself fails, with an error that names no variable
        keys.update(conf.getsection(_SECTION) or {})
    given = {key: conf.get(_SECTION, key, fallback=None) for key in sorted(keys)}
    return Settings.read({key: value for key, value in given.items() if value is not None})


def _keys_in_environment() -> Iterator[str]:
    for name in os.environ:
        if name.startswith(_PREFIX):
            yield name.removeprefix(_PREFIX).lower()


def origin_of(key: str) -> str:
    """Where the value of a setting comes from: an environment variable or ``airflow.cfg``; empty for its default."""
    name = f"{_PREFIX}{key.upper()}"
    if name in os.environ:
        return name
    section = conf.getsection(_SECTION) or {}
    return "airflow.cfg" if key in section else ""


def base_url() -> str:
    """The address at which people reach Airflow: ``[api] base_url``."""
    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080")


def page_url() -> str:
    """The address of Tablero's page."""
    return f"{base_url().rstrip('/')}/tablero/"


def callback_limit() -> float:
    """Seconds after which Airflow kills a process of its dag-processor, where the callbacks of runs are called."""
    return float(conf.getint("dag_processor", "dag_file_processor_timeout", fallback=50))


def callback_budget() -> Budget:
    """The time that is left for a callback of a run."""
    import time

    import psutil  # type: ignore[import-untyped]
    from tablero.airflow.alerts.budget import Budget

    limit = callback_limit()
    used = time.time() - psutil.Process().create_time()
    # An older process is none of the dag-processor's.
    return Budget(limit, used if used < limit else 0.0)


def clock() -> datetime:
    """The current time, in UTC."""
    return datetime.now(timezone.utc)


@contextmanager
def source(settings: Settings) -> Iterator[Source]:
    """The institution's database: connection ``tablero_source``, of any type that common-sql supports.

    :raises SetupError: if the connection does not exist or is not an SQL connection, or its driver is not installed.
    :raises TransientError: if Airflow's metadata database does not answer.
    """
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from tablero.source.own_sql import load_sql
    from tablero.source.reader import Source

    connection = _connection(SOURCE)
    with _translated(connection):
        hook = connection.get_hook()
        if not isinstance(hook, DbApiHook):
            raise SetupError(texts.NOT_SQL(conn_id=SOURCE, type=repr(hook.conn_type)))
        if hook.conn_type == "sqlite":
            _require_file(hook.get_uri())
        engine = _source_engine(hook, connection)
    try:
        yield Source(
            engine,
            table=settings.source_table,
            sql=load_sql(settings.source_sql),
            zone=settings.source_zone,
            day_zone=settings.timezone,
        )
    finally:
        engine.dispose()


def _source_engine(hook: Any, connection: Any) -> Engine:
    """Airflow's hook resolves the credentials, but drops other parameters of the connection; those are added here."""
    import sqlalchemy as sa
    from tablero.source import parameters

    arguments: dict[str, Any] = {}
    match hook.conn_type:
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


def _require_file(url: str) -> None:
    # SQLite would create an empty database, and the error would then be about a missing view.
    import sqlalchemy as sa

    path = sa.make_url(url).database
    if path and not path.startswith("file:") and not Path(path).is_file():
        raise SetupError(texts.NO_FILE(conn_id=SOURCE, path=path))


@contextmanager
def outbox() -> Iterator[Engine]:
    """The outbox with an up-to-date schema: connection ``tablero_outbox``, or an SQLite file under ``AIRFLOW_HOME``.

    :raises SetupError, OutboxUnavailable: if it cannot be used.
    """
    from tablero.outbox.engine import connect
    from tablero.outbox.upgrade import migrate

    url = outbox_url()
    if url.database == str(_own_file()):
        _own_file().parent.mkdir(parents=True, exist_ok=True)
    engine = connect(url)
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def has_outbox() -> bool:
    """Whether there is an outbox with an up-to-date schema; creates none.

    :raises SetupError, OutboxUnavailable: if it cannot be determined.
    """
    from tablero.outbox.engine import connect
    from tablero.outbox.reports.snapshot import Readiness, readiness

    engine = connect(outbox_url())
    try:
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
            return False  # connecting would create an empty file
        return readiness(engine) is Readiness.READY
    finally:
        engine.dispose()


def outbox_url() -> URL:
    """The SQLAlchemy URL of the outbox, which need not exist yet, nor the folder of its file.

    :raises SetupError: if the type of the connection is unsupported, or it is SQLite and tasks run on several machines.
    :raises TransientError: if Airflow's metadata database does not answer.
    """
    from sqlalchemy import URL

    connection = _find_connection(OUTBOX)
    if connection is not None:
        return _store_url(connection)
    _require_one_machine()
    return URL.create("sqlite", database=str(_own_file()))  # whatever characters the path has


def _own_file() -> Path:
    """The file of the outbox if there is no connection to one."""
    return airflow_home() / "tablero" / "outbox.db"


def store_url(conn_id: str) -> URL:
    """The SQLAlchemy URL of a connection that holds an outbox, or will hold one.

    :raises SetupError, TransientError: as :func:`outbox_url`; also if there is no such connection.
    """
    return _store_url(_connection(conn_id))


def _store_url(connection: Any) -> URL:
    from sqlalchemy import make_url

    with _translated(connection):
        hook = connection.get_hook()
        if hook.conn_type == "sqlite":
            _require_one_machine()
            return make_url(hook.get_uri())
        if hook.conn_type == "postgres":
            from tablero.source import parameters

            return parameters.postgresql(hook.sqlalchemy_url, connection)
        return make_url(f"{hook.conn_type}://")


def _require_one_machine() -> None:
    # Tasks on several machines would each use their own file, or share one over a network file system that cannot lock it.
    elsewhere = _executors_elsewhere()
    if elsewhere:
        raise SetupError(texts.SQLITE_ELSEWHERE(executors=", ".join(elsewhere), conn_id=OUTBOX))


def _executors_elsewhere() -> list[str]:
    # All forms of the setting: A,B  alias:A  module.path.A  A;team=B,alias:C
    entries = re.split(r"[,;]", conf.get("core", "executor"))
    names = [re.split(r"[=:.]", entry.strip())[-1] for entry in entries]
    if os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD"):
        # In the pod of a task the Helm chart sets LocalExecutor, which is what runs there.
        names.append("KubernetesExecutor")
    return list(dict.fromkeys(name for name in names if name and name not in _LOCAL_EXECUTORS))


def airflow_home() -> Path:
    """The folder ``AIRFLOW_HOME``."""
    return Path(os.path.expandvars(os.environ.get("AIRFLOW_HOME", "~/airflow"))).expanduser()


def dashboard(settings: Settings) -> Dashboard:
    """The client of the dashboard: connection ``tablero_api``.

    :raises SettingsError: if X-Road is used and ``xroad_client`` is not set.
    :raises SetupError: if there is no such connection.
    """
    from tablero.dashboard.client import Dashboard

    settings.require_client()
    with _translated(_connection(API)):
        return Dashboard(settings, API, clock=clock)


def _connection(conn_id: str) -> Any:
    """A connection.

    :raises SetupError: if there is none, or its Extra is no JSON object.
    :raises TransientError: if Airflow's metadata database does not answer.
    """
    found = _find_connection(conn_id)
    if found is None:
        raise SetupError(texts.NO_CONNECTION(conn_id=conn_id, variable=_variable(conn_id)))
    return found


def _find_connection(conn_id: str) -> Any | None:
    """The same; ``None`` if there is none."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        # Airflow 3.3 raises this also for a variable that it cannot read, and while its database does not answer. A PostgreSQL
        # outbox that seems to be missing would be replaced by a new SQLite file, in which nothing has been delivered.
        if os.environ.get(_variable(conn_id)):
            raise SetupError(texts.VARIABLE_UNREADABLE(conn_id=conn_id, variable=_variable(conn_id))) from None
        _require_metadata(conn_id)
        try:
            found = BaseHook.get_connection(conn_id)
        except AirflowNotFoundException:
            return None
    _require_json(found)
    return found


def _variable(conn_id: str) -> str:
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
def _translated(connection: Any) -> Iterator[None]:
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


def retry_arguments(settings: Settings) -> dict[str, Any]:
    """The retry settings of every task, as operator arguments."""
    from datetime import timedelta

    from tablero.airflow.retries import TableroRetryPolicy

    return {
        "retries": settings.retries,
        "retry_delay": timedelta(seconds=settings.retry_delay),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(seconds=settings.max_retry_delay),
        "retry_policy": TableroRetryPolicy(
            settings.retries, settings.retry_delay, settings.max_retry_delay, settings.xroad_client or settings.api_path
        ),
    }


def refuse_unknown(given: Collection[str] | None, known: Collection[str]) -> None:
    """Refuse parameters that the DAG does not have, which Airflow lets through.

    :raises ParameterError: names them.
    """
    from tablero.errors import ParameterError

    unknown = sorted(set(given or ()) - set(known))
    if unknown:
        raise ParameterError(texts.UNKNOWN_PARAMETER(unknown=", ".join(unknown), known=", ".join(known)))
