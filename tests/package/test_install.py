"""The wheel in new Airflows: what it changes, what shows it, and whether it loads."""

from __future__ import annotations

import os
import re
import shutil
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
from tests.guides.blocks import commands
from tests.package.environments import Environment, airflows, build_wheel, required

#: The packages available when Airflow 3.3.1 was three weeks old, selected by date since there are no constraints.
OF_ITS_TIME = ("apache-airflow==3.3.1", "--exclude-newer", "2026-08-20")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the current tree, in a folder ``dist``."""
    return build_wheel(tmp_path_factory.mktemp("clone") / "dist")


@pytest.fixture(scope="module", params=["3.3.1 of its time", "the oldest of everything", "the newest"])
def airflow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    """An Airflow with just its own requirements, or with all packages in the oldest versions that the package accepts."""
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    words = {
        "3.3.1 of its time": OF_ITS_TIME,
        "the oldest of everything": ("--resolution", "lowest-direct", *required(wheel, "postgres")),
        "the newest": (f"apache-airflow=={airflows()[-1]}", "--prerelease=allow"),
    }
    made.install(*words[request.param])
    return made


@pytest.fixture(scope="module")
def before(airflow: Environment) -> dict[str, str]:
    """The packages installed before ours."""
    return airflow.installed()


@pytest.fixture(scope="module")
def installed(airflow: Environment, before: dict[str, str], wheel: Path, home: dict[str, str]) -> Environment:
    """Installed from the wheel alone, without the README's constraints, which would hide our requirements; then as it says."""
    airflow.run("pip", "install", "--quiet", "--disable-pip-version-check", str(wheel))
    assert airflow.installed().items() >= before.items()
    folder = wheel.parent.parent
    airflow.type_in(commands("README.md", "Install")[0], home, folder)
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
    """The environment variables of an Airflow with both connections, and of an institution that began some months ago."""
    folder = tmp_path_factory.mktemp("home")
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_TABLERO_SOURCE": f"sqlite:///{institution.path}",
        "AIRFLOW_CONN_TABLERO_API": sandbox.url,
        "AIRFLOW__TABLERO__XROAD_CLIENT": DEFAULT_CLIENT,
        "AIRFLOW__TABLERO__EARLIEST": f"{datetime.now(institution.zone) - timedelta(days=130):%Y-%m}-01",
    }


def test_it_changes_no_installed_version(installed: Environment, before: dict[str, str]) -> None:
    """Only missing packages are added, and no installed version changes."""
    after = installed.installed()
    assert {name: after.get(name) for name in before} == before
    assert after["tablero"] == tablero.__version__


def test_airflow_lists_the_plugin(installed: Environment, home: dict[str, str]) -> None:
    """Airflow lists the plugin with its page and its timetable, under the module names of the DAG files."""
    (plugin,) = orjson.loads(installed.run("airflow", "plugins", "--output", "json", variables=home))
    assert plugin["name"] == "tablero"
    assert "tablero.airflow.timetable.CivilDayTimetable" in str(plugin["timetables"])
    assert "/tablero" in str(plugin["fastapi_apps"])


def test_airflow_lists_the_provider(installed: Environment, home: dict[str, str]) -> None:
    """Airflow lists the provider by name and version."""
    providers = orjson.loads(installed.run("airflow", "providers", "list", "--output", "json", variables=home))
    versions = {one["package_name"]: one["version"] for one in providers}
    assert versions["tablero"] == tablero.__version__


def test_airflow_knows_every_setting(installed: Environment, home: dict[str, str]) -> None:
    """Airflow knows every setting with its default and description, and the defaults are those of the code."""
    words = ["config", "list", "--section", "tablero", "--include-descriptions", "--show-values", "--defaults"]
    listed = installed.run("airflow", *words, variables=home)
    assert re.findall(r"^#? ?(\w+) =", listed, re.MULTILINE) == list(Settings.model_fields)
    assert "America/Santo_Domingo" in listed
    code = "from tablero.airflow.configuration import read_settings as r; from tablero.settings import Settings as S"
    variables = {name: value for name, value in home.items() if "TABLERO" not in name}
    assert installed.run("python", "-c", f"{code}; print(r() == S())", variables=variables).endswith("True\n")


def test_it_tells_its_version(installed: Environment, home: dict[str, str]) -> None:
    """The program prints its version."""
    assert tablero.__version__ in installed.run("tablero", "version", variables=home)


@pytest.fixture(scope="module")
def ready(installed: Environment, home: dict[str, str]) -> Environment:
    """Airflow has its database, and has parsed the two DAGs."""
    installed.run("airflow", "db", "migrate", variables=home)
    installed.run("airflow", "dags", "reserialize", variables=home)
    return installed


