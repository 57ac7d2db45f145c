"""Airflow's buttons are named as in Airflow's own page, in the language of the sentence."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tablero.texts.text import Text

from tests.unit.texts.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[3]

#: The parts of a label in Airflow's translations: file, key, and the value of the key's placeholder.
LABELS: dict[str, list[tuple[str, str, str]]] = {
    "clear": [("dags", "runAndTaskActions.clear.title", "common:taskInstance_one")],
    "connections": [("common", "nav.admin", ""), ("common", "admin.Connections", "")],
    "trigger": [("components", "triggerDag.title", "")],
    "backfill": [("components", "backfill.title", "")],
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


def label(name: str, language: str) -> str:
    """A label as in Airflow's page; a menu entry is preceded by its menu."""
    parts = []
    for file, key, kind in LABELS[name]:
        part = translation(language, file, key)
        parts.append(part.replace("{{type}}", translation(language, *kind.split(":"))) if kind else part)
    return " > ".join(parts)


SPOKEN = {name: Text(label(name, "es"), label(name, "en")) for name in LABELS}


def test_the_labels_are_those_that_people_see() -> None:
    """The labels are those seen on the screen, typed by hand."""
    assert SPOKEN["clear"] == Text("Limpiar Instancia de Tarea", "Clear Task Instance")
    assert SPOKEN["connections"] == Text("Administración > Conexiones", "Admin > Connections")


def test_a_sentence_names_the_button_that_its_reader_sees() -> None:
    """A Spanish sentence never uses the English label, and both languages name the button or neither does."""
    wrong = [
        key
        for key, text in CATALOGUE.items()
        for spoken in SPOKEN.values()
        if (spoken.es in text.es) != (spoken.en in text.en) or spoken.en in text.es or "(Clear" in text.es
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "page", ["README", *(f"docs/{path.stem}" for path in sorted((ROOT / "docs").glob("*.md")) if not path.stem.endswith(".es"))]
)
def test_the_guides_name_the_buttons_that_their_readers_see(page: str) -> None:
    """Each button is named equally often in both languages."""
    spanish, english = ((ROOT / f"{page}{ending}").read_text(encoding="utf-8") for ending in (".es.md", ".md"))
    for spoken in SPOKEN.values():
        assert spanish.count(spoken.es) == english.count(spoken.en)
        assert spoken.en not in spanish
