"""Reports to OpenLineage what a task reads and where it sends, if Airflow's OpenLineage provider is installed.

The provider ignores assets with a scheme it has no rule for, such as https and sqlite. It does report its own dataset objects,
which it collects from a task's inlets and outlets after the task has ended.
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

#: By SQLAlchemy's backend name: OpenLineage's scheme and the default port.
_SCHEMES = {
    "postgresql": ("postgres", 5432),
    "mysql": ("mysql", 3306),
    "mariadb": ("mysql", 3306),
    "mssql": ("mssql", 1433),
    "oracle": ("oracle", 1521),
}

_PORTS = {"http": 80, "https": 443}


class Dataset(NamedTuple):
    """OpenLineage's name of a dataset. Contains no user, password or query string.

    :ivar namespace: the server.
    :ivar name: the table, database or service on it.
    """

    namespace: str
    name: str


def report_input(engine: Engine, table: str | None) -> None:
    """Record that the current task reads the institution's database. Never raises.

    :param engine: of the source.
    :param table: the view, with its schema if it has one; ``None`` if a custom query is read, whose tables are unknown: the
        whole database is reported then.
    """
    _add("inlets", lambda: dataset_of_source(engine.url, table, _default_schema(engine)))


def report_output(url: str) -> None:
    """Record that the current task sends to the dashboard. Never raises.

    :param url: where batches are posted.
    """
    _add("outlets", lambda: dataset_of_dashboard(url))


def dataset_of_source(url: URL, table: str | None, default_schema: str | None = None) -> Dataset:
    """The dataset of a view or of a whole database; for SQLite, of its file.

    :param default_schema: where the database looks up a table without a schema, if known.
    """
    kind = url.get_backend_name()
    if kind == "sqlite":
        return Dataset("file", url.database or ":memory:")
    scheme, port = _SCHEMES.get(kind, (kind, None))
    database = url.database or url.query.get("service_name")
    schema, _, name = (table or "").rpartition(".")
    if scheme == "mysql":  # a schema of MySQL is a database
        path = [schema or database, name]
    elif "." in schema:  # includes the database
        path = [schema, name]
    else:
        path = [database, schema or (default_schema if name else ""), name]
    return Dataset(f"{scheme}://{_authority(url.host, url.port or port)}", ".".join(str(part) for part in path if part))


def dataset_of_dashboard(url: str) -> Dataset:
    """The dataset of the service that batches are posted to."""
    parts = urlsplit(url)
    return Dataset(f"{parts.scheme}://{_authority(parts.hostname, parts.port or _PORTS.get(parts.scheme))}", parts.path)


def _authority(host: str | None, port: int | None) -> str:
    if not host or host.startswith("/"):  # the directory of a Unix socket
        host = "localhost"
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name


def _default_schema(engine: Engine) -> str | None:
    # Uses the pooled connection that the reader uses next.
    return sa.inspect(engine).default_schema_name


def _add(end: str, find: Callable[[], Dataset]) -> None:
    try:
        from openlineage.client.event_v2 import Dataset as OpenLineageDataset
    except ImportError:
        return
    try:
        task = get_current_context()["task"]
        found = find()
        # A new list: the existing one may be shared with the DAG.
        setattr(task, end, [*getattr(task, end), OpenLineageDataset(namespace=found.namespace, name=found.name)])
    except Exception as error:  # lineage is an extra: it must not fail the task
        log.warning("%s", texts.NOT_REPORTED(end=end, error=type(error).__name__))