def test_the_dag_files_and_a_load(ready: Environment, home: dict[str, str], institution: Institution, sandbox: Handle) -> None:
    """The DAG files, written into the DAGs' folder, load, and every row arrives once."""
    assert {path.name for path in (Path(home["AIRFLOW_HOME"]) / "dags").glob("*.py")} == {"historical_load.py", "daily_send.py"}
    now = datetime.now(institution.zone)
    days = [now - timedelta(days=3 * number) for number in range(1, 40)]
    changes = institution.commit(Change(f"R-{number}", day, opened=day) for number, day in enumerate(days))
    ready.run("airflow", "dags", "test", "historical_load", variables=home)
    assert sandbox.counts() == once(changes)


def test_the_first_evening(ready: Environment, home: dict[str, str]) -> None:
    """Each command of the README works in order, with the names it sets and values of our own."""
    exports, *steps, status = commands("README.md", "The first evening")
    assert set(re.findall(r"^export (\w+)=", exports, re.MULTILINE)) - {"AIRFLOW__CORE__DEFAULT_TIMEZONE"} <= set(home)
    for block in steps:
        said = ready.type_in(block, home)
        assert "[failed]" not in said
    assert re.search(r"settled until 20\d\d-", ready.type_in(status, home))  # and exit status 0, as the README says
    listed = ready.run("airflow", "dags", "list", "--output", "json", variables=home)
    paused = orjson.loads(listed.splitlines()[-1])  # Airflow prints warnings first
    assert {dag["dag_id"]: dag["is_paused"] for dag in paused} == {"historical_load": "False", "daily_send": "False"}


def test_the_steps_of_an_upgrade(ready: Environment, home: dict[str, str]) -> None:
    """The steps of an upgrade work: pause, check, and resume."""
    said = [ready.type_in(block, home) for block in commands("docs/operations.md", "Upgrade")]
    assert len(said) == 3
    ready.type_in(commands("docs/operations.md", "Maintenance and growth")[0], home)


def test_metrics_and_lineage(ready: Environment, before: dict[str, str], home: dict[str, str], tmp_path: Path) -> None:
    """docs/metrics.md: installing its packages changes no version, and Airflow accepts its settings."""
    ask = "airflow config get-value"
    for heading, question in (
        ("Metrics", [f"{ask} metrics statsd_influxdb_enabled", f"{ask} metrics otel_on"]),
        ("Assets, logs, lineage", [f"{ask} openlineage transport"]),
    ):
        for block, asked in zip(commands("docs/metrics.md", heading), question, strict=True):
            assert re.search(r"True|lineage", ready.type_in(f"{block}\n{asked}", home, tmp_path))
    after = ready.installed()
    assert {name: after.get(name) for name in before} == before


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("apt-get") is None, reason="skipped: needs Debian, and its root")
def test_the_driver_for_mariadb(installed: Environment, before: dict[str, str], home: dict[str, str], tmp_path: Path) -> None:
    """docs/dba.md: the driver is built and can be imported, and no installed version changes."""
    (block,) = commands("docs/dba.md", "Drivers and connections")
    installed.type_in(block, home, tmp_path)
    after = installed.installed()
    assert {name: after.get(name) for name in before} == before
    assert installed.run("python", "-c", "import MySQLdb; print(MySQLdb.__name__)", variables=home) == "MySQLdb\n"


def test_a_closed_network(installed: Environment, wheel: Path, home: dict[str, str], tmp_path: Path) -> None:
    """The downloaded files are sufficient for installing in a closed network."""
    folder = tmp_path / "closed"
    (folder / "dist").mkdir(parents=True)
    shutil.copy(wheel, folder / "dist")
    shutil.copy(wheel.parent.parent / "installed.txt", folder)
    download, install = commands("docs/install.md", "Without the registry")
    installed.type_in(download, home, folder)
    installed.run("pip", "uninstall", "--yes", "--quiet", "tablero", variables=home)
    installed.type_in(install, home, folder)
    assert installed.installed()["tablero"] == tablero.__version__


def test_it_is_removed(installed: Environment, home: dict[str, str]) -> None:
    """Runs last: the commands of docs/install.md remove the package completely."""
    for block in commands("docs/install.md", "To remove it"):
        installed.type_in(block, home)
    assert "tablero" not in installed.installed()
    assert not list((Path(home["AIRFLOW_HOME"]) / "dags").glob("*.py"))
    assert "tablero" not in installed.run("airflow", "plugins", variables=home)
