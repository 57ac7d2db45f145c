"""The wheel's extras, each in its lowest version and in the newest: drivers that reach for a server, and lineage."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import orjson
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import Handle, running_sandbox
from tests.airflow.institution import Change, Institution
from tests.package.environments import Environment, build_wheel, required

#: For each extra, a connection of its type to a port of this machine where nothing listens.
NOBODY = {
    "postgres": "postgresql://tablero:secret@127.0.0.1:1/solicitudes",
    "mysql": "mysql://tablero:secret@127.0.0.1:1/solicitudes",
    "mssql": "mssql://tablero:secret@127.0.0.1:1/solicitudes",
    "oracle": "oracle://tablero:secret@127.0.0.1:1/?service_name=FREEPDB1",
}

#: The driver for MariaDB is compiled.
COMPILES = shutil.which("gcc") is not None and shutil.which("mariadb_config") is not None

#: Of which some extras require a newer version than the wheel itself.
RAISED = "apache-airflow-providers-common-compat"

LOWEST, NEWEST = "lowest-direct", "highest"


@pytest.fixture(scope="module", params=[LOWEST, NEWEST])
def resolution(request: pytest.FixtureRequest) -> str:
    """Which versions of the wheel's own requirements and of its extras are installed, in words of uv."""
    return str(request.param)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the current tree."""
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def requirements(wheel: Path) -> list[str]:
    """Those of the wheel and of all its extras."""
    return required(wheel, *(extra for extra in NOBODY if extra != "mysql" or COMPILES), "openlineage")


@pytest.fixture(scope="module")
def airflow(resolution: str, requirements: list[str], wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An Airflow with the wheel and all its extras."""
    made = Environment(tmp_path_factory.mktemp("environment") / "venv")
    made.install("--resolution", resolution, *requirements)
    made.install("--no-deps", str(wheel))
    return made


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    """The dashboard behind its security server."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox") / "sandbox.db") as handle:
        yield handle


@pytest.fixture
def home(sandbox: Handle, tmp_path: Path) -> dict[str, str]:
    """The environment variables of an Airflow that can reach the dashboard."""
    return {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_TABLERO_API": sandbox.url,
        "AIRFLOW__TABLERO__XROAD_CLIENT": DEFAULT_CLIENT,
    }


def test_the_versions(airflow: Environment, resolution: str, requirements: list[str]) -> None:
    """All requirements are in their lowest versions, but for one, or none is."""
    installed = airflow.installed()
    ranges = {one.name: next(iter(one.specifier)) for one in map(Requirement, requirements)}
    assert {one.operator for one in ranges.values()} == {">="}
    oldest = {name for name, lowest in ranges.items() if Version(installed[name]) == Version(lowest.version)}
    assert oldest == (set(ranges) - {RAISED} if resolution == LOWEST else set())


@pytest.mark.parametrize("extra", NOBODY)
def test_a_driver_reaches_for_its_server(airflow: Environment, home: dict[str, str], extra: str) -> None:
    """The check finds provider and driver, and says that the server does not answer, which another try may change."""
    if extra == "mysql" and not COMPILES:
        pytest.skip("skipped: needs gcc and libmariadb-dev")
    variables = home | {"AIRFLOW_CONN_TABLERO_SOURCE": NOBODY[extra]}
    said = airflow.type_in("tablero check || true", variables)
    (source,) = re.findall(r"^\[(\w+)\] source: (.*)$", said, re.MULTILINE)
    assert source[0] == "failed"
    assert "is not installed" not in source[1]
    assert "secret" not in said
    assert "It will be tried again" in source[1], source


def test_the_listener_for_lineage(airflow: Environment, home: dict[str, str]) -> None:
    """The provider's listener can be imported, which its releases before 2.9.2 cannot in Airflow 3.3."""
    airflow.run("python", "-c", "import airflow.providers.openlineage.plugins.listener", variables=home)


def test_lineage(airflow: Environment, resolution: str, home: dict[str, str], tmp_path: Path) -> None:
    """OpenLineage hears which file a load reads and to which address it sends."""
    if resolution == LOWEST:
        pytest.skip("skipped: the oldest provider writes no event in `airflow dags test`")
    institution = Institution(tmp_path / "institution.db", ZoneInfo("America/Santo_Domingo"))
    now = datetime.now(timezone.utc)
    institution.commit([Change("R-1", now - timedelta(days=3), opened=now - timedelta(days=3))])
    events = tmp_path / "lineage.jsonl"
    variables = home | {
        "AIRFLOW_CONN_TABLERO_SOURCE": orjson.dumps(institution.connection).decode(),
        "AIRFLOW__TABLERO__EARLIEST": f"{now - timedelta(days=40):%Y-%m}-01",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": orjson.dumps(
            {"type": "file", "log_file_path": str(events), "append": True}
        ).decode(),
    }
    airflow.run("tablero", "dags", "--to", str(tmp_path / "airflow" / "dags"), variables=variables)
    airflow.run("airflow", "db", "migrate", variables=variables)
    airflow.run("airflow", "dags", "reserialize", variables=variables)
    airflow.run("airflow", "dags", "test", "historical_load", variables=variables)
    heard = [orjson.loads(line) for line in events.read_text().splitlines()]
    ended = [event for event in heard if event["eventType"] == "COMPLETE" and event["job"]["name"].endswith("load_month")]
    assert ended
    assert {(one["namespace"], one["name"]) for event in ended for one in event["inputs"]} == {("file", str(institution.path))}
    assert {one["name"] for event in ended for one in event["outputs"]} == {"/r1/DO/GOB/CNC/MONITOREO/INTEGRACION-DEV/api/load"}
