"""The guide's commands that copy the package, run in various homes of Airflow."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
from airflow._shared.module_loading.file_discovery import find_path_from_directory

ROOT = Path(__file__).resolve().parents[2]

#: Both languages have the same commands; tests/unit/test_blocks.py checks that.
GUIDE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def commands() -> str:
    """The one block that copies files."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", GUIDE, re.DOTALL | re.MULTILINE)
    (found,) = [dedent(block) for block in blocks if "cp dags/" in block]
    return found


def install(home: Path) -> None:
    """Run the commands."""
    environment = os.environ | {"AIRFLOW_HOME": str(home)}
    done = subprocess.run(
        ["bash", "-eu", "-c", commands()], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def files(folder: Path) -> dict[str, bytes]:
    """The files in a folder, except Python's caches."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def seen(home: Path) -> set[str]:
    """The plugins that Airflow finds."""
    found = (Path(path) for path in find_path_from_directory(str(home / "plugins"), ".airflowignore", "glob"))
    return {str(path.relative_to(home / "plugins")) for path in found if path.suffix == ".py"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a space in its path, on which unquoted commands would fail."""
    made = tmp_path / "airflow home"
    made.mkdir()
    return made


def test_into_an_empty_home(home: Path) -> None:
    """In an empty home, DAGs, package and plugin are installed, and Airflow finds only the plugin."""
    install(home)
    assert files(home / "dags") == files(ROOT / "dags")
    assert files(home / "plugins" / "tablero") == files(ROOT / "plugins" / "tablero")
    assert seen(home) == {"tablero_plugin.py"}


def test_over_an_older_copy(home: Path) -> None:
    """No file of an older copy is left: an old migration would make the outbox look like one of that version."""
    install(home)
    once = files(home)
    for stale in ("plugins/tablero/outbox/migrations/versions/9999_of_another_version.py", "plugins/tablero/gone.py"):
        (home / stale).write_text("raise RuntimeError\n")
    install(home)
    assert files(home) == once


@pytest.mark.parametrize("own", ["# Ours.\nlibrary/\n", "library/", "library/\ntablero/\n", "library/\ntablero/"])
def test_beside_plugins_of_the_institution(home: Path, own: str) -> None:
    """The institution's own DAGs, plugins and ignore lines stay, and our ignore line is added once."""
    own_files = {"dags/own.py": "", "plugins/own.py": "", "plugins/library/part.py": "", "plugins/.airflowignore": own}
    for name, text in own_files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    install(home)
    install(home)
    ignored = (home / "plugins" / ".airflowignore").read_text()
    assert ignored.startswith(own)
    assert ignored.splitlines().count("tablero/") == 1
    assert seen(home) == {"own.py", "tablero_plugin.py"}
    assert (home / "dags" / "own.py").exists()
