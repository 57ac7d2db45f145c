"""Where Airflow's configuration and connections become our objects. The only place that reads either.

Imported by the DAG files, so it imports the heavy parts only when they are asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from tablero.errors import SetupError, TransientError
from tablero.settings import Settings
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine
    from tablero.dashboard.client import Dashboard
    from tablero.source.reader import Source

SOURCE, API, OUTBOX = "tablero_source", "tablero_api", "tablero_outbox"

#: Executors that run all tasks on the scheduler's machine.
_LOCAL_EXECUTORS = {"LocalExecutor", "SequentialExecutor"}

_SECTION = "tablero"
_PREFIX = f"AIRFLOW__{_SECTION.upper()}__"


def read_settings() -> Settings:
    """The settings of section ``[tablero]``: environment, then ``airflow.cfg``, then defaults. Opens no connection.

    :raises SettingsError: names each wrong or unknown key.
    """
    keys = {*Settings.model_fields, *_keys_in_environment(), *(conf.getsection(_SECTION) or {})}
    given = {key: conf.get(_SECTION, key, fallback=None) for key in sorted(keys)}
    return Settings.read({key: value for key, value in given.items() if value is not None})


def _keys_in_environment() -> Iterator[str]:
    for name in os.environ:
        if name.startswith(_PREFIX):
            # Airflow's own ways to get a value from a command or a secrets backend.
            yield name.removeprefix(_PREFIX).lower().removesuffix("_cmd").removesuffix("_secret")


def origin_of(key: str) -> str:
    """Where the value of a setting comes from: the environment variable, ``airflow.cfg``, or its default."""
    name = f"{_PREFIX}{key.upper()}"
    for suffix in ("", "_CMD", "_SECRET"):
        if f"{name}{suffix}" in os.environ:
            return f"{name}{suffix}"
    section = conf.getsection(_SECTION) or {}
    return "airflow.cfg" if key in section else ""


def base_url() -> str:
    """Where people reach Airflow, as ``[api] base_url`` says."""
    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080")


def page_url() -> str:
    """Where Tablero's page is, for people."""
    return f"{base_url().rstrip('/')}/tablero/"


def clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(timezone.utc)


@contextmanager
def source(settings: Settings) -> Iterator[Source]:
    """The institution's database, by the connection ``tablero_source``, of any type which common-sql knows.

    :raises SetupError: if there is no such connection, it is not an SQL one, or what it needs is not installed.
    :raises TransientError: if Airflow's own database, which knows the connection, does not answer.
    """
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.sdk.exceptions import AirflowException
    from tablero.source.own_sql import load_sql
    from tablero.source.reader import Source

    connection = _connection(SOURCE)
    try:
        hook = connection.get_hook()
        if not isinstance(hook, DbApiHook):
            raise SetupError(texts.NOT_SQL(conn_id=SOURCE, type=repr(hook.conn_type)))
        if hook.conn_type == "sqlite":
            _require_file(hook.get_uri())
        engine = _source_engine(hook, connection)
    except (AirflowException, ImportError) as error:
        raise SetupError(texts.NO_DRIVER(conn_id=SOURCE, type=repr(connection.conn_type), words=error)) from error
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
    """Airflow's hook says who enters where; what else the connection says, it would leave out."""
    import sqlalchemy as sa
    from tablero.source import parameters

    arguments: dict[str, Any] = {}
    match hook.conn_type:
        case "postgres":
            address = parameters.postgresql(hook.sqlalchemy_url, connection)
        case "mysql":
            address, arguments = parameters.mysql(connection)
        case "oracle":
            address, arguments = parameters.oracle(connection)
        case _:
            engine: Engine = hook.get_sqlalchemy_engine(engine_kwargs={"hide_parameters": True})
            return engine
    return sa.create_engine(address, connect_args=arguments, hide_parameters=True)


def _require_file(url: str) -> None:
    # SQLite would make an empty database where there is none, and the error would speak of a missing view.
    import sqlalchemy as sa

    path = sa.make_url(url).database
    if path and not path.startswith("file:") and not Path(path).is_file():
        raise SetupError(texts.NO_FILE(conn_id=SOURCE, path=path))


@contextmanager
def outbox() -> Iterator[Engine]:
    """The outbox, its schema up to date: connection ``tablero_outbox``, or an SQLite file under ``AIRFLOW_HOME``.

    :raises SetupError, OutboxUnavailable: if it cannot be used.
    """
    from tablero.outbox.engine import connect, migrate

    engine = connect(outbox_url())
    try:
        migrate(engine)
        yield engine
    finally:
        engine.dispose()


