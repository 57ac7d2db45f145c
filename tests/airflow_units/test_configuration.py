"""The location of the outbox: not a file, if tasks run on several machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from tablero.airflow import configuration
from tablero.delivery.preflight import Level, inspect
from tablero.errors import SetupError
from tablero.settings import Settings

LOCAL = (
    "LocalExecutor",
    " LocalExecutor ",
    "mine:LocalExecutor",
    "airflow.executors.local_executor.LocalExecutor",
    "LocalExecutor;team1=LocalExecutor,mine:airflow.executors.local_executor.LocalExecutor",
)
ELSEWHERE = (
    ("CeleryExecutor", "CeleryExecutor"),
    ("KubernetesExecutor", "KubernetesExecutor"),
    ("LocalExecutor,CeleryExecutor", "CeleryExecutor"),
    ("LocalExecutor, edge:airflow.providers.edge3.executors.EdgeExecutor", "EdgeExecutor"),
    ("LocalExecutor;team1=CeleryExecutor,mine:KubernetesExecutor", "CeleryExecutor, KubernetesExecutor"),
    ("LocalExecutor,far:institution.executors.Own", "Own"),
)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder of Airflow without an outbox."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", ["casa de ñandú", "50%_?x=1#y"])
def test_a_home_with_any_characters(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of the file is taken as it is, not as a part of an address."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / name))
    with configuration.outbox():
        assert [path.name for path in (tmp_path / name / "tablero").glob("*.db")] == ["outbox.db"]


@pytest.mark.parametrize("executor", LOCAL)
def test_a_file_on_one_machine(executor: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection the outbox is a file, if all tasks run on the scheduler's machine."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    assert configuration.outbox_url().database == str(home / "tablero" / "outbox.db")


def test_only_who_opens_it_makes_its_folder(home: Path) -> None:
    """Asking where the outbox is, as ``status`` and the page do, writes nothing; opening it creates what is missing."""
    configuration.outbox_url()
    assert configuration.has_outbox() is False
    assert list(home.iterdir()) == []
    with configuration.outbox():
        assert (home / "tablero" / "outbox.db").is_file()


@pytest.mark.parametrize("connection", [None, "sqlite:////tmp/shared/outbox.db"])
@pytest.mark.parametrize(("executor", "named"), ELSEWHERE)
def test_a_file_and_several_machines(
    executor: str, named: str, connection: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is refused before it is created; the error names what runs tasks elsewhere and what to do."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_TABLERO_OUTBOX", connection)
    for opener in (configuration.outbox_url, configuration.outbox().__enter__):
        with pytest.raises(SetupError) as error:
            opener()
        assert f"SQLite file, and {named} may run tasks on several machines" in str(error.value)
        assert "create a connection tablero_outbox to a PostgreSQL database" in str(error.value)
    assert list(home.iterdir()) == []


def test_a_file_in_a_pod(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pod of KubernetesExecutor, where the Helm chart sets LocalExecutor, a file would be lost with the pod."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    monkeypatch.setenv("AIRFLOW_IS_K8S_EXECUTOR_POD", "True")
    with pytest.raises(SetupError, match="KubernetesExecutor"):
        configuration.outbox_url()


def test_a_server_and_several_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL can be shared by several machines."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW_CONN_TABLERO_OUTBOX", "postgresql://outbox:secret@db/outbox")
    assert configuration.outbox_url().host == "db"


def test_preflight_tells(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preflight fails permanently before anything is read or sent."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")

    def no_source() -> None:
        raise SetupError("not of interest here")

    findings = inspect(
        Settings.read({}),
        source=no_source,  # type: ignore[arg-type]
        outbox=configuration.outbox,
        dashboard=None,
        clock=configuration.clock,
    )
    (finding,) = (one for one in findings if one.check == "outbox")
    assert (finding.level, finding.transient) == (Level.FAILED, False)
    assert "CeleryExecutor" in str(finding.text)
