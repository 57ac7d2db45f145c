"""A shell like an operator's, in an institution of its own, for the commands in the documents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

from sandbox.settings import DEFAULT_CLIENT
from tests.guides.blocks import ROOT

#: Addresses and folders in the documents that differ in every institution.
OUTBOX = "postgresql://tablero:change-me@db.example.gob.do:5432/tablero"
BACKUPS = "/var/backups"
SCRIPTS = "/usr/local/bin"
VIRTUALENV = "/opt/airflow/venv"
ENVIRONMENT_FILE = "/etc/default/airflow"


class Said(NamedTuple):
    """The result of a command."""

    status: int
    output: str
    errors: str


class Shell:
    """A home of Airflow, and a shell with its environment that has the command ``tablero``.

    :param folder: an empty one.
    :param source: the institution's SQLite database.
    :param dashboard: its address.
    :param programs: a folder with programs of PostgreSQL.
    """

    def __init__(self, folder: Path, *, source: Path, dashboard: str, programs: Path) -> None:
        self.folder = folder
        self.home = folder / "airflow"
        self.home.mkdir()
        self._places = {
            BACKUPS: folder / "backups",
            SCRIPTS: folder / "scripts",
            VIRTUALENV: folder / "venv",
            ENVIRONMENT_FILE: folder / "environment",
        }
        for place in (BACKUPS, SCRIPTS):
            self._places[place].mkdir()
        (folder / "venv" / "bin").mkdir(parents=True)
        script = folder / "venv" / "bin" / "tablero"
        script.write_text(f'#!/bin/sh\nexec {sys.executable} -m tablero "$@"\n')
        script.chmod(0o755)
        path = os.pathsep.join(map(str, (script.parent, programs, Path(sys.executable).parent, os.environ["PATH"])))
        self.variables = {
            "PATH": path,
            "PYTHONPATH": str(ROOT / "plugins"),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_TABLERO_SOURCE": f"sqlite:///{source}",
            "AIRFLOW_CONN_TABLERO_API": dashboard,
            "AIRFLOW__TABLERO__XROAD_CLIENT": DEFAULT_CLIENT,
        }
        self._outbox = OUTBOX

    def on(self, outbox: URL) -> None:
        """Use this PostgreSQL database wherever the documents name an outbox on PostgreSQL."""
        self._outbox = outbox.set(drivername="postgresql").render_as_string(hide_password=False)

    def place(self, path: str) -> Path:
        """The local path for a path in the documents."""
        for known, here in self._places.items():
            if path.startswith(known):
                return Path(f"{here}{path.removeprefix(known)}")
        raise KeyError(path)

    def localised(self, text: str) -> str:
        """Text of a document with this institution's addresses and folders."""
        text = text.replace(OUTBOX, self._outbox)
        for known, here in self._places.items():
            text = text.replace(known, str(here))
        return text

    def type(self, commands: str, **variables: str) -> Said:
        """Run commands of a document, in a separate folder where they may leave files."""
        done = subprocess.run(
            ["bash", "-eu", "-c", self.localised(commands)],
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
            | self.variables
            | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def succeed(self, commands: str, **variables: str) -> str:
        """Run commands that must all succeed; returns their output."""
        said = self.type(commands, **variables)
        assert said.status == 0, said
        return said.output
