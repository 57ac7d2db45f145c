"""Reports to OpenLineage what a task reads and where it sends, if Airflow's provider for it is installed.

The provider ignores assets whose scheme it has no rule for, https and sqlite among them. It does report its own datasets, which
it reads from a task's inlets and outlets once the task has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa
from airflow.sdk import get_current_context
from sqlalchemy.engine import URL, Engine
from tablero.texts import airflow as texts

log = logging.getLogger(__name__)

#: By SQLAlchemy's name of a database: OpenLineage's scheme, and the port that is meant where none is named.
_SCHEMES = {
    "postgresql": ("postgres", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
    "mssql": ("mssql", 1433),
    "oracle": ("oracle", 1521),
}

_PORTS = {"http": 80, "https": 443}


class Dataset(NamedTuple):
    """How OpenLineage names what data comes from or goes to. Holds no user, no password and no query of a URL.

    :ivar namespace: the server.
    :ivar name: what is meant of it.
    """

    namespace: str
    name: str


def reads(engine: Engine, table: str | None) -> None:
    """The task that is running reads the institution's database. Never fails.

    :param engine: of the source.
    :param table: the view, with its schema if need be; ``None`` where the institution's own query is read, whose tables are
        not known: then the whole database stands for them.
    """
    _add("inlets", lambda: dataset_of_source(engine.url, table, _default_schema(engine)))


def sends(url: str) -> None:
    """The task that is running sends to the dashboard. Never fails.

    :param url: where batches are posted.
    """
    _add("outlets", lambda: dataset_of_dashboard(url))


def dataset_of_source(url: URL, table: str | None, default_schema: str | None = None) -> Dataset:
    """A view of a database, or the database: for SQLite, its file.

    :param default_schema: where the database looks for a table that is named without a schema, if that is known.
    """
    kind = url.get_backend_name()
    if kind == "sqlite":
        return Dataset("file", url.database or ":memory:")
    scheme, port = _SCHEMES.get(kind, (kind, None))
    database = url.database or url.query.get("service_name")
    schema, _, name = (table or "").rpartition(".")
    if scheme == "mysql":  # its schemas are its databases
        path = [schema or database, name]
    elif "." in schema:  # the database is named too
        path = [schema, name]
    else:
        path = [database, schema or (default_schema if name else ""), name]
    return Dataset(f"{scheme}://{_authority(url.host, url.port or port)}", ".".join(str(part) for part in path if part))


def dataset_of_dashboard(url: str) -> Dataset:
    """The service that batches are posted to."""
    parts = urlsplit(url)
    return Dataset(f"{parts.scheme}://{_authority(parts.hostname, parts.port or _PORTS.get(parts.scheme))}", parts.path)


def _authority(host: str | None, port: int | None) -> str:
    if not host or host.startswith("/"):  # the folder of a socket
        host = "localhost"
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name


def _default_schema(engine: Engine) -> str | None:
    # The connection is the one that will be read from: the pool keeps it.
    return sa.inspect(engine).default_schema_name


def _add(end: str, find: Callable[[], Dataset]) -> None:
    try:
        from openlineage.client.event_v2 import Dataset as OpenLineageDataset
    except ImportError:
        return
    try:
        task = get_current_context()["task"]
        found = find()
        # A list of the task's own: the one of the DAG may be shared.
        setattr(task, end, [*getattr(task, end), OpenLineageDataset(namespace=found.namespace, name=found.name)])
    except Exception as error:  # lineage is an extra: it must not fail the task
        log.warning("%s", texts.NOT_REPORTED(end=end, error=type(error).__name__))
