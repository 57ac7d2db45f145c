"""Environments with other versions of Airflow, created by uv."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from email.parser import Parser
from pathlib import Path
from types import MappingProxyType

from packaging.requirements import Requirement
from packaging.version import Version

from tests.guides.blocks import ROOT

#: The program installed with the Python that runs the tests.
UV = str(Path(sys.executable).with_name("uv"))

#: The first Airflow that the package runs on.
OLDEST = Version("3.3.0")


def airflows() -> list[str]:
    """Every release of Airflow from :data:`OLDEST` on, and pre-releases after the last one."""
    command = [sys.executable, "-m", "pip", "index", "versions", "apache-airflow", "--pre", "--disable-pip-version-check"]
    listed = re.search(r"^Available versions: (.+)$", run(command), re.MULTILINE)
    assert listed
    found = sorted(Version(one) for one in listed[1].split(", ") if one.startswith("3."))
    releases = [one for one in found if one >= OLDEST and not one.is_prerelease]
    coming = [one for one in found if one > releases[-1]][-1:]
    return [str(one) for one in releases + coming]


class Environment:
    """A virtual environment.

    :param folder: where it is made.
    :param python: its Python, a version or a path; by default that of the tests.
    """

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.folder = folder
        run([UV, "venv", "--quiet", "--seed", "--python", python, str(folder)])

    def program(self, name: str) -> str:
        """The path of one of the environment's programs."""
        return str(self.folder / "bin" / name)

    def install(self, *words: str) -> None:
        """Install packages by uv, with options."""
        run([UV, "pip", "install", "--quiet", "--python", self.program("python"), *words])

    def installed(self) -> dict[str, str]:
        """The version of each package."""
        listed = run([self.program("pip"), "list", "--format=freeze", "--disable-pip-version-check"])
        return dict(line.split("==") for line in listed.split())

    def run(self, *command: str, variables: Mapping[str, str] = MappingProxyType({})) -> str:
        """Run one of the environment's programs; returns its output.

        :param variables: environment variables in addition to the current ones, without those of Airflow.
        :raises RuntimeError: if it fails; includes its output.
        """
        return run([self.program(command[0]), *command[1:]], env=self._variables(variables), cwd=self.folder.parent)

    def type_in(self, commands: str, variables: Mapping[str, str], folder: Path = ROOT) -> str:
        """Run commands of a document unchanged, in a shell with this environment active; returns their output.

        :raises RuntimeError: if one fails; includes its output.
        """
        return run(["bash", "-eu", "-c", commands], env=self._variables(variables), cwd=folder)

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHONPATH", "VIRTUAL"))}
        return clean | {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"} | dict(more)


def build_wheel(folder: Path) -> Path:
    """The wheel of the current tree."""
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)], cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def required(wheel: Path, *extras: str) -> list[str]:
    """The wheel's own requirements and those of some extras, as pip takes them."""
    (found,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA")]
    lines = Parser().parsestr(zipfile.ZipFile(wheel).read(found).decode()).get_all("Requires-Dist", [])
    return [_bare(one) for one in map(Requirement, lines) if _is_wanted(one, extras)]


def _is_wanted(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def _bare(requirement: Requirement) -> str:
    """Without its marker."""
    extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def run(command: list[str], **options: object) -> str:
    """Run a program; returns its standard output.

    :raises RuntimeError: if it fails; includes its output.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
    return str(done.stdout)
