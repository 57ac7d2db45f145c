"""Every word of the page stands in both languages, and no word is left over."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from tablero.contract.status_change import Reason
from tablero.web.coverage import State, Why
from tablero.web.language import LANGUAGES, Texts

WEB = Path(__file__).resolve().parents[2] / "plugins" / "tablero" / "web"

TEXTS: dict[str, dict[str, Any]] = {
    language: json.loads((WEB / "translations" / f"{language}.json").read_text(encoding="utf-8")) for language in LANGUAGES
}

#: Names of texts that are put together: a part, and what it ends in.
FAMILIES = {
    "state.": [
        state.value + end
        for state in State
        for end in ("", ".short", ".means")
        # A month with rejections says how many.
        if (state, end) != (State.REJECTIONS, ".short")
    ],
    "why.": [why.value for why in Why],
    "fix.": [reason.value for reason in Reason],
    "batch.": [
        "all",
        *(state + end for state in ("pending", "delivered", "refused", "withdrawn", "split") for end in ("", ".means")),
    ],
    "outcome.": ["delivered", "refused", "transient", "permanent", "unknown", "open"],
    "count.": [
        name + end for name in ("read", "delivered", "rejected", "excluded", "duplicates", "pending") for end in ("", ".means")
    ],
    "dag.": ["month", "day"],
    "nav.": ["coverage", "rejections", "evidence", "activity", "actions"],
    "live.": ["running", "queued"],
    "daily.last.": ["success", "failed"],
    "proofs.": ["settled", "pending", "uncounted", "mismatch"],
    "review.run.": ["daily_send", "historical_load"],
    "csv.": ["month", "service", "status", "status_name", "rows", "state"],
    "problem.": [
        name + end
        for name in (
            *("400", "401", "403", "404", "form", "500", "settings"),
            *("outbox.empty", "outbox.older", "outbox.away", "outbox.missing"),
        )
        for end in ("", ".advice")
    ],
}


def named() -> set[str]:
    """The names of all texts that templates and modules ask for, by themselves or as one of a family."""
    sources = [path.read_text(encoding="utf-8") for pattern in ("**/*.py", "templates/*.html") for path in WEB.glob(pattern)]
    text = "\n".join(sources)
    single = set(re.findall(r"""(?:\bt|texts|_texts|\.list)\(\s*['"]([a-z_]+(?:\.[a-z0-9_]+)*)['"]""", text))
    either = {name for pair in re.findall(r"t\('([a-z.]+)' if \w+ else '([a-z.]+)'", text) for name in pair}
    return single | either | {head + tail for head, tails in FAMILIES.items() for tail in tails}


def parts(text: Any) -> set[str]:
    """The values that a text mentions, in all its forms."""
    forms = text.values() if isinstance(text, dict) else text if isinstance(text, list) else [text]
    return {field for form in forms for _, field, _, _ in Formatter().parse(form) if field is not None}


def test_all_languages_have_the_same_texts() -> None:
    """In the same order, so that they can be read side by side."""
    assert list(TEXTS["es"]) == list(TEXTS["en"])


@pytest.mark.parametrize("name", TEXTS["es"])
def test_a_text_mentions_the_same_in_all_languages(name: str) -> None:
    """The same values, forms and number of words in a list."""
    spanish, english = TEXTS["es"][name], TEXTS["en"][name]
    assert type(spanish) is type(english)
    assert parts(spanish) == parts(english)
    if isinstance(spanish, dict):
        assert set(spanish) == set(english) == {"one", "other"}
    if isinstance(spanish, list):
        assert len(spanish) == len(english)


def test_no_text_is_missing_and_none_is_left_over() -> None:
    """What the pages ask for is what the files hold."""
    assert named() == set(TEXTS["es"])


def test_no_text_holds_markup() -> None:
    """Texts are escaped like everything else."""
    assert not [name for texts in TEXTS.values() for name, text in texts.items() if re.search("[<>&]", str(text))]


@pytest.mark.parametrize(("count", "text"), [(0, "0 filas"), (1, "1 fila"), (2, "2 filas"), (12_345, "12,345 filas")])
def test_one_is_told_from_many(count: int, text: str) -> None:
    """And thousands are set apart."""
    assert Texts("es")("rows", n=count) == text


def test_a_text_that_is_missing_is_an_error() -> None:
    """Not a page with the name of a text in it."""
    with pytest.raises(KeyError):
        Texts("es")("no.such.text")
