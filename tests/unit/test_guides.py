"""The documents cover every failing state, and match the code, in both languages."""

from __future__ import annotations

import ast
import json
import logging
import re
from datetime import datetime, timezone
from pathlib import Path
from textwrap import dedent

import pytest
from tablero import errors
from tablero.contract.reasons import Reason
from tablero.contract.status_change import MAX_ID_LENGTH
from tablero.dashboard import xroad
from tablero.dashboard.answer import Answer, Attempt, Outcome, log_line
from tablero.dashboard.client import Received, judge

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
ENGLISH, SPANISH = ".md", ".es.md"
BOTH = pytest.mark.parametrize("language", [ENGLISH, SPANISH])

#: The pages, English and Spanish.
PAGES = [(path.name, f"{path.stem}{SPANISH}") for path in sorted(DOCS.glob("*.md")) if not path.name.endswith(SPANISH)]

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)

#: The tables, by their first column's heading in either language.
ERRORS, CHECKS, VERDICTS, ANSWERS, REASONS, METRICS = (
    ("error",),
    ("check", "comprobación"),
    ("verdict", "veredicto"),
    ("answer", "respuesta"),
    ("reason", "motivo"),
    ("metric", "métrica"),
)


def text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def everything(language: str) -> str:
    """All pages in a language."""
    return "\n".join(text(pair[language == SPANISH]) for pair in PAGES)


def table(language: str, headings: tuple[str, ...]) -> list[list[str]]:
    """The rows of a table on any page, without its heading and without backticks."""
    for found in re.findall(r"(?:^\|.*\|\n)+", everything(language), re.MULTILINE):
        rows = [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")] for line in found.splitlines()]
        if rows[0][0] in headings:
            return rows[2:]
    raise AssertionError(f"there is no table {headings}")


def source(module: str) -> ast.Module:
    return ast.parse((ROOT / "plugins" / "tablero" / f"{module}.py").read_text())


@BOTH
def test_every_error_has_a_remedy(language: str) -> None:
    """Every error that can be raised has a remedy; the base classes cannot be raised."""
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.TableroError)}
    raised -= {"TableroError", "PermanentError", "TransientError", "Deferral"}
    rows = table(language, ERRORS)
    assert {row[0] for row in rows} == raised
    assert all(len(row) == 3 and row[2] for row in rows)


def checks() -> set[str]:
    """The names of the preflight's findings, as its code spells them."""
    tree = source("delivery/preflight")
    makers = ("Finding", "_guarded", "_clocks")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) in makers]
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "name"]
    values = [*(call.args[0] for call in calls), *(assignment.value for assignment in named)]
    return {value.value for value in values if isinstance(value, ast.Constant)}


@BOTH
def test_every_check_has_a_remedy(language: str) -> None:
    """Every name at the beginning of a line of the check has a remedy."""
    assert {row[0] for row in table(language, CHECKS)} == checks()
    assert "X-Road access" in checks(), "the names are found in the code"


@BOTH
def test_every_judgement_of_x_road_is_there(language: str) -> None:
    """Every X-Road error is listed with the exact words of the log, which people search for, and with its verdict."""
    judgements = {rule.judgement for rule in xroad._RULES} | {xroad._UNKNOWN_ERROR}
    words = {(one.verdict.value, one.advice.en if language == ENGLISH else one.advice.es) for one in judgements}
    rows = table(language, VERDICTS)
    assert {tuple(row) for row in rows} == words
    assert len(rows) == len(words)
    assert {row[0] for row in rows} == {verdict.value for verdict in xroad.Verdict}


def answer(code: int, sort: str) -> Received:
    """An answer as described by a line of the table."""
    if "SOAP" in sort:
        return Received(code, {"Content-Type": "text/xml"}, "<SOAP-ENV:Envelope/>")
    if "HTML" in sort:
        return Received(code, {"Content-Type": "text/html"}, "<html></html>")
    success = "false" if sort.endswith(("false", "falso")) and not sort.endswith(("not false", "no falso")) else "true"
    words = "Ya hay una carga en proceso" if sort.endswith(("in process", "en proceso")) else ""
    return Received(code, {"Content-Type": "application/json"}, f'{{"success": {success}, "message": "{words}"}}')


