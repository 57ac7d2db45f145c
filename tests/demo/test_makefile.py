"""``make`` in a new clone finds a Python, or says what is missing."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The parts of a clone that make reads."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def _make(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"HOME": str(project), "PATH": os.environ["PATH"]}
    return subprocess.run(["make", *arguments], cwd=project, env=environment, text=True, capture_output=True, check=False)


def _python(folder: Path, changes: str) -> Path:
    """A Python that executes some statements before those passed to it."""
    code = f"import sys; {changes}; exec(sys.argv[1])"
    program = folder / "some-python"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$2"\n')
    program.chmod(0o755)
    return program


def test_without_a_target_make_lists_them(project: Path) -> None:
    """Without a target make lists every target, and nothing else."""
    answer = _make(project)
    described = set(re.findall(r"^make ([\w-]+)", answer.stdout, re.MULTILINE))
    makefile = (project / "Makefile").read_text().replace("\\\n", "")
    declared = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert declared is not None
    assert described == set(declared[1].split()) - {"help"}
    assert answer.returncode == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ("sys.version_info = (3, 9, 18)", "3.9: demasiado viejo / too old"),
        ("sys.version_info = (2, 7, 18)", "2.7: demasiado viejo / too old"),
        ("sys.modules['ensurepip'] = None", "ensurepip"),
        ("sys.modules['sqlite3'] = None", "sqlite3"),
    ],
)
def test_a_python_that_does_not_do_is_refused_in_both_languages(project: Path, changes: str, reason: str) -> None:
    """An unsuitable Python is refused with its path, the reason and the remedy; nothing is created."""
    answer = _make(project, "test", f"PYTHON={_python(project, changes)}")
    assert answer.returncode != 0
    assert re.search(rf"some-python .*{re.escape(reason)}", answer.stderr)
    assert "Hace falta Python 3.10" in answer.stderr
    assert "Python 3.10 or newer is needed" in answer.stderr
    assert not (project / ".venv").exists()


def test_a_python_that_is_not_there_is_refused_too(project: Path) -> None:
    """A wrong path is refused instead of using another Python."""
    answer = _make(project, "demo", "PYTHON=/nowhere/python3.12")
    assert answer.returncode != 0
    assert "Hace falta Python 3.10" in answer.stderr


def test_an_environment_is_not_made_twice(project: Path) -> None:
    """An existing environment is not installed again until requirements.txt changes."""
    program = project / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    made = project / ".venv" / "made-from-requirements"
    made.touch()
    os.utime(made, (2**31, 2**31))
    assert "pip install" not in _make(project, "-n", "test").stdout

    os.utime(made, (0, 0))
    assert "pip install" in _make(project, "-n", "test").stdout
