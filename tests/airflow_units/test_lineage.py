"""Lineage for OpenLineage: which view a task reads, to which service it sends, and no secret."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from tablero.airflow import lineage
from tablero.airflow.lineage import Dataset, dataset_of_dashboard, dataset_of_source
from tablero.texts import airflow as texts

TABLE = "tablero_status_changes"
SERVICE = "https://tablero:s3cret@ss.example.gob.do/api/load"


@pytest.mark.parametrize(
    ("url", "table", "schema", "expected"),
    [
        (
            "postgresql+psycopg://tablero:s3cret@db.example.gob.do/solicitudes?sslmode=require",
            TABLE,
            "public",
            Dataset("postgres://db.example.gob.do:5432", f"solicitudes.public.{TABLE}"),
        ),
        (
            "postgresql+psycopg2://tablero:s3cret@db.example.gob.do:6432/solicitudes",
            f"reports.{TABLE}",
            "public",
            Dataset("postgres://db.example.gob.do:6432", f"solicitudes.reports.{TABLE}"),
        ),
        (
            "mysql+pymysql://tablero:s3cret@db.example.gob.do/solicitudes?charset=utf8mb4",
            TABLE,
            "solicitudes",
            Dataset("mysql://db.example.gob.do:3306", f"solicitudes.{TABLE}"),
        ),
        (
            "mariadb+pymysql://tablero:s3cret@db.example.gob.do/solicitudes",
            f"reports.{TABLE}",
            "solicitudes",
            Dataset("mysql://db.example.gob.do:3306", f"reports.{TABLE}"),
        ),
        (
            "mssql+pymssql://tablero:s3cret@db.example.gob.do/solicitudes",
            TABLE,
            "dbo",
            Dataset("mssql://db.example.gob.do:1433", f"solicitudes.dbo.{TABLE}"),
        ),
        (
            "mssql+pymssql://tablero:s3cret@db.example.gob.do/solicitudes",
            f"archive.dbo.{TABLE}",
            "dbo",
            Dataset("mssql://db.example.gob.do:1433", f"archive.dbo.{TABLE}"),
        ),
        (
            "oracle+oracledb://tablero:s3cret@db.example.gob.do?service_name=FREEPDB1",
            f"REPORTS.{TABLE}",
            None,
            Dataset("oracle://db.example.gob.do:1521", f"FREEPDB1.REPORTS.{TABLE}"),
        ),
        ("postgresql:///solicitudes", TABLE, None, Dataset("postgres://localhost:5432", f"solicitudes.{TABLE}")),
        ("postgresql://[2001:db8::1]/solicitudes", None, "public", Dataset("postgres://[2001:db8::1]:5432", "solicitudes")),
        ("db2://tablero:s3cret@db.example.gob.do/X", TABLE, None, Dataset("db2://db.example.gob.do", f"X.{TABLE}")),
        ("sqlite:////srv/institution.db", TABLE, "main", Dataset("file", "/srv/institution.db")),
    ],
)
def test_dataset_of_source(url: str, table: str | None, schema: str | None, expected: Dataset) -> None:
    """The source is named by OpenLineage's rules, as by other tools; for an own query it is the whole database."""
    assert dataset_of_source(make_url(url), table, schema) == expected


def test_dataset_behind_a_socket() -> None:
    """A source behind a socket is on this machine."""
    url = URL.create("postgresql", host="/var/run/postgresql", database="solicitudes")
    assert dataset_of_source(url, TABLE, "public") == Dataset("postgres://localhost:5432", f"solicitudes.public.{TABLE}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://tablero:s3cret@ss.example.gob.do/r1/DO/GOB/CNC/M/I/api/load?key=s3cret",
            Dataset("https://ss.example.gob.do:443", "/r1/DO/GOB/CNC/M/I/api/load"),
        ),
        ("http://ss.example.gob.do:8080/api/load", Dataset("http://ss.example.gob.do:8080", "/api/load")),
    ],
)
def test_dataset_of_dashboard(url: str, expected: Dataset) -> None:
    """The dashboard is named by the security server and the path of the service."""
    assert dataset_of_dashboard(url) == expected


@dataclass(frozen=True)
class Told:
    """A stand-in for OpenLineage's own dataset."""

    namespace: str
    name: str


# Each module by itself: patch.dict would also forget whatever else is imported meanwhile, such as a driver. Imported once more,
# that has other errors, which nobody catches who has the first ones.


@pytest.fixture
def openlineage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of OpenLineage's client that are used."""
    module = ModuleType("openlineage.client.event_v2")
    vars(module)["Dataset"] = Told
    for name in ("openlineage", "openlineage.client"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.fixture
def no_openlineage(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenLineage is not installed."""
    for name in ("openlineage", "openlineage.client", "openlineage.client.event_v2"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def task() -> Iterator[SimpleNamespace]:
    """The task that is running."""
    from airflow.sdk.execution_time.context import set_current_context

    running = SimpleNamespace(inlets=["an inlet"], outlets=["an outlet"])
    with set_current_context({"task": running}):  # type: ignore[typeddict-item]
        yield running


@pytest.mark.usefixtures("openlineage")
def test_reported_for_the_running_task(task: SimpleNamespace) -> None:
    """Datasets are added to those of the running task, without changing lists that the DAG may share."""
    inlets, outlets = task.inlets, task.outlets
    lineage.report_input(sa.create_engine("sqlite://"), TABLE)
    lineage.report_output(SERVICE)
    assert task.inlets == ["an inlet", Told("file", ":memory:")]
    assert task.outlets == ["an outlet", Told("https://ss.example.gob.do:443", "/api/load")]
    assert (inlets, outlets) == (["an inlet"], ["an outlet"])


@pytest.mark.usefixtures("no_openlineage")
def test_without_openlineage(task: SimpleNamespace) -> None:
    """Without OpenLineage nothing is queried, changed or logged."""
    lineage.report_input(None, TABLE)  # type: ignore[arg-type]
    lineage.report_output("")
    assert vars(task) == {"inlets": ["an inlet"], "outlets": ["an outlet"]}


@pytest.mark.usefixtures("openlineage", "task")
def test_a_database_that_does_not_answer(caplog: pytest.LogCaptureFixture) -> None:
    """If the database does not answer, the task continues with a warning that contains no secret."""
    with socket.socket() as bound, caplog.at_level(logging.WARNING):
        bound.bind(("127.0.0.1", 0))  # bound but not listening
        port = bound.getsockname()[1]
        lineage.report_input(sa.create_engine(f"postgresql+psycopg://tablero:s3cret@127.0.0.1:{port}/solicitudes"), TABLE)
    assert caplog.messages == [str(texts.NOT_REPORTED(end="inlets", error="OperationalError"))]


@pytest.mark.usefixtures("openlineage")
def test_outside_of_a_task(caplog: pytest.LogCaptureFixture) -> None:
    """Outside of a task there is nothing to report, which is no failure."""
    with caplog.at_level(logging.WARNING):
        lineage.report_output(SERVICE)
    assert caplog.messages == [str(texts.NOT_REPORTED(end="outlets", error="RuntimeError"))]
