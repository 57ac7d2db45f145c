"""What is kept of the other side's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.attempt import MAX_KEPT, clean


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Bad Request", "Bad Request"),
        ("  two\r\nlines\tand \x00 more\x1b[31m ", "two lines and more [31m"),  # no forged log line, no colours
        ("a\u202eb\u2066c\u2028d", "a b c d"),  # no text that runs backwards
        ("lone \ud800 surrogate", "lone surrogate"),
        ("ñ 申請 🏛", "ñ 申請 🏛"),
        ("x" * 600, "x" * (MAX_KEPT - 1) + "…"),
        ("", ""),
        (None, "None"),
        (ValueError("why"), "why"),
    ],
)
def test_clean(text: object, kept: str) -> None:
    """One line, printable, cut to a length."""
    assert clean(text) == kept


@given(st.text(st.characters(), max_size=500), st.integers(1, 100))
def test_clean_for_any_text(text: str, most: int) -> None:
    """It can be stored in any database, and cleaning it again changes nothing."""
    kept = clean(text, most)
    assert len(kept) <= most
    assert len(kept.splitlines()) <= 1
    kept.encode()
    assert clean(kept, most) == kept


def test_a_huge_text_is_cut_first() -> None:
    """10 MB of an answer cost no time."""
    assert clean("\x00" * 10_000_000 + "x") == ""