def has_outbox() -> bool:
    """Whether there is an outbox, up to date; looks, and makes none.

    :raises SetupError, OutboxUnavailable: if there is no telling.
    """
    from tablero.outbox.engine import connect
    from tablero.outbox.reports.common import Readiness, readiness

    engine = connect(outbox_url())
    try:
        if engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file():
            return False  # SQLite would make an empty one
        return readiness(engine) is Readiness.READY
    finally:
        engine.dispose()


def outbox_url() -> URL:
    """SQLAlchemy's URL of the outbox, which need not exist yet.

    :raises SetupError: if the connection is of no type that could hold it, or it is SQLite and tasks run on several machines.
    :raises TransientError: if Airflow's own database, which knows the connection, does not answer.
    """
    from airflow.sdk.exceptions import AirflowNotFoundException
    from sqlalchemy import make_url

    try:
        return store_url(OUTBOX)
    except SetupError as error:
        if not isinstance(error.__cause__, AirflowNotFoundException):
            raise
        _require_one_machine()
        path = airflow_home() / "tablero" / "outbox.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        return make_url(f"sqlite:///{path}")


def store_url(conn_id: str) -> URL:
    """SQLAlchemy's URL of a connection that holds an outbox, or is to hold one.

    :raises SetupError, TransientError: as :func:`outbox_url`; also if there is no such connection.
    """
    from sqlalchemy import make_url

    connection = _connection(conn_id)
    hook = connection.get_hook()
    if hook.conn_type == "sqlite":
        _require_one_machine()
        return make_url(hook.get_uri())
    if hook.conn_type == "postgres":
        from tablero.source import parameters

        return parameters.postgresql(hook.sqlalchemy_url, connection)
    return make_url(f"{hook.conn_type}://")


def _require_one_machine() -> None:
    # Tasks on several machines would each have a file of their own, or share one over a network that cannot lock it.
    elsewhere = _executors_elsewhere()
    if elsewhere:
        raise SetupError(texts.SQLITE_ELSEWHERE(executors=", ".join(elsewhere), conn_id=OUTBOX))


def _executors_elsewhere() -> list[str]:
    # All forms of the setting: A,B  alias:A  module.path.A  A;team=B,alias:C
    entries = re.split(r"[,;]", conf.get("core", "executor"))
    names = [re.split(r"[=:.]", entry.strip())[-1] for entry in entries]
    if os.environ.get("AIRFLOW_IS_K8S_EXECUTOR_POD"):
        # Inside a task's pod the Helm chart names LocalExecutor, since that is what runs there.
        names.append("KubernetesExecutor")
    return list(dict.fromkeys(name for name in names if name and name not in _LOCAL_EXECUTORS))


def airflow_home() -> Path:
    """The folder ``AIRFLOW_HOME``."""
    return Path(os.path.expandvars(os.environ.get("AIRFLOW_HOME", "~/airflow"))).expanduser()


def dashboard(settings: Settings) -> Dashboard:
    """The dashboard's client, by the connection ``tablero_api``.

    :raises SettingsError: if X-Road is used and ``xroad_client`` is not set.
    :raises SetupError: if there is no such connection.
    """
    from tablero.dashboard.client import Dashboard

    settings.require_client()
    _connection(API)
    return Dashboard(settings, API, clock=clock)


def _connection(conn_id: str) -> Any:
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        # Airflow 3.3 says so too while its database does not answer. An outbox on PostgreSQL that seemed to be missing would
        # be taken for a file, in which nothing has been delivered yet.
        _require_metadata(conn_id)
    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise SetupError(texts.NO_CONNECTION(conn_id=conn_id, variable=f"AIRFLOW_CONN_{conn_id.upper()}")) from error


def _require_metadata(conn_id: str) -> None:
    """See that Airflow's own database answers; in a task, Airflow itself waits a little for it.

    :raises TransientError: if it does not. Where there is no way to ask it, as in callbacks, it is taken to answer.
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
            return  # only Airflow's servers may ask it themselves
        raise TransientError(texts.METADATA_AWAY(conn_id=conn_id, words=error)) from error


def _ask_metadata() -> None:
    from airflow.utils.session import create_session
    from sqlalchemy import text

    with create_session() as session:
        session.execute(text("SELECT 1"))


def retry_arguments(settings: Settings) -> dict[str, Any]:
    """The retry settings that stand on every task, as arguments of an operator."""
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
    """Refuse parameters which the DAG does not have; Airflow lets them pass.

    :raises ParameterError: names them.
    """
    from tablero.errors import ParameterError

    unknown = sorted(set(given or ()) - set(known))
    if unknown:
        raise ParameterError(texts.UNKNOWN_PARAMETER(unknown=", ".join(unknown), known=", ".join(known)))
