"""The page's texts: its templates and routes use exactly those of the catalogue; language and numbers are formatted by babel.

``tests/unit/texts`` tests for the whole catalogue that both languages exist and mention the same values.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tablero.outbox.findings import CountResult
from tablero.outbox.reports.batches import KINDS
from tablero.texts.page import TEXTS
from tablero.texts.text import Counted
from tablero.web.coverage.judging import State, Why
from tablero.web.language import Texts, choose

WEB = Path(__file__).resolve().parents[2] / "plugins" / "tablero" / "web"

#: The counts whose sum is what was read.
PARTS = ("delivered", "rejected", "excluded", "duplicates", "pending")

#: Names of texts that are composed: a prefix and its suffixes.
FAMILIES = {
    "state.": [
        state.value + end
        for state in State
        for end in ("", ".short", ".means")
        # A month with too many rejections states their number.
        if (state, end) != (State.REJECTIONS, ".short")
    ],
    "why.": [why.value for why in Why],
    "batch.": [
        "all",
        *(state + end for state in ("pending", "delivered", "refused", "withdrawn", "split") for end in ("", ".means")),
    ],
    "batches.": [kind + end for kind in KINDS for end in ("", ".means")],
    "outcome.": ["delivered", "refused", "transient", "permanent", "unknown", "open"],
    "count.": [
        *(name + end for name in ("read", *PARTS) for end in ("", ".means")),
        *("gone", "source"),
    ],
    "dag.": ["historical_load", "daily_send"],
    "view.": ["none", *(result.value for result in CountResult)],
    "nav.": ["coverage", "rejections", "evidence", "activity", "actions"],
    "live.": ["running", "queued"],
    "daily.last.": ["success", "failed"],
    "proofs.": ["settled", "pending", "uncounted", "mismatch"],
    "review.run.": ["daily_send", "historical_load"],
    "dry.": [
        *("read", "new", "known", "rejected", "excluded", "duplicates"),
        *("gone", "withdrawn", "resent", "batches"),
    ],
    "action.": ["adopt_batch", "retry_batch"],
    "action.done.": ["adopt_batch", "retry_batch", "refused", "broken"],
    "settled.": ["acknowledged", "recognised", "adopted"],
    "unconfirmed.": [way + end for way in ("adopt", "retry") for end in ("", ".means", ".confirm")],
    "csv.": ["month", "service", "status", "status_name", "rows", "state"],
    "problem.": [
        name + end
        for name in (
            *("400", "401", "403", "404", "form", "busy", "settled", "preparing", "500", "settings"),
            *("outbox.empty", "outbox.older", "outbox.away", "outbox.missing"),
        )
        for end in ("", ".advice")
    ],
}


def named() -> set[str]:
    """The names of all texts that templates and modules use, alone or as a family."""
    sources = [path.read_text(encoding="utf-8") for pattern in ("**/*.py", "templates/*.html") for path in WEB.glob(pattern)]
    text = "\n".join(sources)
    single = set(re.findall(r"""(?:\bt|texts|_texts)\(\s*['"]([a-z_]+(?:\.[a-z0-9_]+)*)['"]""", text))
    either = {name for pair in re.findall(r"t\('([a-z.]+)' if [^()]+? else '([a-z.]+)'", text) for name in pair}
    single |= set(re.findall(r"""TEXTS\["([a-z_.]+)"\]""", text))
    return single | either | {head + tail for head, tails in FAMILIES.items() for tail in tails}


def test_no_text_is_missing_and_none_is_left_over() -> None:
    """The pages use exactly the texts of the catalogue."""
    assert named() == set(TEXTS)


def test_a_text_that_counts_mentions_its_number_where_it_is_not_one() -> None:
    """A text with a count mentions it as ``n``, which selects the plural form, or as ``shown``, a short form."""
    assert not [
        name for name, text in TEXTS.items() if isinstance(text, Counted) and not {"n", "shown"} & text.other.placeholders
    ]


def test_no_text_holds_markup() -> None:
    """No text contains markup, since texts are escaped like everything else."""
    assert not [name for name, text in TEXTS.items() if re.search("[<>&]", str(text))]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 filas"), (1, "1 fila"), (2, "2 filas"), (12_345, "12,345 filas"), (1_000_000, "1,000,000 filas")],
)
def test_singular_and_plural(count: int, text: str) -> None:
    """Singular and plural are distinguished, and thousands are separated."""
    assert Texts("es")("rows", n=count) == text


def test_a_text_that_is_missing_is_an_error() -> None:
    """A missing text raises an error instead of showing its name."""
    with pytest.raises(KeyError):
        Texts("es")("no.such.text")


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "language"),
    [
        pytest.param("en", "es", "es", "en", id="the address first"),
        pytest.param(None, "en", "es", "en", id="then what was asked for before"),
        pytest.param(None, None, "en-GB,en;q=0.9", "en", id="then the browser's, whatever its country"),
        pytest.param(None, None, "fr;q=0.9, es-MX;q=0.5, en;q=0.7", "en", id="by weight"),
        pytest.param(None, None, "en;q=0, es;q=0.1", "es", id="never one that is ruled out"),
        pytest.param(None, None, "*, de-DE", "es", id="Spanish where it speaks neither"),
        pytest.param("xx", "<script>", ";;q=,en;q=x,", "es", id="whatever it says"),
    ],
)
def test_the_language_is_negotiated(asked: str | None, kept: str | None, accepted: str, language: str) -> None:
    """The language is the requested one, then the browser's preferred one."""
    assert choose(asked, kept, accepted) == language
