"""What Airflow finds in the plugins folder, and under which names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow._shared.module_loading.file_discovery import find_path_from_directory

ROOT = Path(__file__).resolve().parents[2]


def test_airflow_sees_one_file() -> None:
    """Airflow sees one file, since it loads each visible .py under its bare name, which would load the library twice."""
    found = [Path(path) for path in find_path_from_directory(str(ROOT / "plugins"), ".airflowignore", "glob")]
    assert [path.name for path in found if path.suffix == ".py"] == ["tablero_plugin.py"]


@pytest.mark.parametrize("name", ["timetables", "deadline_references"])
def test_registered_as_imported(name: str) -> None:
    """The timetable is registered under its module's name, by which a stored DAG finds it."""
    from tablero_plugin import TableroPlugin

    registered: list[Any] = getattr(TableroPlugin, name)
    now = [one for one in registered if one.__module__.startswith("tablero.airflow.")]
    assert now
    for one in now:
        module = __import__(one.__module__, fromlist=["x"])
        assert getattr(module, one.__qualname__) is one


def test_the_page_in_the_navigation() -> None:
    """The page's address in the navigation is relative, so that it works below a path prefix."""
    from tablero_plugin import TableroPlugin

    (view,) = TableroPlugin.external_views
    assert view["name"] == "Tablero"
    assert view["href"] == "tablero/"
    assert view["destination"] == "nav"
