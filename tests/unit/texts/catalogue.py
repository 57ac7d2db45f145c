"""The catalogue as the tests see it: every text by its room and name."""

from __future__ import annotations

import importlib
from pathlib import Path

from tablero.texts.text import Counted, Text

HOUSE = Path(__file__).resolve().parents[3] / "plugins" / "tablero"

#: The modules of ``texts/`` that hold sentences.
ROOMS = sorted(path.stem for path in (HOUSE / "texts").glob("*.py") if path.stem not in ("__init__", "text"))


def catalogue() -> dict[tuple[str, str], Text]:
    """All texts by room and name: entries of a table as ``NAME[key]``, plural forms as ``NAME[form]``."""
    found: dict[tuple[str, str], Text] = {}
    for room in ROOMS:
        for name, value in vars(importlib.import_module(f"tablero.texts.{room}")).items():
            if name.isupper():
                found |= {(room, name + inner): text for inner, text in _sentences(value)}
    return found


def _sentences(value: object) -> list[tuple[str, Text]]:
    if isinstance(value, Text):
        return [("", value)]
    if isinstance(value, Counted):
        return [(f"[{form}]", text) for form, text in value._asdict().items()]
    if isinstance(value, dict):
        return [(f"[{key}]{inner}", text) for key, part in value.items() for inner, text in _sentences(part)]
    return []


CATALOGUE = catalogue()
