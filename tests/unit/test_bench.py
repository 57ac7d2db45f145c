"""What the benchmark measures, and how its results are presented."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.chart import chart
from bench.plan import CONTENDERS, SQLITE, plan
from bench.report import Result, block, publish, sentences, table

ALL = list(CONTENDERS)


def result(contender: str, latency: float = 0.0, *, rows: int = 1_000, seconds: float = 1.0, size: int = 0) -> Result:
    return Result(contender, latency, rows, seconds, client=0.01, server=0.002, peak=40.0, calls=rows // 1_000, size=size)


def test_every_contender_has_its_turn_at_every_latency() -> None:
    """Every contender runs at every latency, except SQLite, which runs only without latency because it is about the outbox."""
    turns = plan(1_000_000, [0.0, 0.05, 0.3], [3, 2, 1], ALL)
    for latency in (0.0, 0.05, 0.3):
        wanted = {*ALL} if latency == 0.0 else {*ALL} - {SQLITE}
        assert {each.contender for each in turns if each.latency == latency} == wanted


def test_ours_sends_all_rows_always() -> None:
    """Our package always sends all rows; contenders measured on fewer rows gain no advantage from it."""
    turns = plan(1_000_000, [0.0, 0.05, 0.3], [3, 2, 1], ALL)
    assert {each.rows for each in turns if each.contender == "tablero"} == {1_000_000}
    assert {each.rows for each in turns if each.contender == "guide" and not each.latency} == {1_000_000}


def test_the_table_says_how_many_rows_each_has_sent() -> None:
    """The table shows how many rows each contender sent, and the factor by which the package is faster."""
    found = table([result("tablero"), result("guide", rows=500)], "en").splitlines()
    assert "| 1,000 | 1 |" in found[2]
    assert "| × 2.00 |" in found[3]
    assert "| 500 | 0 |" in found[3]
    assert len({line.count("|") for line in found}) == 1


def test_what_was_not_measured_is_not_said() -> None:
    """Results that were not measured are not mentioned: neither SQLite nor a ceiling."""
    assert "SQLite" not in sentences([result("tablero", size=20_000)], "en")
    assert "ceiling" not in sentences([result("tablero", size=20_000)], "en")
    found = sentences(
        [result("tablero", size=20_000), result(SQLITE, seconds=2.0, size=25_000), result("tablero", 0.3, seconds=0.5)], "en"
    )
    assert "20 bytes" in found
    assert "takes 25, and the rate is 50%" in found
    assert "At 300 ms" in found


@pytest.mark.parametrize(("language", "name"), [("en", "README.md"), ("es", "README.es.md")])
def test_publishing_replaces_what_stands_between_the_marks(tmp_path: Path, language: str, name: str) -> None:
    """Publishing replaces only the text between the marks."""
    for readme in ("README.md", "README.es.md"):
        (tmp_path / readme).write_text(
            "before\n<!-- bench -->\nof an earlier version\n<!-- /bench -->\nafter\n", encoding="utf-8"
        )
    results = [result("tablero"), result("guide")]
    publish(results, [3, 1], tmp_path)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- bench -->\n![")
    assert text.endswith("<!-- /bench -->\nafter\n")
    assert block(results, [3, 1], language) in text
    assert "earlier" not in text


def test_the_chart_has_a_bar_for_each() -> None:
    """The chart has a bar with a name for each contender, below each latency."""
    drawn = chart([result(contender) for contender in ALL] + [result("tablero", 0.05)])
    assert drawn.count("<rect") == 1 + len(ALL) + 1
    assert "50 ms" in drawn
