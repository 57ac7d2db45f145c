"""An Airflow that is too old: pip leaves it alone, and files that were copied into it say in one sentence what is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides.blocks import commands
from tests.package.environments import Environment, build_wheel

#: The last release before 3.3 and the last before 3, each with the packages of its time: there are no constraints to be had.
OLDER = {"3.2.2": "2026-06-15", "2.11.2": "2026-04-01"}


@pytest.fixture(scope="module", params=OLDER)
def version(request: pytest.FixtureRequest) -> str:
    """A version of Airflow that is too old."""
    return str(request.param)


@pytest.fixture(scope="module")
def airflow(version: str, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An Airflow of that version."""
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install(f"apache-airflow=={version}", "--exclude-newer", OLDER[version])
    return made


@pytest.fixture(scope="module")
def home(airflow: Environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Its home, into which the package was copied as docs/install.md says."""
    variables = {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("home")), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    airflow.run("airflow", "db", "migrate", variables=variables)
    airflow.type_in(commands("docs/install.md", "By copying files")[0], variables)
    return variables


def needs(version: str) -> str:
    return f"Tablero needs Airflow 3.3 or newer; this is Airflow {version}."


def test_the_wheel_is_not_installed(airflow: Environment, home: dict[str, str], tmp_path: Path) -> None:
    """The install line of the README fails, names Airflow, and changes nothing."""
    build_wheel(tmp_path / "dist")
    before = airflow.installed()
    with pytest.raises(RuntimeError, match=r"apache-airflow>=3\.3"):
        airflow.type_in(commands("README.md", "Install")[0], home, tmp_path)
    assert airflow.installed() == before


def test_the_dag_files(airflow: Environment, home: dict[str, str], version: str) -> None:
    """Each DAG file is an import error that ends with that sentence."""
    airflow.type_in("airflow dags reserialize || true", home)
    said = airflow.type_in("airflow dags list-import-errors --output json || true", home)
    assert " ".join(said.split()).count(needs(version)) == 2, said


def test_the_plugin(airflow: Environment, home: dict[str, str], version: str) -> None:
    """The plugin is not loaded, and the sentence stands in the log of whatever part of Airflow tries to."""
    said = airflow.type_in('python -c "from airflow import plugins_manager as p; p.ensure_plugins_loaded()" 2>&1', home)
    assert needs(version) in said, said
    assert airflow.run("airflow", "plugins", variables=home).strip() == "No plugins loaded"
