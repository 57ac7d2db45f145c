"""A sentence in both languages."""

from __future__ import annotations

import pytest
from tablero.texts.text import Text, joined, verbatim

ROWS = Text("{rows} {rows:fila|filas} en {window}", "{rows} {rows:row|rows} in {window}")


def test_a_text_is_filled_in_both_languages() -> None:
    """Integers are formatted as amounts; a value that is a text itself is inserted in each language."""
    month = Text("enero", "January")
    assert ROWS(rows=12345, window=month) == Text("12,345 filas en enero", "12,345 rows in January")


def test_where_the_language_is_unknown_spanish_comes_first() -> None:
    """Spanish comes before English, and text identical in both languages appears once."""
    assert str(ROWS(rows=1, window="2020-01")) == "1 fila en 2020-01 / 1 row in 2020-01"
    assert str(verbatim("FATAL: no")) == "FATAL: no"


@pytest.mark.parametrize(("rows", "en"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1001, "1,001 rows")])
def test_words_follow_their_number(rows: int, en: str) -> None:
    """One is named in the singular, none and several in the plural."""
    assert ROWS(rows=rows, window="2020-01").en == f"{en} in 2020-01"


def test_a_missing_value_is_a_mistake_of_ours() -> None:
    """A missing value raises an error at once."""
    with pytest.raises(KeyError):
        ROWS(rows=1)


def test_sentences_are_joined_language_by_language() -> None:
    """Joined sentences are all Spanish first, then all English."""
    assert joined([Text("Uno.", "One."), Text("Dos.", "Two.")]) == Text("Uno. Dos.", "One. Two.")


def test_a_list_is_read_line_by_line() -> None:
    """Each item of a list is in both languages before the next one."""
    assert str(joined([Text("Uno.", "One."), Text("Dos.", "Two.")], "\n")) == "Uno. / One.\nDos. / Two."
