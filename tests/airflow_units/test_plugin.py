"""What Airflow finds in the plugins folder, and by which names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow._shared.module_loading.file_discovery import find_path_from_directory

ROOT = Path(__file__).resolve().parents[2]


def test_airflow_sees_one_file() -> None:
    """It executes each .py that it sees under its bare name, which would load the library twice and shadow others."""
    found = [Path(path) for path in find_path_from_directory(str(ROOT / "plugins"), ".airflowignore", "glob")]
    assert [path.name for path in found if path.suffix == ".py"] == ["tablero_plugin.py"]


@pytest.mark.parametrize("name", ["timetables", "deadline_references"])
def test_registered_as_imported(name: str) -> None:
    """A DAG is stored with the module's name; a class registered under another is not found again."""
    from tablero_plugin import TableroPlugin

    registered: list[Any] = getattr(TableroPlugin, name)
    now = [one for one in registered if one.__module__.startswith("tablero.airflow.")]
    assert now
    for one in now:
        module = __import__(one.__module__, fromlist=["x"])
        assert getattr(module, one.__qualname__) is one


def test_the_page_in_the_navigation() -> None:
    """Its address is relative, so that it is right under a path prefix."""
    from tablero_plugin import TableroPlugin

    (view,) = TableroPlugin.external_views
    assert view["name"] == "Tablero"
    assert view["href"] == "tablero/"
    assert view["destination"] == "nav"
