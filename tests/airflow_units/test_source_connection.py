"""A missing provider or driver of the source's connection type is named, without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from tablero.airflow import configuration
from tablero.errors import SetupError
from tablero.settings import Settings


def test_a_type_without_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type without its provider is named, for example mysql:// in an Airflow without that provider."""
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_SOURCE", "nosuchdb://tablero@db.example.gob.do/solicitudes")
    with (
        pytest.raises(SetupError, match=r"of type 'nosuchdb', whose provider or driver is not installed .*docs/dba\.md"),
        configuration.source(Settings()),
    ):
        pass


def test_a_type_without_its_driver(monkeypatch: pytest.MonkeyPatch, mocker: MockerFixture) -> None:
    """A type whose provider is installed without its driver is named."""
    import sqlalchemy

    def broken(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'MySQLdb'")

    mocker.patch.object(sqlalchemy, "create_engine", broken)
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_SOURCE", "postgresql://tablero@db.example.gob.do/solicitudes")
    with pytest.raises(SetupError, match=r"is not installed \(No module named 'MySQLdb'"), configuration.source(Settings()):
        pass


@pytest.mark.parametrize("conn_id", ["TABLERO_SOURCE", "TABLERO_OUTBOX"])
def test_a_connection_that_asks_for_tls(monkeypatch: pytest.MonkeyPatch, conn_id: str) -> None:
    """Parameters after the ``?`` are part of the address that SQLAlchemy uses."""
    address = "postgresql://tablero@db.example.gob.do/solicitudes?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem"
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id}", address)
    if conn_id == "TABLERO_SOURCE":
        with configuration.source(Settings()) as source:
            found = source.engine.url
    else:
        found = configuration.outbox_url()
    assert dict(found.query) == {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}


def test_a_type_that_is_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names a type that is not a database."""
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_SOURCE", "http://db.example.gob.do")
    with pytest.raises(SetupError, match="of type 'http', which is not an SQL database"), configuration.source(Settings()):
        pass


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A missing file is not created."""
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_SOURCE", f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(SetupError, match=r"there is no SQLite file .*none\.db"), configuration.source(Settings()):
        pass
    assert list(tmp_path.iterdir()) == []
