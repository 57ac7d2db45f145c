"""Every sentence that an operator reads is in the catalogue, in both languages, and nowhere else."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from string import Formatter

import pytest
import tablero.errors
from tablero.texts.text import Text

from tests.unit.texts.catalogue import CATALOGUE, HOUSE, ROOMS

ROOT = Path(__file__).resolve().parents[3]
NAMES = {(room, name.partition("[")[0]) for room, name in CATALOGUE}


def sources() -> dict[str, ast.Module]:
    """All modules with sentences for an operator, by path: the package and the DAG files."""
    paths = [*HOUSE.rglob("*.py"), *(ROOT / "dags").glob("*.py")]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in sorted(paths)}


SOURCES = sources()
#: The dashboard's own names, which exist in Spanish only.
QUOTED = {"plugins/tablero/contract/statuses.py"}

SPEAKERS = {
    path: tree for path, tree in SOURCES.items() if "/texts/" not in path and "/migrations/" not in path and path not in QUOTED
}


def rooms_in(tree: ast.Module) -> dict[str, str]:
    """The local names under which a module imports rooms of the catalogue."""
    return {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "tablero.texts"
        for alias in node.names
    }


def uses(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Room and name of every text that a module mentions."""
    rooms = rooms_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in rooms:
            yield rooms[node.value.id], node.attr
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("tablero.texts."):
            yield from ((str(node.module).rpartition(".")[2], alias.name) for alias in node.names)


def used() -> set[tuple[str, str]]:
    """All texts mentioned anywhere: in modules, in other texts of the same room, or in a template of the page."""
    found = {use for tree in SOURCES.values() for use in uses(tree)}
    for room in ROOMS:
        tree = SOURCES[f"plugins/tablero/texts/{room}.py"]
        found |= {(room, node.id) for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    templates = "\n".join(path.read_text() for path in (HOUSE / "web" / "templates").glob("*.html"))
    words = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", templates))
    return found | {(room, name) for room, name in NAMES if room == "web" and name in words}


def wrong(is_right: Callable[[Text], bool], *, among: Iterable[tuple[str, str]] = CATALOGUE) -> list[tuple[str, str]]:
    """The room and name of each text that is not right."""
    return [key for key in among if not is_right(CATALOGUE[key])]


def test_each_text_has_both_languages() -> None:
    """No text is empty in Spanish or in English."""
    assert wrong(lambda text: isinstance(text, Text) and bool(text.es.strip() and text.en.strip())) == []


def fields(language: str) -> set[str]:
    """The placeholders of a sentence."""
    return {field for _, field, _, _ in Formatter().parse(language) if field is not None}


def test_both_languages_have_the_same_placeholders() -> None:
    """Each value that one language mentions stands in the other, too; placeholders are names."""
    assert wrong(lambda text: fields(text.es) == fields(text.en) and all(map(str.isidentifier, fields(text.es)))) == []


def test_each_text_is_translated() -> None:
    """Only single words are the same in both languages."""
    assert wrong(lambda text: text.es != text.en or " " not in re.sub(r"\{\w+\}", "", text.es).strip()) == []


#: Placeholders that are amounts, by name: those that choose a form somewhere, and those that nowhere need one.
AMOUNTS = {
    "n",
    *(name for text in CATALOGUE.values() for language in text for _, name, form, _ in Formatter().parse(language) if form),
}

#: One thing, in words for several: a Spanish noun, participle or verb, and an English one. An amount of a whole ("1 of 5 rows")
#: is followed by the whole.
SEVERAL = {
    "es": re.compile(r"\b1 (?!(?:es|en|más|menos|mes|de)\b)\w*(?:[aeo]s|[aeoáé]n)\b"),
    "en": re.compile(
        r"\b1 (?:(?!(?:is|was|has|waits|stays|continues|lies|status)\b)\w+s|are|were|have|wait|stay|continue|lie)\b"
    ),
}

#: Several things, in words for one of them.
ONE = {
    "es": re.compile(r"\b2 (?:fila|lote|llamada|ventana|comprobación|noche|mes|cambio|respuesta|segundo|es|está)\b"),
    "en": re.compile(r"\b2 (?:row|batch|call|window|check|night|month|change|answer|second|is|was|has)\b"),
}


def with_amounts(key: tuple[str, str], amount: int) -> Text:
    """A text whose amounts are all this one."""
    text = CATALOGUE[key]
    return text(**{name: amount if name in AMOUNTS else "…" for name in text.placeholders})


@pytest.mark.parametrize(("amount", "form", "mistakes"), [(1, "[other]", SEVERAL), (2, "[one]", ONE)], ids=["one", "two"])
def test_words_follow_their_amount(amount: int, form: str, mistakes: dict[str, re.Pattern[str]]) -> None:
    """A text that counts things is right for one of them and for several, in each room and language."""
    counting = [key for key in CATALOGUE if not key[1].endswith(form)]
    found = [
        (*key, match[0])
        for key in counting
        for language, mistake in mistakes.items()
        for match in mistake.finditer(with_amounts(key, amount).within(language))
    ]
    assert found == []


def test_an_amount_stands_before_words_that_follow_it() -> None:
    """A noun directly after a placeholder that is no known amount would always be in the plural."""
    plural = re.compile(r"\{(\w+)\} (?:filas|lotes|llamadas|ventanas|noches|meses|rows|batches|windows|nights|months)\b")
    unknown = [key for key in CATALOGUE if not key[1].endswith("[other]")]
    named = [(*key, match[1]) for key in unknown for language in CATALOGUE[key] for match in plural.finditer(language)]
    assert {name for _, _, name in named} == {"shown"}  # "more than 1,000", which is always many


OUR_ERRORS = {name for name, value in vars(tablero.errors).items() if isinstance(value, type) and issubclass(value, Exception)}

#: The errors whose kind is their cause, whatever they say: see ``outbox.alerts.troubles.cause_of``.
KINDS = (tablero.errors.TransientError, tablero.errors.ImplausibleReading, tablero.errors.NotSettledError)


def test_an_error_is_the_same_cause_for_one_row_and_for_several() -> None:
    """An error that is recognised by its words has the same ones for any amount; otherwise it would be alerted again."""
    varying = set()
    for tree in SPEAKERS.values():
        rooms = rooms_in(tree)
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OUR_ERRORS and node.args
            ):
                continue
            if issubclass(getattr(tablero.errors, node.func.id), KINDS):
                continue
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in rooms:
                    key = rooms[part.value.id], part.attr
                    if key in CATALOGUE and any(form for _, _, form, _ in Formatter().parse(CATALOGUE[key].es) if form):
                        varying.add(key[1])
    assert varying <= {"DRY_RUN_INCOMPLETE"}  # a dry run has no second night


