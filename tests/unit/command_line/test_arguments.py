"""What cannot be meant is refused with a sentence, and an empty table still has its heading."""

from __future__ import annotations

import pytest
from tablero.command_line import parser, printing


@pytest.mark.parametrize(
    ("words", "spanish", "english"),
    [
        (["rows", "--batch", "9" * 24], "no es el número de un lote", "is no batch"),
        (["rows", "--batch", "-1"], "no es el número de un lote", "is no batch"),
        (["adopt", "--batch", "one"], "no es el número de un lote", "is no batch"),
        (["adopt", "--until", "2026-02-30"], "no es una fecha", "is not a date"),
        (["adopt", "--from", "yesterday", "--until", "2026-02-01"], "no es una fecha", "is not a date"),
    ],
)
def test_numbers_and_dates_that_are_none(
    words: list[str], spanish: str, english: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong batch or date is named in both languages, with the exit status of wrong usage."""
    with pytest.raises(SystemExit) as ended:
        parser.build().parse_args(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert spanish in said
    assert english in said


def test_a_table_without_rows_has_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    """No rows are a CSV file with a heading, and nothing at all as JSON lines."""
    printing.each(iter(()), columns=("a", "b"), as_csv=True)
    assert capsys.readouterr().out == "a,b\n"
    printing.each(iter(()), columns=("a", "b"), as_csv=False)
    assert capsys.readouterr().out == ""
