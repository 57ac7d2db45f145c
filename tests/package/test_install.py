"""The wheel in Airflows that have never heard of us: what it changes, what shows it, and whether it loads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
import tablero
from tablero.settings import Settings

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.dashboard import once
from tests.airflow.institution import Change, Institution
from tests.package.environments import Environment, airflows, build_wheel

#: What the world had when Airflow 3.3.1 was three weeks old: the registry knows no constraints, but it knows dates.
OF_ITS_TIME = ("apache-airflow==3.3.1", "--exclude-newer", "2026-08-20")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module", params=["3.3.1 of its time", "newest"])
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A bare Airflow: nothing but what it asks for itself."""
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install(*(OF_ITS_TIME if request.param != "newest" else (f"apache-airflow=={airflows()[-1]}", "--prerelease=allow")))
    return made


@pytest.fixture(scope="module")
def before(airflow: Environment) -> dict[str, str]:
    """What was installed before ours."""
    return airflow.installed()


@pytest.fixture(scope="module")
def installed(airflow: Environment, before: dict[str, str], wheel: Path) -> Environment:
    """As the README says, without its constraints, which would hide what we ask for."""
    airflow.run("pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    return airflow


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """The dashboard behind its security server."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as handle:
        yield handle


@pytest.fixture(scope="module")
def institution(tmp_path_factory: pytest.TempPathFactory) -> Institution:
    """The institution's database."""
    return Institution(tmp_path_factory.mktemp("institution") / "institution.db", ZoneInfo("America/Santo_Domingo"))


@pytest.fixture(scope="module")
def home(sandbox: Handle, institution: Institution, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables of an Airflow with both connections."""
    folder = tmp_path_factory.mktemp("home")
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_TABLERO_SOURCE": f"sqlite:///{institution.path}",
        "AIRFLOW_CONN_TABLERO_API": sandbox.url,
        "AIRFLOW__TABLERO__XROAD_CLIENT": DEFAULT_CLIENT,
    }


def test_it_changes_no_installed_version(installed: Environment, before: dict[str, str]) -> None:
    """Only what was missing is added."""
    after = installed.installed()
    assert {name: after.get(name) for name in before} == before
    assert after["tablero"] == tablero.__version__


def test_airflow_lists_the_plugin(installed: Environment, home: dict[str, str]) -> None:
    """With its page and its timetable, under the names of the DAG files."""
    (plugin,) = orjson.loads(installed.run("airflow", "plugins", "--output", "json", variables=home))
    assert plugin["name"] == "tablero"
    assert "tablero.airflow.timetable.CivilDayTimetable" in str(plugin["timetables"])
    assert "/tablero" in str(plugin["fastapi_apps"])


def test_airflow_lists_the_provider(installed: Environment, home: dict[str, str]) -> None:
    """By its name and version."""
    providers = orjson.loads(installed.run("airflow", "providers", "list", "--output", "json", variables=home))
    versions = {one["package_name"]: one["version"] for one in providers}
    assert versions["tablero"] == tablero.__version__


def test_airflow_knows_every_setting(installed: Environment, home: dict[str, str]) -> None:
    """With default and meaning; and its defaults are the settings' own."""
    words = ["config", "list", "--section", "tablero", "--include-descriptions", "--show-values", "--defaults"]
    listed = installed.run("airflow", *words, variables=home)
    assert re.findall(r"^#? ?(\w+) =", listed, re.MULTILINE) == list(Settings.model_fields)
    assert "America/Santo_Domingo" in listed
    code = "from tablero.airflow.configuration import read_settings as r; from tablero.settings import Settings as S"
    variables = {name: value for name, value in home.items() if "TABLERO" not in name}
    assert installed.run("python", "-c", f"{code}; print(r() == S())", variables=variables).endswith("True\n")


def test_it_tells_its_version(installed: Environment, home: dict[str, str]) -> None:
    """As a program of its own."""
    assert tablero.__version__ in installed.run("tablero", "version", variables=home)


def test_the_dag_files_and_a_load(
    installed: Environment, home: dict[str, str], institution: Institution, sandbox: Handle
) -> None:
    """Written into the DAGs' folder, they load: every row arrives once."""
    dags = Path(home["AIRFLOW_HOME"]) / "dags"
    installed.run("tablero", "dags", "--to", str(dags), variables=home)
    assert {path.name for path in dags.glob("*.py")} == {"historical_load.py", "daily_send.py"}

    now = datetime.now(institution.zone)
    changes = institution.commit(Change(f"R-{number}", now - timedelta(days=3 * number)) for number in range(1, 40))
    first = f"{now - timedelta(days=130):%Y-%m}"
    installed.run("airflow", "db", "migrate", variables=home)
    installed.run("airflow", "dags", "test", "historical_load", "--conf", f'{{"start_month": "{first}"}}', variables=home)
    assert sandbox.counts() == once(changes)
