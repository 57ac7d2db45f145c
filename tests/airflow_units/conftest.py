"""Tests that import Airflow without starting any of it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("airflow")


@pytest.fixture(scope="session")
def plugins_loaded() -> None:
    """Airflow finds the project's plugin, and no other."""
    from airflow import plugins_manager, settings

    # The setting is read when Airflow is first imported, possibly by another test.
    settings.PLUGINS_FOLDER = str(ROOT / "plugins")
    for kept in (
        plugins_manager._get_plugins,
        plugins_manager.get_timetables_plugins,
        plugins_manager.get_deadline_references_plugins,
    ):
        kept.cache_clear()
