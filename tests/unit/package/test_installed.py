"""What is installed together with the package: nothing that it requires is missing, and no other version is beside it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import tablero
from packaging.requirements import Requirement
from tablero.errors import SetupError
from tablero.package.installed import NEEDED, require_one_version, require_packages

ROOT = Path(__file__).resolve().parents[3]


def having(**versions: str) -> Callable[[str], str]:
    """An environment with every package in its lowest version, except these; an empty version: not installed."""
    found = NEEDED | {name.replace("_", "-"): version for name, version in versions.items()}

    def version_of(name: str) -> str:
        if not found[name]:
            raise metadata.PackageNotFoundError(name)
        return found[name]

    return version_of


def test_what_is_needed_is_what_the_wheel_requires() -> None:
    """The packages and their lowest versions are those of the wheel's metadata, without Airflow itself."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (block,) = re.findall(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    required = [Requirement(one) for one in re.findall(r'"(.+?)"', block)]
    lowest = {one.name: next(iter(one.specifier)).version for one in required}
    assert lowest.pop("apache-airflow") == "3.3"
    assert lowest == NEEDED


def test_all_is_there() -> None:
    """In an environment with everything, in the lowest versions, nothing is said; and so in this one."""
    require_packages(having())
    require_packages()


@pytest.mark.parametrize("version", ["", "5.3.2", "4.10.0"])
def test_a_package_that_is_missing_or_too_old(version: str) -> None:
    """The error names the package in the form that pip takes, and nothing else."""
    with pytest.raises(SetupError) as error:
        require_packages(having(apache_airflow_providers_http=version))
    assert str(error.value).endswith("pip install 'apache-airflow-providers-http>=5.3.3'")


def test_all_that_is_missing_is_named_at_once() -> None:
    """Several missing packages are one command."""
    with pytest.raises(SetupError, match=r"pip install 'apache-airflow-providers-smtp>=2\.3\.1' 'orjson>=3\.10'"):
        require_packages(having(apache_airflow_providers_smtp="", orjson=""))


@pytest.mark.parametrize(("words", "status"), [(["version"], 1), (["check"], 1), (["status", "--json"], 3)])
def test_a_python_without_airflow(words: list[str], status: int) -> None:
    """The command says so in one sentence, and a monitor learns that the state is unknown, not that it is degraded."""
    command = [sys.executable, "-S", "-m", "tablero", *words]  # without what is installed
    done = subprocess.run(command, cwd=ROOT / "plugins", env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("Airflow no está en este Python")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """An Airflow's plugins folder with a copy of the package."""
    (tmp_path / "tablero").mkdir()
    (tmp_path / "tablero_plugin.py").touch()
    return tmp_path


def says(folder: Path, version: str) -> None:
    """Give the copy in a folder a version."""
    (folder / "tablero" / "__init__.py").write_text(f'"""A copy."""\n\n__version__ = "{version}"\n')


@pytest.mark.parametrize(("version", "named"), [("0.1.9", "0.1.9"), ("9.0.0", "9.0.0"), (None, "0.1")])
def test_a_copy_of_another_version(plugins: Path, version: str | None, named: str) -> None:
    """The error names both versions and both places; version 0.1 is known by its silence."""
    if version:
        says(plugins, version)
    with pytest.raises(SetupError) as error:
        require_one_version(plugins)
    assert f"{named} in {plugins / 'tablero'}" in str(error.value)
    assert f"{tablero.__version__} in {ROOT / 'plugins' / 'tablero'}" in str(error.value)


def test_a_copy_of_the_same_version(plugins: Path) -> None:
    """It does no harm: Airflow takes one of the two, and both are the same."""
    says(plugins, tablero.__version__)
    require_one_version(plugins)


def test_the_copy_alone(plugins: Path) -> None:
    """A package that runs from the plugins folder is no second one, also through a link."""
    says(plugins, "0.1.9")
    require_one_version(plugins, (plugins / "tablero").resolve())
    (plugins.parent / "link").symlink_to(plugins)
    require_one_version(plugins.parent / "link", (plugins / "tablero").resolve())


def test_a_folder_of_that_name_that_is_not_ours(plugins: Path) -> None:
    """A folder without our plugin beside it is the institution's own."""
    (plugins / "tablero_plugin.py").unlink()
    require_one_version(plugins)
    require_one_version(plugins / "missing")


def test_a_copy_beside_an_installed_package(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that runs, because its folder comes first on the path, finds the installed package of another version."""
    says(plugins, "0.2.5")
    site = tmp_path / "site"
    (site / "tablero-0.3.0.dist-info").mkdir(parents=True)
    (site / "tablero-0.3.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.4\nName: tablero\nVersion: 0.3.0\n")
    (site / "tablero").mkdir()
    says(site, "0.3.0")
    monkeypatch.syspath_prepend(site)
    with pytest.raises(SetupError, match=re.escape(f"0.3.0 in {site / 'tablero'}")):
        require_one_version(plugins, (plugins / "tablero").resolve())
