"""The documents for contributors match the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADR = ROOT / "docs" / "adr"
PAGES = sorted(ADR.glob("0*.md"))
FOR_CONTRIBUTORS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ADR / "README.md", *PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_fits_on_a_page(page: Path) -> None:
    """A decision record has context, decision and consequences, and is short enough to be read before it is reversed."""
    lines = page.read_text().splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith(f"# {page.stem[:4]}: ")
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]


def test_every_decision_is_in_the_list() -> None:
    """Every decision is listed once, in order."""
    assert re.findall(r"^\| \[\d+\]\((.+)\)", (ADR / "README.md").read_text(), re.MULTILINE) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", FOR_CONTRIBUTORS, ids=lambda page: page.name)
def test_what_is_named_is_there(page: Path) -> None:
    """Every file and folder that is named exists, relative to the repository or the package."""
    named = re.findall(r"`([\w.-]*(?:[\w-]+/)+[\w.-]*)`", page.read_text()) + re.findall(r"\]\(([^):]+)\)", page.read_text())
    roots = (ROOT, ROOT / "plugins" / "tablero", page.parent)
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_the_hooks_are_those_of_make_lint() -> None:
    """A commit that passes the hooks passes `make lint`."""
    makefile = (ROOT / "Makefile").read_text().partition("\nlint: $(MADE)\n")[2].partition("\n\n")[0]
    checks = [line.strip().removeprefix("$(VENV)/bin/") for line in makefile.splitlines()]
    hooks = re.findall(r"entry: \.venv/bin/(.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == checks
