"""Airflow's labels are quoted as its own Spanish and English pages have them."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tablero.texts import labels
from tablero.texts.text import LANGUAGES, Text

#: Label, and where Airflow's translations have its parts: file, key, and what the key's placeholder stands for.
SOURCES: dict[str, list[tuple[str, str, str]]] = {
    "CLEAR": [("dags", "runAndTaskActions.clear.title", "common:taskInstance_one")],
    "DOWNSTREAM": [("dags", "runAndTaskActions.options.downstream", "")],
    "CONNECTIONS": [("common", "nav.admin", ""), ("common", "admin.Connections", "")],
    "TRIGGER": [("components", "triggerDag.title", "")],
    "BACKFILL": [("components", "backfill.title", "")],
    "LOGS": [("dag", "tabs.logs", "")],
}


@cache
def translations(language: str, file: str) -> dict[str, Any]:
    """One of Airflow's own catalogues; found without importing Airflow."""
    spec = find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    locales = Path(spec.origin).parent / "ui" / "dist" / "i18n" / "locales"
    found: dict[str, Any] = json.loads((locales / language / f"{file}.json").read_text(encoding="utf-8"))
    return found


def translation(language: str, file: str, key: str) -> str:
    found: Any = translations(language, file)
    for part in key.split("."):
        found = found[part]
    return str(found)


def as_airflow_says(name: str, language: str) -> str:
    """A label from Airflow's catalogues; that of a submenu names its menu first."""
    parts = []
    for file, key, kind in SOURCES[name]:
        label = translation(language, file, key)
        if kind:
            label = label.replace("{{type}}", translation(language, *kind.split(":")))
        parts.append(label)
    return " > ".join(parts)


LABELS = {name: value for name, value in vars(labels).items() if isinstance(value, Text)}


def test_every_label_is_looked_up() -> None:
    """None is believed."""
    assert set(LABELS) == set(SOURCES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", LABELS)
def test_a_label_is_airflows_own(name: str, language: str) -> None:
    """Word for word, in the version that is installed."""
    assert LABELS[name].within(language) == as_airflow_says(name, language)
