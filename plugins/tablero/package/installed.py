"""What is installed together with this package: whether anything that it requires is missing, and whether it is there twice.

pip takes care of both, unless it is told not to (``--no-deps``) or files are copied: a provider may be missing then, or an
earlier copy in Airflow's plugins folder is loaded together with the package. Python's own errors name neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tablero.errors import SetupError
from tablero.texts import airflow as texts

#: What the wheel requires besides Airflow, with the lowest versions.
NEEDED = {
    "apache-airflow-providers-common-compat": "1.8.0",
    "apache-airflow-providers-common-sql": "1.31.0",
    "apache-airflow-providers-http": "5.3.3",
    "apache-airflow-providers-smtp": "2.3.1",
    "apache-airflow-providers-sqlite": "4.1.2",
    "apache-airflow-providers-standard": "1.9.0",
    "orjson": "3.10",
    "pendulum": "3.1",
}

#: The folder of this package.
HERE = Path(__file__).resolve().parents[1]

_VERSION = re.compile(r"""^__version__ = ["'](.+)["']$""", re.MULTILINE)


def require_packages(version_of: Callable[[str], str] = metadata.version) -> None:
    """Check that everything required is installed, and new enough.

    :raises SetupError: names all that is not.
    """
    if find_spec("airflow") is None:
        raise SetupError(texts.NO_AIRFLOW)
    missing = [f"{name}>={lowest}" for name, lowest in NEEDED.items() if not _is_installed(name, lowest, version_of)]
    if missing:
        raise SetupError(texts.PACKAGES_MISSING(packages=" ".join(f"'{one}'" for one in missing)))


def _is_installed(name: str, lowest: str, version_of: Callable[[str], str]) -> bool:
    from packaging.version import Version

    try:
        return Version(version_of(name)) >= Version(lowest)
    except metadata.PackageNotFoundError:
        return False


def require_one_version(plugins: Path, here: Path = HERE) -> None:
    """Check that there is no copy of another version, whose plugin Airflow would load with the modules of this one.

    :param plugins: Airflow's plugins folder.
    :param here: the folder of the package that is running.
    :raises SetupError: names both places.
    """
    this = _version_in(here)
    for other in _others(plugins, here):
        found = _version_in(other)
        if found != this:
            raise SetupError(texts.TWO_VERSIONS(here=here, this=this, other=other, found=found))


def _others(plugins: Path, here: Path) -> Iterator[Path]:
    """The copy in the plugins folder; for a package that is such a copy, the installed one."""
    if (plugins / "tablero").resolve() != here:
        if (plugins / "tablero_plugin.py").is_file():
            yield plugins / "tablero"
        return
    try:
        installed = Path(str(metadata.distribution("tablero").locate_file("tablero")))
    except metadata.PackageNotFoundError:
        return
    if installed.is_dir() and installed.resolve() != here:
        yield installed


def _version_in(package: Path) -> str:
    """The version of the package in a folder. Version 0.1 did not say its own."""
    try:
        said = _VERSION.search((package / "__init__.py").read_text(encoding="utf-8"))
    except OSError:
        said = None
    return said[1] if said else "0.1"
