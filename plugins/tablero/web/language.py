"""Spanish and English: every word of the page stands in ``translations/``."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "translations"

#: Spanish first: it is what a browser gets that speaks neither.
LANGUAGES = ("es", "en")


class Texts:
    """The texts of one language; called with the name of one, and the values that it mentions.

    :param language: one of :data:`LANGUAGES`.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = _read(language)

    def __call__(self, name: str, /, **values: Any) -> str:
        """A text. Whole numbers are written with separators of thousands; one that has a singular is chosen by ``n``.

        :raises KeyError: there is no such text, or a value that it mentions was not given.
        """
        text = self._texts[name]
        if isinstance(text, dict):
            text = text["one" if values["n"] == 1 else "other"]
        shown = {key: f"{value:,}" if isinstance(value, int) else value for key, value in values.items()}
        return str(text).format(**shown)

    def list(self, name: str) -> list[str]:
        """A list of words, such as the names of the months."""
        words: list[str] = self._texts[name]
        return words


@cache
def texts(language: str) -> Texts:
    """The texts of a language."""
    return Texts(language)


@cache
def _read(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((_FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return found


def choose(asked: str | None, kept: str | None, accepted: str) -> str:
    """The language of a page.

    :param asked: what the address asks for (``?lang=``).
    :param kept: what was asked for before (a cookie).
    :param accepted: the header ``Accept-Language``.
    """
    for candidate in (asked, kept, *_preferred(accepted)):
        if candidate in LANGUAGES:
            return candidate
    return LANGUAGES[0]


def _preferred(accepted: str) -> list[str]:
    weighted: list[tuple[float, int, str]] = []
    for part in accepted.split(","):
        tag, _, parameters = part.strip().partition(";")
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if weight > 0:
            weighted.append((-weight, len(weighted), tag.strip().lower().partition("-")[0]))
    return [tag for _, _, tag in sorted(weighted)]