def test_forms_come_in_pairs() -> None:
    """Words that depend on a number have a form for one and another for several."""

    def in_pairs(text: Text) -> bool:
        forms = [form for language in text for _, _, form, _ in Formatter().parse(language) if form]
        return all(len(form.split("|")) == 2 for form in forms)

    assert wrong(in_pairs) == []


def test_no_text_is_left_over() -> None:
    """Every text in the catalogue is used somewhere."""
    assert NAMES - used() == set()


def test_no_text_is_missing() -> None:
    """Every text that is used exists."""
    there = NAMES | {(room, name) for room in ROOMS for name in vars(importlib.import_module(f"tablero.texts.{room}"))}
    assert {use for tree in SPEAKERS.values() for use in uses(tree) if use[0] in ROOMS} - there == set()


def test_a_text_is_given_the_values_that_it_mentions() -> None:
    """Each use passes exactly the values that the text mentions: a missing one would hide the error to be reported."""
    mismatched = []
    for path, tree in SPEAKERS.items():
        rooms = rooms_in(tree)
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if not isinstance(node.func.value, ast.Name) or node.func.value.id not in rooms:
                continue
            text = CATALOGUE.get((rooms[node.func.value.id], node.func.attr))
            given = {keyword.arg for keyword in node.keywords}
            if text is not None and None not in given and given != text.placeholders:
                mismatched.append(f"{path}:{node.lineno} {node.func.attr}: {sorted(given ^ text.placeholders)}")
    assert mismatched == []


#: From this level on a log line asks for action, in both languages; lines below are for maintainers.
ASKING = {"warning", "error", "exception", "critical"}


def is_written_here(node: ast.expr) -> bool:
    """Whether an expression builds a sentence itself: a literal with letters, an f-string, or a concatenation."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(re.search(r"[a-zA-Z]", re.sub(r"%[a-z]", "", node.value)))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("verbatim", "str"):
        return any(is_written_here(argument) for argument in node.args)
    return isinstance(node, ast.JoinedStr | ast.BinOp)


def docstrings(tree: ast.Module) -> set[int]:
    """The nodes that are docstrings."""
    places = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, places) and node.body and isinstance(node.body[0], ast.Expr)
    }


def sentences_by_hand(tree: ast.Module) -> Iterator[int]:
    """Lines with a sentence for an operator that is not from the catalogue."""
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            asks = name in ASKING and isinstance(node.func, ast.Attribute)
            if (asks or name in OUR_ERRORS) and is_written_here(node.args[0]):
                yield node.lineno
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            kind = getattr(node.exc.func, "id", "")
            if kind.islower() and is_written_here(node.exc.args[0]):  # an error chosen by a variable
                yield node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            if re.search(r"[a-z.)] / [A-Za-z¿¡]|[áéíóúñ¿¡]", node.value):  # both languages in one literal, or Spanish
                yield node.lineno


def test_sentences_come_from_the_catalogue() -> None:
    """Errors, log lines that ask for action, alerts, the form and the command line use the catalogue."""
    by_hand = [f"{path}:{line}" for path, tree in SPEAKERS.items() for line in sorted(set(sentences_by_hand(tree)))]
    assert by_hand == []
