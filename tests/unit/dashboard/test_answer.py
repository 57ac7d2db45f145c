"""What is kept of an answer's text, and the log line of an attempt."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.dashboard.answer import MAX_KEPT, Answer, Attempt, Outcome, clean, log_line


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Bad Request", "Bad Request"),
        ("  two\r\nlines\tand \x00 more\x1b[31m ", "two lines and more [31m"),  # no forged log line, no colours
        ("a\u202eb\u2066c\u2028d", "a b c d"),  # no right-to-left overrides
        ("lone \ud800 surrogate", "lone surrogate"),
        ("ñ 申請 🏛", "ñ 申請 🏛"),
        ("x" * 600, "x" * (MAX_KEPT - 1) + "…"),
        ("", ""),
        (None, "None"),
        (ValueError("why"), "why"),
    ],
)
def test_clean(text: object, kept: str) -> None:
    """Text is cleaned to one printable line of limited length."""
    assert clean(text) == kept


@given(st.text(st.characters(), max_size=500), st.integers(1, 100))
def test_clean_for_any_text(text: str, most: int) -> None:
    """Cleaned text can be stored in any database, and cleaning it again changes nothing."""
    kept = clean(text, most)
    assert len(kept) <= most
    assert len(kept.splitlines()) <= 1
    kept.encode()
    assert clean(kept, most) == kept


def test_a_huge_text_is_cut_first() -> None:
    """Cleaning an answer of 10 MB takes no noticeable time."""
    assert clean("\x00" * 10_000_000 + "x") == ""


DELIVERED = Attempt(17, 1000, "5f0c3c0e", Answer(Outcome.DELIVERED, status=201, seconds=0.3124), window="2020-01")
LOST = Attempt(17, 1000, "5f0c3c0e", Answer(Outcome.UNKNOWN, seconds=120.0, error="No answer."))
NO_ACCESS = Attempt(
    17,
    1,
    "5f0c3c0e",
    Answer(
        Outcome.PERMANENT,
        status=500,
        seconds=0.02,
        error="No right.",
        message="Request is not allowed",
        xroad_request_id="a1",
        xroad_error="Server.ServerProxy.AccessDenied",
        xroad_detail="b2",
    ),
)


@pytest.mark.parametrize(
    ("attempt", "level", "sentence"),
    [
        (DELIVERED, "INFO", "batch 17, 1000 rows: delivered, HTTP 201, 312 ms, X-Road-Id 5f0c3c0e"),
        (LOST, "WARNING", "batch 17, 1000 rows: unknown, HTTP -, 120000 ms, X-Road-Id 5f0c3c0e: No answer."),
        (
            NO_ACCESS,
            "ERROR",
            "batch 17, 1 rows: permanent, HTTP 500, 20 ms, X-Road-Id 5f0c3c0e: No right. «Request is not allowed»",
        ),
    ],
)
def test_log_line(caplog: pytest.LogCaptureFixture, attempt: Attempt, level: str, sentence: str) -> None:
    """The log record has one sentence for people, and its fields as attributes for programs."""
    with caplog.at_level(logging.INFO):
        log_line(attempt)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, sentence)
    assert attempt.fields().items() <= vars(record).items()


def test_accepted_rows() -> None:
    """An answer that names rows accepts all others of its call; any other accepts all or none."""
    partial = Answer(Outcome.REFUSED, status=201, partial=True, named=(3, 7))
    assert [Attempt(1, 10, "id", answer).accepted for answer in (partial, DELIVERED.answer, LOST.answer)] == [8, 10, 0]


def test_fields() -> None:
    """Fields are given by name; unknown ones are left out."""
    common = {"batch": 17, "xroad_id": "5f0c3c0e"}
    assert DELIVERED.fields() == common | {
        "window": "2020-01",
        "rows": 1000,
        "outcome": "delivered",
        "status": 201,
        "milliseconds": 312,
    }
    assert LOST.fields() == common | {"rows": 1000, "outcome": "unknown", "milliseconds": 120000}
    assert NO_ACCESS.fields() == common | {
        "rows": 1,
        "outcome": "permanent",
        "status": 500,
        "milliseconds": 20,
        "xroad_request_id": "a1",
        "xroad_error": "Server.ServerProxy.AccessDenied",
        "xroad_detail": "b2",
    }
