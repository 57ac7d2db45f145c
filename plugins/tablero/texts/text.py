"""A sentence in both languages of an institution here."""

from __future__ import annotations

from string import Formatter
from typing import Any, NamedTuple

#: What is shown where the reader's language is unknown comes in this order: most read Spanish first.
LANGUAGES = ("es", "en")


class Text(NamedTuple):
    """A sentence, Spanish and English side by side; in the catalogue with ``{placeholders}``, which a call fills.

    :ivar es: in Spanish, as an institution of the Dominican Republic would write it.
    :ivar en: in English.
    """

    es: str
    en: str

    def __call__(self, **values: Any) -> Text:
        """The sentence with its placeholders filled.

        :param values: by placeholder. A :class:`Text` is filled in language by language. Whole numbers are amounts, and are
            written with thousands separated; give what only looks like one (an id, a status) as a string.
        :raises KeyError: if a placeholder has no value.
        """
        return Text(*(_fill(getattr(self, language), language, values) for language in LANGUAGES))

    def __str__(self) -> str:
        """Both languages, Spanish first, line by line: the form of logs, errors and alerts."""
        spanish, english = self.es.splitlines(), self.en.splitlines()
        if len(spanish) != len(english):
            return f"{self.es} / {self.en}"
        return "\n".join(es if es == en else f"{es} / {en}" for es, en in zip(spanish, english, strict=True))

    def within(self, language: str) -> str:
        """The sentence in one language, ``es`` or ``en``."""
        return self.en if language == "en" else self.es

    @property
    def placeholders(self) -> set[str]:
        """Names of the values that the Spanish sentence asks for; a test holds that the English one asks for the same."""
        return {name for _, name, _, _ in Formatter().parse(self.es) if name}


class Counted(NamedTuple):
    """A sentence about a number of things, the placeholder ``{n}``; who asks for it knows the number, and takes a form.

    :ivar one: about exactly one thing.
    :ivar other: about none, and about several.
    """

    one: Text
    other: Text


def verbatim(words: str) -> Text:
    """Words of another, a server's or a driver's, which are the same in both languages."""
    return Text(words, words)


def joined(texts: list[Text], separator: str = " ") -> Text:
    """Several sentences, one after the other in each language."""
    return Text(*(separator.join(getattr(text, language) for text in texts) for language in LANGUAGES))


def _fill(template: str, language: str, values: dict[str, Any]) -> str:
    return template.format_map({name: _written(value, language) for name, value in values.items()})


def _written(value: object, language: str) -> object:
    if isinstance(value, Text):
        return value.within(language)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"  # as babel writes it in es_DO and in en alike, without the cost of importing it in every task
    return value
