"""A sentence in Spanish and English."""

from __future__ import annotations

from string import Formatter
from typing import Any, NamedTuple

#: Spanish comes first wherever the reader's language is unknown, since most readers speak it.
LANGUAGES = ("es", "en")


class Text(NamedTuple):
    """A sentence in Spanish and English; in the catalogue with ``{placeholders}``, which a call fills.

    Words that depend on a number follow it with both forms: ``{rows} {rows:row is|rows are} pending``.

    :ivar es: Spanish, as an institution of the Dominican Republic would write it.
    :ivar en: English.
    """

    es: str
    en: str

    def __call__(self, **values: Any) -> Text:
        """The sentence with its placeholders filled.

        :param values: by placeholder. A :class:`Text` is inserted in the respective language. Integers are amounts, formatted
            with thousands separators; pass ids and status codes as strings.
        :raises KeyError: if a placeholder has no value.
        """
        return Text(*(_fill(getattr(self, language), language, values) for language in LANGUAGES))

    def __str__(self) -> str:
        """Both languages, Spanish first, line by line: the form used in logs, errors and alerts."""
        spanish, english = self.es.splitlines(), self.en.splitlines()
        if len(spanish) != len(english):
            return f"{self.es} / {self.en}"
        return "\n".join(es if es == en else f"{es} / {en}" for es, en in zip(spanish, english, strict=True))

    def within(self, language: str) -> str:
        """The sentence in one language, ``es`` or ``en``."""
        return self.en if language == "en" else self.es

    @property
    def placeholders(self) -> set[str]:
        """Placeholders of the Spanish sentence; a test checks that the English one has the same."""
        return {name for _, name, _, _ in Formatter().parse(self.es) if name}


class Counted(NamedTuple):
    """A sentence about a number of things, the placeholder ``{n}``; the caller picks the form by the number.

    :ivar one: for exactly one.
    :ivar other: for none and for several.
    """

    one: Text
    other: Text


def verbatim(words: str) -> Text:
    """A message from elsewhere, such as a server or driver, which is the same in both languages."""
    return Text(words, words)


def joined(texts: list[Text], separator: str = " ") -> Text:
    """Several sentences one after the other, in each language."""
    return Text(*(separator.join(getattr(text, language) for text in texts) for language in LANGUAGES))


def _fill(template: str, language: str, values: dict[str, Any]) -> str:
    return template.format_map({name: _written(value, language) for name, value in values.items()})


def _written(value: object, language: str) -> object:
    if isinstance(value, Text):
        return value.within(language)
    if isinstance(value, int) and not isinstance(value, bool):
        return _Amount(value)
    return value


class _Amount(int):
    """A number in a sentence. Its format is either empty or two forms, ``one|other``, of which it picks one."""

    def __format__(self, form: str) -> str:
        if form:
            one, other = form.split("|")
            return one if self == 1 else other
        return f"{int(self):,}"  # the format of babel's es_DO and en, without the cost of importing babel in every task
