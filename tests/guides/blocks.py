"""The code blocks in the documents."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

#: The documents with commands; each has a Spanish translation with the same blocks.
DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if ".es." not in path.name)]

_LINES = re.compile(
    r"^(?P<heading>#+ .*)$|^(?P<indent> *)```(?P<language>.+)\n(?P<text>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE
)


class Block(NamedTuple):
    """A fenced block.

    :ivar document: its path in the repository.
    :ivar heading: the heading above it.
    :ivar number: the number of blocks before it under the same heading.
    :ivar language: the text after the opening fence.
    :ivar text: without the indentation of a list.
    """

    document: str
    heading: str
    number: int
    language: str
    text: str


def blocks(document: str, heading: str | None = None, language: str | None = None) -> list[Block]:
    """The blocks of a document, of one of its headings, or in one language, in order."""
    found: list[Block] = []
    above, number = "", 0
    for match in _LINES.finditer((ROOT / document).read_text(encoding="utf-8")):
        if match["heading"]:
            above, number = match["heading"].lstrip("# "), 0
            continue
        found.append(Block(document, above, number, match["language"], dedent(match["text"])))
        number += 1
    return [one for one in found if heading in (None, one.heading) and language in (None, one.language)]


def commands(document: str, heading: str) -> list[str]:
    """The shell commands below a heading."""
    return [block.text for block in blocks(document, heading, "sh")]


def spanish(document: str) -> str:
    """The path of the Spanish translation."""
    return document.replace(".md", ".es.md")