@BOTH
def test_every_answer_is_judged_as_the_table_says(language: str) -> None:
    """Every status in every line is judged as the table says."""
    judged = set()
    for sort, outcome, *_ in table(language, ANSWERS):
        for code in map(int, re.findall(r"\b\d{3}\b", sort)):
            assert judge(answer(code, sort), NOW, str).outcome.value == outcome, f"{code}: {sort}"
            judged.add(code)
    assert {200, 201, 301, 400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504} <= judged


@BOTH
def test_every_reason_of_a_rejection_has_a_remedy(language: str) -> None:
    """Every rejection reason has a remedy, in the order of the code; the limit of an id matches the code."""
    rows = table(language, REASONS)
    assert [row[0] for row in rows] == [reason.value for reason in Reason]
    assert str(MAX_ID_LENGTH) in dict(rows)[Reason.TOO_LONG.value]


@BOTH
def test_every_metric_is_named(language: str) -> None:
    """Every metric that airflow/metrics.py sends is listed."""
    sent = {
        node.args[0].value
        for node in ast.walk(source("airflow/metrics"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("incr", "timing", "gauge")
        if isinstance(node.args[0], ast.Constant)
    }
    assert {row[0] for row in table(language, METRICS)} == sent
    assert "tablero.rows" in sent


def block(language: str, kind: str) -> str:
    """The only code block of a language in docs/metrics.md."""
    (found,) = re.findall(rf"^  ```{kind}\n(.*?)^  ```", text(f"metrics{language}"), re.DOTALL | re.MULTILINE)
    return dedent(found)


@BOTH
def test_the_line_of_an_attempt_is_as_it_is_written(language: str, caplog: pytest.LogCaptureFixture) -> None:
    """The documented log line of an attempt matches the code: its sentence and each of its fields."""
    line = json.loads(block(language, "json"))
    answer = Answer(
        Outcome(line["outcome"]),
        status=line["status"],
        seconds=line["milliseconds"] / 1000,
        xroad_request_id=line["xroad_request_id"],
    )
    attempt = Attempt(line["batch"], line["rows"], line["xroad_id"], answer, line["window"])
    assert {name: value for name, value in line.items() if name not in ("level", "event", "logger")} == attempt.fields()
    with caplog.at_level(logging.INFO):
        log_line(attempt)
    (record,) = caplog.records
    assert (record.levelname.lower(), record.getMessage(), record.name) == (line["level"], line["event"], line["logger"])
    assert f"\n  {line['event']}\n" in everything(language)


@BOTH
def test_the_dag_of_the_page_is_scheduled_on_the_asset(language: str) -> None:
    """The asset in the example DAG has the name and the address used in the code."""
    (asset,) = [line for line in block(language, "python").splitlines() if line.startswith("RECONCILIATIONS = ")]
    assert ast.dump(ast.parse(asset)) in [ast.dump(ast.Module([node], [])) for node in source("airflow/assets").body]


def outline(page: str) -> list[str]:
    """Headings by their level, lists by their items, tables by their columns."""
    prose = re.sub(r"```.*?```", "", text(page), flags=re.DOTALL)
    kinds = re.compile(r"^(#+ |\d+\. |- |\|)")
    found = [(kinds.match(line), line) for line in prose.splitlines()]
    return [match[1] + (str(line.count("|")) if match[1] == "|" else "") for match, line in found if match]


@pytest.mark.parametrize(("english", "spanish"), PAGES)
def test_both_languages_have_the_same_outline(english: str, spanish: str) -> None:
    """Both languages have the same outline, so that nothing is added to only one of them."""
    assert outline(english) == outline(spanish)


@BOTH
def test_the_index_names_every_page(language: str) -> None:
    """The index links to every page with a question."""
    rows = "".join(line for line in text(f"README{language}").splitlines() if line.startswith("|"))
    links = re.findall(r"\]\(([^)/]+)\)", rows)
    assert sorted(links) == sorted(pair[language == SPANISH] for pair in PAGES if pair[0] != "README.md")


@pytest.mark.parametrize("page", [page for pair in PAGES for page in pair])
def test_links_lead_somewhere(page: str) -> None:
    """Links lead to existing files and headings."""
    links = re.findall(r"\]\(([^)]+)\)", text(page))
    assert links
    for link in links:
        file, _, anchor = link.partition("#")
        assert not file or (DOCS / file).is_file(), link
        assert not anchor or anchor in headings(file or page), link


def headings(page: str) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}
