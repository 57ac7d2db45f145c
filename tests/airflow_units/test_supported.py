"""An Airflow that is too old is reported in one sentence, before anything else is imported."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tablero.errors import SetupError
from tablero.package.supported import require

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("version", ["3.3.0", "3.3.2", "3.4.0b2", "3.10.0", "4.0.0", "3.3.0rc1"])
def test_what_it_runs_on(version: str) -> None:
    """Any 3.3 or newer is supported."""
    require(version)


@pytest.mark.parametrize("version", ["3.2.2", "3.1.8", "2.11.2", "1.10.15", "3.2.0b2"])
def test_what_it_does_not_run_on(version: str) -> None:
    """The error names both versions."""
    with pytest.raises(SetupError, match=rf"needs Airflow 3\.3 or newer; this is Airflow {version}"):
        require(version)


@pytest.mark.parametrize("path", ["plugins/tablero_plugin.py", "dags/historical_load.py", "dags/daily_send.py"])
def test_it_is_asked_first(path: str) -> None:
    """The version is checked before the first name that only a newer Airflow has."""
    imports = [node for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [ast.unparse(node) for node in imports]
    asked = names.index("import tablero.package.supported")
    assert not [name for name in names[:asked] if "airflow." in name or name.startswith("from airflow")]
