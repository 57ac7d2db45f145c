"""Turns Airflow's configuration and connections into our objects. Only this module and ``connections`` read either.

DAG files import it, so it imports heavy modules only within functions.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import conf
from tablero.airflow.connections import lookup
from tablero.airflow.connections.lookup import API, OUTBOX
from tablero.airflow.connections.outbox import address_of, require_one_machine
from tablero.airflow.connections.source import source_engine
from tablero.settings import Settings, is_indirect
from tablero.texts import airflow as texts

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine
    from tablero.airflow.alerts.budget import Budget
    from tablero.dashboard.client import Dashboard
    from tablero.source.reader import Source

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
    from tablero.source.own_sql import load_sql
    from tablero.source.reader import Source

    engine = source_engine()
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

    connection = lookup.find(OUTBOX)
    if connection is not None:
        return address_of(connection)
    require_one_machine()
    return URL.create("sqlite", database=str(_own_file()))  # whatever characters the path has


def _own_file() -> Path:
    """The file of the outbox if there is no connection to one."""
    return airflow_home() / "tablero" / "outbox.db"


def store_url(conn_id: str) -> URL:
    """The SQLAlchemy URL of a connection that holds an outbox, or will hold one.

    :raises SetupError, TransientError: as :func:`outbox_url`; also if there is no such connection.
    """
    return address_of(lookup.require(conn_id))


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
    with lookup.translated(lookup.require(API)):
        return Dashboard(settings, API, clock=clock)


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
