"""The wheel that `make dist` builds: the whole package, and the metadata for Airflow, pip and the shell."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
import tablero
from packaging.requirements import Requirement
from packaging.version import Version
from tablero.package.provider import get_provider_info
from tablero.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from the current tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def information(wheel: zipfile.ZipFile, name: str) -> str:
    """A file of its ``.dist-info`` folder."""
    (found,) = [one for one in wheel.namelist() if one.endswith(f".dist-info/{name}")]
    return wheel.read(found).decode()


@pytest.fixture
def metadata(wheel: zipfile.ZipFile) -> Message:
    """The metadata that pip reads."""
    return Parser().parsestr(information(wheel, "METADATA"))


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_it_holds_what_is_copied_by_hand(wheel: zipfile.ZipFile) -> None:
    """The wheel contains package, plugin and both DAG files, byte for byte, and otherwise only metadata."""
    expected = {f"tablero/{name}": content for name, content in files(ROOT / "plugins" / "tablero").items()}
    expected |= {f"tablero/dags/{path.name}": path.read_bytes() for path in (ROOT / "dags").glob("*.py")}
    expected["tablero_plugin.py"] = (ROOT / "plugins" / "tablero_plugin.py").read_bytes()
    held = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert "tablero/dags/daily_send.py" in held


def test_one_place_says_the_version(metadata: Message) -> None:
    """The version is a semantic version and equals that of the changelog's latest entry."""
    assert metadata["Version"] == tablero.__version__ == str(Version(tablero.__version__))
    assert re.match(r"\d+\.\d+\.\d+", tablero.__version__)
    assert get_provider_info()["versions"] == [tablero.__version__]
    entries = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert entries[0] == tablero.__version__
    assert entries[: len(entries) // 2] == entries[len(entries) // 2 :], "both languages"


def test_what_finds_it(wheel: zipfile.ZipFile) -> None:
    """The entry points for Airflow's plugins, Airflow's providers and the shell exist."""
    points = ConfigParser()
    points.read_string(information(wheel, "entry_points.txt"))
    assert {section: dict(points[section]) for section in points.sections()} == {
        "airflow.plugins": {"tablero": "tablero_plugin:TableroPlugin"},
        "apache_airflow_provider": {"provider_info": "tablero.package.provider:get_provider_info"},
        "console_scripts": {"tablero": "tablero.__main__:main"},
    }


def requirements(metadata: Message) -> list[Requirement]:
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


def test_it_moves_no_airflow(metadata: Message) -> None:
    """The requirements are open ranges, and for Airflow it is just 3.3 or later, so that installing never changes Airflow."""
    for requirement in requirements(metadata):
        assert [one.operator for one in requirement.specifier] == [">="], requirement
    assert {str(one) for one in requirements(metadata) if one.name == "apache-airflow"} == {"apache-airflow>=3.3"}


def test_the_drivers_are_extras(metadata: Message) -> None:
    """Database drivers are extras, so that PostgreSQL users do not need Oracle's."""
    assert set(metadata.get_all("Provides-Extra", [])) == {"postgres", "mysql", "mssql", "oracle", "openlineage"}


def test_what_the_tests_run_with_is_in_the_ranges(metadata: Message) -> None:
    """Each requirement of the package is pinned in requirements.txt to a version within its range."""
    pins = dict(re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    for requirement in requirements(metadata):
        if requirement.marker is None:
            assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_every_setting_is_an_option_of_airflow() -> None:
    """Every setting is declared as an Airflow option with its default and a description."""
    section = get_provider_info()["config"]["tablero"]
    assert list(section["options"]) == list(Settings.model_fields)
    defaults = {key: option["default"] for key, option in section["options"].items() if option["default"] is not None}
    assert Settings.read(defaults) == Settings()
    assert section["options"]["extra_statuses"]["default"] is None
    assert all(option["description"] for option in section["options"].values())


@pytest.mark.parametrize(
    ("key", "kind"),
    [("retry_delay", "float"), ("batch_size", "integer"), ("group_by_service", "boolean"), ("digest", "string")],
)
def test_the_type_of_an_option(key: str, kind: str) -> None:
    """The type is that of the setting, whose default may be written in a narrower one."""
    assert get_provider_info()["config"]["tablero"]["options"][key]["type"] == kind


def test_airflow_imports_nothing_before_it_asks() -> None:
    """Loading the entry point imports nothing else, since a broken import would end every process of Airflow."""
    code = "import tablero.package.provider, sys; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "plugins", capture_output=True, text=True, check=True)
    heavy = {"airflow", "pydantic", "pendulum", "sqlalchemy", "requests", "orjson", "fastapi"}
    assert heavy & set(done.stdout.split()) == set()


def test_the_provider_info_needs_no_airflow() -> None:
    """The provider information needs no Airflow, which may be only half imported at startup."""
    code = "from tablero.package.provider import get_provider_info as ask; import sys; ask(); print('airflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "plugins", capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
