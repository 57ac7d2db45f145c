"""The language of a page: negotiation, and the texts in it."""

from __future__ import annotations

from functools import cache
from typing import Any

from babel import Locale, negotiate_locale
from tablero.texts.page import TEXTS
from tablero.texts.text import LANGUAGES, Counted, Text


class Texts:
    """The page's texts in one language; called with the name of a text and the values of its placeholders.

    :param language: one of :data:`tablero.texts.text.LANGUAGES`.
    :ivar locale: for numbers, months and weekdays, as in the Dominican Republic.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.locale = Locale.parse({"es": "es_DO", "en": "en"}[language])
        # Most texts of a page have no placeholder, and a calendar repeats a few of them hundreds of times.
        self._fixed = {
            name: text.within(language) for name, text in TEXTS.items() if isinstance(text, Text) and not text.placeholders
        }

    def __call__(self, name: str, /, **values: Any) -> str:
        """A text. Integers are formatted with thousands separators; ``n`` selects singular or plural.

        :raises KeyError: if there is no such text, or a placeholder has no value.
        """
        if name in self._fixed:
            return self._fixed[name]
        text = TEXTS[name]
        if isinstance(text, Counted):
            text = text.one if self.locale.plural_form(values["n"]) == "one" else text.other
        return text(**values).within(self.language)


@cache
def texts(language: str) -> Texts:
    """The texts of a language, cached."""
    return Texts(language)


def choose(asked: str | None, kept: str | None, accepted: str) -> str:
    """The language of a page; Spanish if the browser accepts neither.

    :param asked: the parameter ``?lang=``.
    :param kept: the language chosen before (a cookie).
    :param accepted: the header ``Accept-Language``.
    """
    preferred = [*(language for language in (asked, kept) if language), *_by_weight(accepted)]
    return negotiate_locale(preferred, LANGUAGES, sep="-") or LANGUAGES[0]


def _by_weight(accepted: str) -> list[str]:
    """The tags of an ``Accept-Language`` header, the preferred ones first (RFC 9110, section 12.5.4)."""
    weighted: list[tuple[float, int, str]] = []
    for part in accepted.split(","):
        tag, _, parameters = part.strip().partition(";")
        try:
            weight = float(parameters.strip().removeprefix("q=")) if parameters else 1.0
        except ValueError:
            continue
        if weight > 0 and tag.strip():
            weighted.append((-weight, len(weighted), tag.strip()))
    return [tag for _, _, tag in sorted(weighted)]
