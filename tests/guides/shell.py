"""A shell like that of an operator, in an institution of its own: what is typed there stands in the documents."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

from sandbox.settings import DEFAULT_CLIENT
from tests.guides.blocks import ROOT

#: Addresses and folders in the documents that every institution has others of.
OUTBOX = "postgresql://tablero:change-me@db.example.gob.do:5432/tablero"
BACKUPS = "/var/backups"
SCRIPTS = "/usr/local/bin"
VIRTUALENV = "/opt/airflow/venv"
ENVIRONMENT_FILE = "/etc/default/airflow"


class Said(NamedTuple):
    """What a command did."""

    status: int
    output: str
    errors: str


class Shell:
    """A home of Airflow, and a shell with its environment in which ``tablero`` is a command.

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
        """Whenever the documents name an outbox on PostgreSQL, it is this one."""
        self._outbox = outbox.set(drivername="postgresql").render_as_string(hide_password=False)

    def place(self, path: str) -> Path:
        """Where a path of the documents is here."""
        for known, here in self._places.items():
            if path.startswith(known):
                return Path(f"{here}{path.removeprefix(known)}")
        raise KeyError(path)

    def localised(self, text: str) -> str:
        """Text of a document with the addresses and folders of this institution."""
        text = text.replace(OUTBOX, self._outbox)
        for known, here in self._places.items():
            text = text.replace(known, str(here))
        return text

    def type(self, commands: str, **variables: str) -> Said:
        """Type commands of a document; in a folder of its own, where they may leave files."""
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
        """The same, where all of it has to go well; returns what was printed."""
        said = self.type(commands, **variables)
        assert said.status == 0, said
        return said.output
